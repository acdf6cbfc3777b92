// See recall_curve.h.
#include "collection/recall_curve.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ferres {
namespace {

// A curve holds until a quarter of the points came or went.
constexpr uint64_t kChangeShare = 4;
// And until so many times the queries were seen: what people ask may change.
constexpr uint64_t kQueriesTimes = 8;
// What is missed is compared on a logarithmic scale, which needs something to be missed.
constexpr double kMissedMin = 1e-5;

double log_missed(double recall) {
  return std::log(std::max(1 - recall, kMissedMin));
}

}  // namespace

uint32_t curve_class(uint32_t k) {
  for (uint32_t decade = 1;; decade *= 10) {
    for (const uint32_t step : {1, 2, 5}) {
      if (k <= step * decade) return step * decade;
    }
  }
}

uint32_t ef_for(const RecallCurve& curve, double target) {
  // Measured recall wavers: what a smaller ef reached a larger one reaches too.
  RecallCurve::Place below = curve.places.front();
  for (RecallCurve::Place place : curve.places) {
    place.recall = std::max(place.recall, below.recall);
    if (place.recall >= target) {
      const double step = log_missed(below.recall) - log_missed(place.recall);
      if (place.ef == below.ef || !(step > 0)) return place.ef;
      // Between two places the logarithm of what is missed falls evenly with that of ef.
      const double share = (log_missed(below.recall) - log_missed(target)) / step;
      const double ratio = static_cast<double>(place.ef) / below.ef;
      return std::min(place.ef,
                      static_cast<uint32_t>(std::lround(below.ef * std::pow(ratio, share))));
    }
    below = place;
  }
  return curve.places.back().ef;
}

RecallCurves::Answer RecallCurves::ask(double target, uint32_t k, uint64_t points,
                                       uint64_t queries) const {
  const MutexLock lock(mutex_);
  const auto found = curves_.find(curve_class(k));
  if (found == curves_.end()) return {.ef = std::nullopt, .stale = true};
  const uint64_t before = found->second.points;
  const uint64_t changed = points > before ? points - before : before - points;
  return {.ef = std::max(ef_for(found->second, target), k),
          .stale = changed > before / kChangeShare ||
                   queries >= std::max(kCurveQueriesMin, found->second.queries * kQueriesTimes)};
}

void RecallCurves::put(uint32_t k, RecallCurve curve) {
  const MutexLock lock(mutex_);
  curves_.insert_or_assign(curve_class(k), std::move(curve));
}

void RecallCurves::clear() {
  const MutexLock lock(mutex_);
  curves_.clear();
}

}  // namespace ferres
