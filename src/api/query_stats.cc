// The series of each collection, made at its first search.
#include "api/query_stats.h"

namespace ferres {

void QueryStats::record(const std::string& collection, double ms) {
  Series series;
  {
    const MutexLock lock(mutex_);
    Series& known = collections_[collection];
    if (!known.queries) {
      known.queries =
          metrics().counter("queries_total", "Searches answered", {{"collection", collection}});
      known.duration_ms =
          metrics().histogram("query_duration_ms", "Time that a search took, in milliseconds",
                              latency_ms_buckets(), {{"collection", collection}});
    }
    series = known;
  }
  series.queries->add();
  series.duration_ms->observe(ms);
}

LatencySummary QueryStats::summary(const std::string& collection) {
  std::shared_ptr<Histogram> latencies;
  {
    const MutexLock lock(mutex_);
    const auto found = collections_.find(collection);
    if (found == collections_.end()) return {};
    latencies = found->second.duration_ms;
  }
  const uint64_t count = latencies->count();
  return {.avg_ms = count == 0 ? 0 : latencies->sum() / static_cast<double>(count),
          .p50_ms = latencies->quantile(0.50),
          .p95_ms = latencies->quantile(0.95),
          .p99_ms = latencies->quantile(0.99)};
}

void QueryStats::forget(const std::string& collection) {
  const MutexLock lock(mutex_);
  collections_.erase(collection);
  metrics().forget("collection", collection);
}

}  // namespace ferres
