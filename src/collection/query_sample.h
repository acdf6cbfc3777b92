// Some of the vectors that were searched for lately, to measure on what people ask: their queries
// may lie elsewhere than the points. The first kQueries are kept, then one in kEvery takes the
// place of the oldest. Thread-safe.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/mutex.h"

namespace ferres {

class QuerySample {
 public:
  static constexpr size_t kQueries = 512;

  /// Returns how many were offered so far, this one included.
  uint64_t offer(std::span<const float> query) {
    const MutexLock lock(mutex_);
    const uint64_t before = offered_++;
    if (before >= kQueries && before % kEvery != 0) return offered_;
    if (queries_.size() < kQueries) {
      queries_.emplace_back(query.begin(), query.end());
    } else {
      queries_[next_++ % kQueries].assign(query.begin(), query.end());
    }
    return offered_;
  }
  std::vector<std::vector<float>> copy() const {
    const MutexLock lock(mutex_);
    return queries_;
  }
  uint64_t offered() const {
    const MutexLock lock(mutex_);
    return offered_;
  }

 private:
  static constexpr uint64_t kEvery = 16;

  mutable Mutex mutex_;
  std::vector<std::vector<float>> queries_ GUARDED_BY(mutex_);
  uint64_t offered_ GUARDED_BY(mutex_) = 0;
  size_t next_ GUARDED_BY(mutex_) = 0;
};

}  // namespace ferres
