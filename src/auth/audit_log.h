// The audit log (API.md 5.9, 11.3): who did what, and who was refused what. One JSON object a line
// in audit-YYYY-MM-DD.jsonl, only ever appended to. Each line holds the SHA-256 of the line before
// it and of itself, over all files, so a line that was changed, taken out or put in breaks the
// chain; a tail that was cut off is told by the server's log, where the head of the chain is named
// at each start and end. Thread-safe.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/files.h"
#include "base/mutex.h"
#include "base/status.h"

namespace ferres {

struct AuditEntry {
  uint64_t unix_micros = 0;
  std::string user;
  std::string action;
  std::string resource;
  std::string details_json;  // empty: none
  std::string_view result;   // success, denied, error or partial
  std::string ip_address;    // empty: unknown
  uint64_t duration_micros = 0;
};

/// What is empty matches everything.
struct AuditQuery {
  std::string user;
  std::string action;
  std::string resource;  // a part of it
  uint64_t from_micros = 0;
  uint64_t to_micros = ~uint64_t{0};
  size_t limit = 100;
};

struct AuditCheck {
  uint64_t entries = 0;
  std::string head;    // hash of the last line
  std::string broken;  // where and how the chain breaks first; empty: it does not
};

class AuditLog : public std::enable_shared_from_this<AuditLog> {
 public:
  static constexpr size_t kWaitingMax = 10000;

  /// Continues the newest file of the folder, which is made when it is missing. Files, clock and
  /// executor outlive it. kCorruption when the end of that file is no entry.
  static Result<std::shared_ptr<AuditLog>> open(FileSystem& files, Executor& executor,
                                                std::string dir, uint64_t days_max);

  /// Written soon, in the background. When the disk takes none, kWaitingMax entries wait; how many
  /// more there were is an entry of its own as soon as there is room, and a metric at once.
  void add(AuditEntry entry);
  /// Makes all that was added durable.
  Status flush();
  /// Entries as JSON text, newest first. Reads files: may take long.
  Result<std::vector<std::string>> query(const AuditQuery& query);
  /// Hash of the last line that was written.
  std::string head() const;

 private:
  AuditLog(FileSystem& files, Executor& executor, std::string dir, uint64_t days_max);
  Status continue_newest();
  Status write_waiting(bool durable);
  Status write_batch(const std::deque<AuditEntry>& batch, uint64_t lost) REQUIRES(writing_);
  Status open_day(std::string_view day) REQUIRES(writing_);
  void remove_old(std::string_view day);

  FileSystem& files_;
  Executor& executor_;
  const std::string dir_;
  const uint64_t days_max_;

  mutable Mutex mutex_;
  std::deque<AuditEntry> waiting_ GUARDED_BY(mutex_);
  uint64_t lost_ GUARDED_BY(mutex_) = 0;
  bool scheduled_ GUARDED_BY(mutex_) = false;

  mutable Mutex writing_;  // what follows
  std::unique_ptr<File> file_ GUARDED_BY(writing_);
  std::string day_ GUARDED_BY(writing_);
  uint64_t size_ GUARDED_BY(writing_) = 0;
  std::string head_ GUARDED_BY(writing_);
  bool failing_ GUARDED_BY(writing_) = false;
};

/// Walks the whole chain of a folder.
Result<AuditCheck> check_audit_log(FileSystem& files, const std::string& dir);

}  // namespace ferres
