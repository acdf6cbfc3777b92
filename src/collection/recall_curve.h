// What recall each ef_search gives in a collection, and from that the ef_search that a
// target_recall asks for. One curve for each number of neighbours wanted, rounded
// up to 1, 2, 5, 10, 20, ... How it is measured: collection/calibrate.cc. Thread-safe.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/mutex.h"

namespace ferres {

/// So few queries say less than points.
inline constexpr uint64_t kCurveQueriesMin = 200;

/// The smallest of 1, 2, 5, 10, 20, ... not below k (k: at most 1 000 000 000).
uint32_t curve_class(uint32_t k);

struct RecallCurve {
  struct Place {
    uint32_t ef = 0;
    double recall = 0;  // 0..1
  };
  std::vector<Place> places;  // ascending by ef, at least one
  uint64_t points = 0;        // in the collection when it was measured
  uint64_t queries = 0;       // seen by then; 0: measured on points, for want of queries
};

/// The smallest ef that is expected to reach the target, between the curve's ends.
uint32_t ef_for(const RecallCurve& curve, double target);

class RecallCurves {
 public:
  struct Answer {
    std::optional<uint32_t> ef;  // nothing: not measured yet
    bool stale = false;          // to be measured (again): never was, or the collection has changed
  };
  /// For a search for k neighbours in a collection of so many points, which has seen so many
  /// queries.
  Answer ask(double target, uint32_t k, uint64_t points, uint64_t queries) const;
  void put(uint32_t k, RecallCurve curve);
  /// Another index answers from now on.
  void clear();

 private:
  mutable Mutex mutex_;
  std::map<uint32_t, RecallCurve> curves_ GUARDED_BY(mutex_);  // by curve_class
};

}  // namespace ferres
