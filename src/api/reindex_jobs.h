// The rebuildings of indexes that clients asked for (API.md 5.6): those that run, and of those that
// have ended the newest 50. Lost at a restart. Thread-safe.
#pragma once
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "collection/reindex_run.h"

namespace ferres {

struct ReindexJob {
  std::string id;
  std::string collection;
  std::shared_ptr<const ReindexRun> run;
};

class ReindexJobs {
 public:
  /// Returns the job's id.
  std::string add(std::string collection, std::shared_ptr<const ReindexRun> run);
  /// Those of a collection, newest first.
  std::vector<ReindexJob> list(const std::string& collection) const;
  /// A dropped collection's jobs do not pass to the next one of its name.
  void forget(const std::string& collection);

 private:
  static constexpr size_t kEndedMax = 50;

  mutable Mutex mutex_;
  std::deque<ReindexJob> jobs_ GUARDED_BY(mutex_);  // newest first
};

}  // namespace ferres
