// One bucket a collection.
#include "server/rate_limit.h"

#include <cmath>

namespace ferres {
namespace {

// Names are the callers': beyond so many, those whose bucket is full are forgotten, which loses
// nothing.
constexpr size_t kBucketsMax = 20000;

}  // namespace

RateLimit::RateLimit(const RateLimitOptions& options)
    : rate_(static_cast<double>(options.per_second)),
      burst_(options.burst != 0 ? static_cast<double>(options.burst) : 5 * rate_) {}

bool RateLimit::take(const std::string& collection, uint64_t now_nanos, uint64_t& retry_seconds) {
  if (rate_ == 0) return true;
  const MutexLock lock(mutex_);
  if (buckets_.size() >= kBucketsMax && !buckets_.contains(collection)) {
    std::erase_if(buckets_, [now_nanos](const auto& one) { return one.second.full(now_nanos); });
  }
  TokenBucket& bucket = buckets_.try_emplace(collection, rate_, burst_, now_nanos).first->second;
  if (bucket.take(now_nanos)) return true;
  retry_seconds = static_cast<uint64_t>(std::ceil(bucket.seconds_to_next()));
  return false;
}

}  // namespace ferres
