// How many requests a second each collection gets (API.md 2, 9.1). Thread-safe.
#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "base/token_bucket.h"

namespace ferres {

struct RateLimitOptions {
  uint64_t per_second = 0;  // 0: no limit
  uint64_t burst = 0;       // at once, after a while without requests; 0: five seconds' worth
};

class RateLimit {
 public:
  explicit RateLimit(const RateLimitOptions& options);

  /// Whether a request for the collection is taken. If not, `retry_seconds` is when one will be.
  bool take(const std::string& collection, uint64_t now_nanos, uint64_t& retry_seconds);

 private:
  const double rate_;
  const double burst_;
  Mutex mutex_;
  std::unordered_map<std::string, TokenBucket> buckets_ GUARDED_BY(mutex_);
};

}  // namespace ferres
