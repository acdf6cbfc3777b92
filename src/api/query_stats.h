// Search latencies of each collection, for its stats: counts in buckets that grow by a quarter of a
// power of two, so a percentile is off by at most 19%. Recording is one lookup under a short lock
// and two atomic additions. Thread-safe.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/mutex.h"

namespace ferres {

struct LatencySummary {
  uint64_t count = 0;
  double avg_ms = 0;
  double p50_ms = 0;
  double p95_ms = 0;
  double p99_ms = 0;
};

class QueryStats {
 public:
  void record(const std::string& collection, uint64_t nanos);
  LatencySummary summary(const std::string& collection);
  /// A dropped collection's figures do not pass to the next one of its name.
  void forget(const std::string& collection);

 private:
  static constexpr size_t kBuckets = 256;  // 64 powers of two, four buckets each
  struct Latencies {
    std::array<std::atomic<uint64_t>, kBuckets> buckets{};
    std::atomic<uint64_t> nanos{0};
  };
  std::shared_ptr<Latencies> find(const std::string& collection, bool create);

  Mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Latencies>> collections_ GUARDED_BY(mutex_);
};

}  // namespace ferres
