// What the operations on backups share: the store that the settings name, and how its failures are
// answered. Any thread.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "api/answer.h"
#include "api/context.h"
#include "backup/object_store.h"
#include "db/backup.h"

namespace ferres {

/// A store and where it is.
struct BackupStore {
  std::shared_ptr<ObjectStore> objects;
  S3Target target;
};

/// kInvalidArgument when the settings are not complete. Requests to it end when the server stops.
Result<BackupStore> open_backup_store(Context& context, uint32_t attempts_max = 10);
/// 503 s3_not_configured for kInvalidArgument of open_backup_store.
Answer not_configured_answer(const Status& status);
/// As error_answer; 502 with `word` when the store failed.
Answer store_error_answer(const Status& status, std::string_view word);

/// Runs `work` on the pool of long requests, with a task that shows its progress, unless a backup
/// is being made or brought back already; replies with its answer, or with `refusal` of its error.
struct BackupWork {
  std::string kind;
  std::string about;
  std::function<Result<Answer>(const BackupProgress& progress)> work = {};
  std::function<Answer(const Status&)> refusal = {};
};
void run_alone(Context& context, BackupWork work, const Reply& reply);

}  // namespace ferres
