// The scan of the members of a set: no walk, every member is compared with the query. Where the
// space has sketches they tell most members to be too far, and the codes of those are not fetched:
// fetching is what a scan waits for. Each step asks the memory for what a later one reads. One
// thread, under an EpochGuard.
#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/slot_set.h"
#include "base/types.h"
#include "index/ann_index.h"
#include "index/hnsw_walk.h"
#include "index/pool.h"
#include "index/space.h"

namespace ferres {

class MemberScan {
 public:
  /// scratch.query is prepared. Of those that `filter` admits the nearest `k` and `spare` behind
  /// them are kept in scratch.pool, as far as those may be nearer than they seem.
  MemberScan(const Space& space, WalkScratch& scratch, const SlotFilter& filter, uint32_t k,
             uint32_t spare)
      : space_(space),
        scratch_(scratch),
        filter_(filter),
        k_(k),
        unverified_(space.unverified()),
        bounded_(space.has_bounds()) {
    scratch_.pool.reset(k + spare);
    if (bounded_) space.prepare_bounds(scratch.query);
  }

  void run(const SlotSet& members) {
    const Slot slots = space_.slots();
    size_t coming = 0;
    members.for_each([&](Slot slot) {
      if (slot >= slots) return;
      coming_[coming++] = slot;
      if (coming == kAhead) step(std::exchange(coming, 0));
    });
    step(coming);
    step(0);
    step(0);
  }

 private:
  static constexpr size_t kAhead = 32;

  /// Asks the memory for what is `coming` and scores what came before.
  void step(size_t coming) {
    if (bounded_) {
      space_.prefetch_bounds(coming_, coming);
      score(near_, near_count_);
      near_count_ = keep_near(here_, here_count_);
    } else {
      space_.prefetch(coming_, coming);
      score(here_, here_count_);
    }
    std::copy_n(coming_, coming, here_);
    here_count_ = coming;
  }

  /// Moves those that may be among the nearest to near_ and asks the memory for their codes.
  size_t keep_near(const Slot* slots, size_t count) {
    space_.bounds(scratch_.query, slots, count, scratch_.distances);
    size_t kept = 0;
    for (size_t i = 0; i < count; ++i) {
      near_[kept] = slots[i];
      kept += !(scratch_.distances[i] > limit_);
    }
    space_.prefetch(near_, kept);
    return kept;
  }

  void score(Slot* slots, size_t count) {
    WalkScratch& s = scratch_;
    if (!s.damage.ok() || !score_batch(space_, unverified_, slots, count, s)) return;
    for (size_t i = 0; i < count; ++i) {
      const float distance = s.distances[i];
      if (distance > limit_ || candidate_key(distance, slots[i]) >= s.pool.limit() ||
          !filter_.admits(slots[i])) {
        continue;
      }
      s.pool.insert(distance, slots[i]);
    }
    if (s.pool.size() >= k_) limit_ = beyond(s.pool.slot(k_ - 1), s.pool.distance(k_ - 1));
  }

  /// Nothing there may be among the nearest when this slot is the k-th. Of many members those seem
  /// nearest whose codes err that way: it may itself be farther than it seems.
  float beyond(Slot slot, float distance) const {
    return distance + 3 * space_.doubt(scratch_.query, slot, distance);
  }

  const Space& space_;
  WalkScratch& scratch_;
  const SlotFilter& filter_;
  const uint32_t k_;
  const bool unverified_;
  const bool bounded_;
  float limit_ = kFar;
  Slot coming_[kAhead];
  Slot here_[kAhead];
  size_t here_count_ = 0;
  Slot near_[kAhead];
  size_t near_count_ = 0;
};

}  // namespace ferres
