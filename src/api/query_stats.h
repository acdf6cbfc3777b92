// Counts and latencies of each collection's searches: the metrics queries_total and
// query_duration_ms, and the figures of its stats. Recording costs one lookup under a short lock.
// Thread-safe.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/metrics.h"
#include "base/mutex.h"

namespace ferres {

struct LatencySummary {
  double avg_ms = 0;
  double p50_ms = 0;
  double p95_ms = 0;
  double p99_ms = 0;
};

class QueryStats {
 public:
  void record(const std::string& collection, double ms);
  LatencySummary summary(const std::string& collection);
  /// A dropped collection's figures do not pass to the next one of its name.
  void forget(const std::string& collection);

 private:
  struct Series {
    std::shared_ptr<Counter> queries;
    std::shared_ptr<Histogram> duration_ms;
  };

  Mutex mutex_;
  std::unordered_map<std::string, Series> collections_ GUARDED_BY(mutex_);
};

}  // namespace ferres
