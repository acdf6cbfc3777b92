// Backups of a database in an object store, and collections out of them. A full backup is one
// archive; an incremental one is a manifest and the files that are not in the store yet, each
// called by its SHA-256 (docs/formats.md). Either holds the newest state of each collection as one
// checkpoint: neither the log nor what can be restored by it, nor keys and settings. Any thread.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backup/object_store.h"
#include "base/files.h"
#include "base/status.h"
#include "db/database.h"

namespace ferres {

/// Called now and then with the bytes done and those that there are; an error ends the work.
using BackupProgress = std::function<Status(uint64_t done, uint64_t total)>;

struct BackupRequest {
  std::string server_version;
  uint64_t unix_micros = 0;  // now
  bool incremental = false;
};

struct BackupOutcome {
  std::string key;
  uint64_t size_bytes = 0;  // uploaded
  uint64_t files = 0;
  uint64_t new_files = 0;                               // uploaded
  std::vector<std::pair<std::string, Status>> skipped;  // collections that are unavailable
};

struct BackupEntry {
  std::string key;
  uint64_t unix_seconds = 0;
  uint64_t size_bytes = 0;  // of the object `key`: of an incremental backup, its manifest
  bool incremental = false;
};

struct BackupRestoreRequest {
  std::string key;
  std::optional<std::string> collection;  // none: all
  std::optional<std::string> as;          // of `collection`: its new name
};

struct RestoredCollection {
  std::string name;
  Lsn lsn = 0;
  uint64_t points = 0;
};

/// Reads every file twice, for its hash and to send it. kUpstream when the store fails.
Result<BackupOutcome> back_up(Database& db, FileSystem& files, ObjectStore& store,
                              const BackupRequest& request, const BackupProgress& progress);
/// Newest first.
Result<std::vector<BackupEntry>> list_backups(ObjectStore& store);
/// Makes collections of what the backup holds. kAlreadyExists when one of the names is taken;
/// kNotFound for a backup or collection that is not there; kCorruption for one that is damaged, and
/// then nothing is restored.
Result<std::vector<RestoredCollection>> restore_backup(Database& db, FileSystem& files,
                                                       ObjectStore& store,
                                                       const BackupRestoreRequest& request,
                                                       const BackupProgress& progress);

}  // namespace ferres
