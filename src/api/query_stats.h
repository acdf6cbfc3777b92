// How each collection is used: the latencies of its newest searches, searches and written points by
// the minute for 24 hours, what searches take of what a formula says (api/search_cost.h), and the
// metrics queries_total and query_duration_ms.
//
// Memory of a collection, from its first search or write on: 8 bytes for each of the newest 1024
// searches and 24 for each minute in which something happened, so 42 KiB at most. Recording holds
// one lock for a look into a table and then the collection's for a few stores: tens of nanoseconds
// against a search's tens of microseconds. Thread-safe.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/mutex.h"

namespace ferres {

/// Of the newest searches, 1024 at most and of the last 24 hours; 0 without any.
struct LatencySummary {
  double avg_ms = 0;
  double p50_ms = 0;
  double p95_ms = 0;
  double p99_ms = 0;
};

/// Searches whose cost goes by other rules.
enum class SearchKind : uint8_t { kPlain, kFiltered, kExact, kExactFiltered };
inline constexpr size_t kSearchKinds = 4;

struct MinuteOfUse {
  uint64_t minute = 0;  // since 1970
  uint32_t searches = 0;
  uint32_t points_written = 0;
  double search_ms = 0;  // of all its searches
};

class QueryStats {
 public:
  explicit QueryStats(const Clock& clock) : clock_(clock) {}

  /// One that took so long; the formula of its cost says formula_ms, above 0.
  void record_search(const std::string& collection, double ms, SearchKind kind, double formula_ms);
  void record_written(const std::string& collection, uint64_t points);
  LatencySummary latency(const std::string& collection) const;
  /// What searches of that kind took, in the middle, for each of the formula's milliseconds: of all
  /// of them, the newer ones counting more. Before the first a guess.
  double cost_ratio(const std::string& collection, SearchKind kind) const;
  /// Of the last 24 hours, the one that runs included, those in which something happened:
  /// ascending.
  std::vector<MinuteOfUse> minutes(const std::string& collection) const;
  /// Of all collections together.
  std::vector<MinuteOfUse> minutes() const;
  /// Points a second, over ten minutes.
  double points_per_second(const std::string& collection) const;
  /// A dropped collection's figures do not pass to the next one of its name.
  void forget(const std::string& collection);

 private:
  struct Sample {
    uint32_t minute = 0;
    float ms = 0;
  };
  struct Ratio {
    uint32_t searches = 0;
    double log = 0;  // averaged, so that one slow search is not worth many fast ones
  };
  struct Usage {
    std::shared_ptr<Counter> queries;
    std::shared_ptr<Histogram> duration_ms;
    Mutex mutex;
    std::vector<Sample> samples GUARDED_BY(mutex);  // a ring once it is full
    size_t next_sample GUARDED_BY(mutex) = 0;
    std::deque<MinuteOfUse> minutes GUARDED_BY(mutex);
    std::array<Ratio, kSearchKinds> ratios GUARDED_BY(mutex);
  };

  uint64_t this_minute() const;
  std::shared_ptr<Usage> usage_of(const std::string& collection);
  std::shared_ptr<Usage> find(const std::string& collection) const;
  static MinuteOfUse& minute_of(Usage& usage, uint64_t minute) REQUIRES(usage.mutex);

  const Clock& clock_;
  mutable Mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Usage>> collections_ GUARDED_BY(mutex_);
};

}  // namespace ferres
