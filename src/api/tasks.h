// Work that takes long, for people who wait: what runs, how far it is, what came of it. The newest
// ended ones are remembered. Thread-safe.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/status.h"

namespace ferres {

struct Task {
  uint64_t id = 0;
  std::string kind;   // "restore", "export", "import"
  std::string about;  // what it is done to
  uint64_t started_micros = 0;
  uint64_t ended_micros = 0;  // 0: it runs
  uint64_t done = 0;          // of total, in steps of its kind
  uint64_t total = 0;
  std::string error;  // empty: it runs, or went well
  bool cancelled = false;
};

class Tasks {
 public:
  explicit Tasks(const Clock& clock) : clock_(clock) {}

  /// Returns the task's id; kResourceExhausted when running_max of the kind run already.
  Result<uint64_t> begin(std::string kind, std::string about, size_t running_max);
  /// kConflict when the task was cancelled: whoever does the work ends it.
  Status progress(uint64_t id, uint64_t done, uint64_t total);
  /// kNotFound when there is no such task, kConflict when it has ended.
  Status cancel(uint64_t id);
  void end(uint64_t id, const Status& status);
  /// Newest first.
  std::vector<Task> list() const;

 private:
  static constexpr size_t kEndedMax = 100;

  const Clock& clock_;
  mutable Mutex mutex_;
  std::deque<Task> tasks_ GUARDED_BY(mutex_);  // newest first
  uint64_t next_id_ GUARDED_BY(mutex_) = 1;
};

}  // namespace ferres
