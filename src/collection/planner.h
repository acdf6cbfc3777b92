// Whether a filtered search scans its matches or walks the graph among them. Both costs are learnt
// from the searches themselves, so the choice follows the machine, the dimension and the codes; the
// first ones go by what was measured on one machine (docs/ENGINE.md). What made walks dear fades
// while scans are chosen: other filters on as many points may be cheap to walk to. Thread-safe,
// lock-free: a lost update is a lesson less.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>

namespace ferres {

class Planner {
 public:
  /// True: comparing with all `matches` of `points` is expected to cost less than a walk with `ef`.
  bool scan_is_cheaper(uint64_t matches, uint64_t points, uint32_t ef) const;
  /// Distances after which a walk has cost as much as the scan.
  uint32_t visits_max(uint64_t matches) const;
  void learn_scan(uint64_t matches, uint64_t points, uint64_t nanos);
  void learn_walk(uint64_t matches, uint64_t points, uint32_t ef, uint64_t nanos);

 private:
  // Walks by the share that matches: below 5 %, 15 %, 40 %, and above.
  static constexpr size_t kBands = 4;
  static size_t band(uint64_t matches, uint64_t points);

  std::atomic<float> scan_nanos_{25};  // a match
  // A place of ef, of which a walk has kEfBase more than it is asked for.
  static constexpr std::array<float, kBands> kWalkNanos = {12000, 5000, 2500, 1500};
  std::array<std::atomic<float>, kBands> walk_nanos_ = {kWalkNanos[0], kWalkNanos[1], kWalkNanos[2],
                                                        kWalkNanos[3]};
};

}  // namespace ferres
