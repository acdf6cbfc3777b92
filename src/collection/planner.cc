// See planner.h.
#include "collection/planner.h"

#include <algorithm>

namespace ferres {
namespace {

constexpr float kWeight = 0.05f;          // of the newest search in an average
constexpr float kFade = 0.01f;            // of what walks cost beyond the first guess, a scan
constexpr uint64_t kScanAlways = 256;     // so few matches are not worth a thought
constexpr uint64_t kScanLearnMin = 1000;  // shorter scans measure their overhead
constexpr uint32_t kEfBase = 30;          // what a walk costs beside ef: the way to the query
constexpr uint32_t kVisitsMin = 1000;
// One search that lost its CPU must not turn the plan round.
constexpr float kSurprise = 4;

void learn(std::atomic<float>& average, float seen) {
  const float now = average.load(std::memory_order_relaxed);
  const float bounded = std::clamp(seen, now / kSurprise, now * kSurprise);
  average.store(now + kWeight * (bounded - now), std::memory_order_relaxed);
}

}  // namespace

size_t Planner::band(uint64_t matches, uint64_t points) {
  const uint64_t percent = points == 0 ? 100 : matches * 100 / points;
  if (percent < 15) return percent < 5 ? 0 : 1;
  return percent < 40 ? 2 : 3;
}

bool Planner::scan_is_cheaper(uint64_t matches, uint64_t points, uint32_t ef) const {
  if (matches <= kScanAlways) return true;
  const float scan = scan_nanos_.load(std::memory_order_relaxed) * static_cast<float>(matches);
  const float walk = walk_nanos_[band(matches, points)].load(std::memory_order_relaxed);
  return scan <= walk * static_cast<float>(ef + kEfBase);
}

uint32_t Planner::visits_max(uint64_t matches) const {
  return static_cast<uint32_t>(std::clamp<uint64_t>(matches / 2, kVisitsMin, ~uint32_t{0}));
}

void Planner::learn_scan(uint64_t matches, uint64_t points, uint64_t nanos) {
  if (matches < kScanLearnMin || nanos == 0) return;
  learn(scan_nanos_, static_cast<float>(nanos) / static_cast<float>(matches));
  const size_t at = band(matches, points);
  const float walk = walk_nanos_[at].load(std::memory_order_relaxed);
  if (walk <= kWalkNanos[at]) return;
  walk_nanos_[at].store(walk + kFade * (kWalkNanos[at] - walk), std::memory_order_relaxed);
}

void Planner::learn_walk(uint64_t matches, uint64_t points, uint32_t ef, uint64_t nanos) {
  if (nanos == 0) return;
  learn(walk_nanos_[band(matches, points)],
        static_cast<float>(nanos) / static_cast<float>(ef + kEfBase));
}

}  // namespace ferres
