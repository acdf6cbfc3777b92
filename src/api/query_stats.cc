// Bucketed latencies and their percentiles.
#include "api/query_stats.h"

#include <bit>

namespace ferres {
namespace {

size_t bucket_of(uint64_t nanos) {
  if (nanos < 4) return 0;
  const int power = std::bit_width(nanos) - 1;
  return static_cast<size_t>(power) * 4 + ((nanos >> (power - 2)) & 3);
}

double bucket_middle_ms(size_t bucket) {
  const double low = static_cast<double>(uint64_t{1} << (bucket / 4));
  return low * (1 + (static_cast<double>(bucket % 4) + 0.5) / 4) / 1e6;
}

}  // namespace

std::shared_ptr<QueryStats::Latencies> QueryStats::find(const std::string& collection,
                                                        bool create) {
  MutexLock lock(mutex_);
  if (const auto found = collections_.find(collection); found != collections_.end()) {
    return found->second;
  }
  if (!create) return nullptr;
  return collections_.emplace(collection, std::make_shared<Latencies>()).first->second;
}

void QueryStats::record(const std::string& collection, uint64_t nanos) {
  const std::shared_ptr<Latencies> latencies = find(collection, true);
  latencies->buckets[bucket_of(nanos)].fetch_add(1, std::memory_order_relaxed);
  latencies->nanos.fetch_add(nanos, std::memory_order_relaxed);
}

LatencySummary QueryStats::summary(const std::string& collection) {
  LatencySummary result;
  const std::shared_ptr<Latencies> latencies = find(collection, false);
  if (!latencies) return result;
  std::array<uint64_t, kBuckets> counts;
  for (size_t i = 0; i < kBuckets; ++i) {
    counts[i] = latencies->buckets[i].load(std::memory_order_relaxed);
    result.count += counts[i];
  }
  if (result.count == 0) return result;
  const auto percentile = [&](double fraction) {
    const double rank = fraction * static_cast<double>(result.count);
    uint64_t seen = 0;
    for (size_t i = 0; i < kBuckets; ++i) {
      seen += counts[i];
      if (static_cast<double>(seen) >= rank && seen > 0) return bucket_middle_ms(i);
    }
    return bucket_middle_ms(kBuckets - 1);
  };
  result.avg_ms = static_cast<double>(latencies->nanos.load(std::memory_order_relaxed)) /
                  static_cast<double>(result.count) / 1e6;
  result.p50_ms = percentile(0.50);
  result.p95_ms = percentile(0.95);
  result.p99_ms = percentile(0.99);
  return result;
}

void QueryStats::forget(const std::string& collection) {
  MutexLock lock(mutex_);
  collections_.erase(collection);
}

}  // namespace ferres
