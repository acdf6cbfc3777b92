// The walk: from some starts, look at the neighbours of the nearest unexpanded candidate until the
// nearest `ef` are all expanded. In a graph with lane codes a step scores only the neighbours that
// their one-bit codes let pass: the pool stays exact, the codes are but a filter.
//
// A step waits for memory twice: for the block, and for the codes of the neighbours in it. So steps
// overlap: while one block is read the next is on its way, and what a block let pass is scored
// after the block that follows it was read. The walk chooses two steps behind what it knows, which
// costs a step or two and hides both waits.
//
// With lane codes it goes narrow first: until the few nearest are expanded it lets pass only what
// may belong to them. A full-width walk far from the query would score all it meets, for its pool
// has no limit yet. Then it expands again what it kept, at full width; those blocks are in the
// CPU's cache, and what was scored is not scored again.
//
// One code for searches and plans; `Blocks` is how a block is read (PlainBlocks, LaneBlocks; the
// benchmark of reader schemes has others). Any thread, under an EpochGuard; nothing is allocated
// once a thread's scratch has grown to the graph.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "base/slot_set.h"
#include "base/status.h"
#include "base/types.h"
#include "index/ann_index.h"
#include "index/hnsw_graph.h"
#include "index/hnsw_layout.h"
#include "index/pool.h"
#include "index/space.h"
#include "index/visited.h"

namespace ferres {

/// What one thread needs for its walks, kept between them.
struct WalkScratch {
  Visited visited;
  Pool pool;
  Pool admitted;
  Pool entries;
  SpaceQuery query;
  Slot ids[kLanesMax];
  Slot batch[kLanesMax];
  Slot held[kLanesMax];  // of a walk: the batch before
  float distances[kLanesMax];
  std::vector<Slot> rescore;
  std::vector<float> rescored;
  uint64_t scored = 0;
  uint64_t rejected = 0;
  Status damage;  // a vector's page failed its checksum: the answer is worthless
};

/// What a walk under a condition may cost before it is given up.
struct WalkBudget {
  uint64_t steps = ~uint64_t{0};   // blocks read
  uint64_t visits = ~uint64_t{0};  // distances
};

/// Takes nothing note of what was scored.
struct ForgetScored {
  void operator()(const Slot*, size_t, const float*) const {}
};

/// Every neighbour of a block.
struct PlainBlocks : GraphView {
  explicit PlainBlocks(const GraphView& view) : GraphView(view) {}
  /// Whether unmet() leaves out what is beyond the limit.
  bool filters() const { return false; }
  /// The neighbours that the walk has not met, in s.batch; returns how many.
  uint32_t unmet(Slot slot, const LaneLimit&, WalkScratch& s, Slot slots) const {
    return static_cast<uint32_t>(s.visited.meet_all(s.ids, read(slot, s.ids), slots, s.batch));
  }
};

/// Only the neighbours that may be nearer than the limit, by their lane codes.
struct LaneBlocks : GraphView {
  /// `slack` widens the limit: 0.05 lets pass what is estimated up to 5% beyond it.
  LaneBlocks(const GraphView& view, const LaneQuery& query, float slack)
      : GraphView(view), query_(query), slack_(slack) {}
  bool filters() const { return !std::isinf(slack_); }
  uint32_t unmet(Slot slot, const LaneLimit& limit, WalkScratch& s, Slot slots) const {
    LaneLimit widened = limit;
    widened.limit = std::isinf(limit.limit) || std::isinf(slack_)
                        ? kFar
                        : limit.limit + slack_ * std::fabs(limit.limit);
    const uint32_t near = read_near(slot, query_, widened, s.ids);
    return static_cast<uint32_t>(s.visited.meet_all(s.ids, near, slots, s.batch));
  }

 private:
  LaneQuery query_;
  float slack_;
};

/// Distances of `count` slots, in s.distances. Leaves out of them what is damaged and can be made
/// again; false, and s.damage says why, when the answer cannot be trusted any more.
inline bool score_batch(const Space& space, bool unverified, Slot* slots, size_t& count,
                        WalkScratch& s) {
  if (unverified) [[unlikely]] {
    auto kept = space.keep_verified(slots, count);
    if (!kept.ok()) {
      s.damage = std::move(kept).error();
      return false;
    }
    count = *kept;
  }
  space.score(s.query, slots, count, s.distances);
  s.scored += count;
  return true;
}

template <class Blocks>
class Walk {
 public:
  /// scratch.query is prepared. Nothing leads through `without`.
  Walk(const Space& space, const Blocks& blocks, WalkScratch& scratch, Slot without = kNoSlot)
      : space_(space),
        blocks_(blocks),
        scratch_(scratch),
        slots_(std::min(space.slots(), blocks.slots)),
        without_(without),
        unverified_(space.unverified()) {}

  /// Finds where to start: the entries that seem nearest, and the root, which reaches everything,
  /// so that a pool of all points finds all points.
  void enter() {
    Pool& entries = scratch_.entries;
    entries.reset(kStarts);
    blocks_.entries.scan(scratch_.query, entries);
    starts_count_ = 0;
    for (uint32_t i = 0; i < entries.size(); ++i)
      starts_[starts_count_++] = entries.slot(i);
    starts_[starts_count_] = blocks_.root();
    starts_count_ += starts_[starts_count_] != kNoSlot;
  }

  /// Walks with a pool of `ef` from where enter() said; scratch.pool has what was found.
  template <class Scored = ForgetScored>
  void run(uint32_t ef, Scored&& note = {}) {
    Pool& pool = scratch_.pool;
    pool.reset(ef);
    size_t fresh = start();
    KeepAll<Scored> keep{*this, note};
    if (!score(fresh)) return;
    keep.take(fresh);
    if (blocks_.filters() && ef > kNarrow) {
      expand(kNarrow, keep);
      pool.unexpand();
    }
    expand(ef, keep);
  }

  /// The walk under a condition: refused slots lead on, and scratch.admitted keeps the nearest `ef`
  /// of the others. It ends when nothing that is left to expand is nearer than those; or, when
  /// about the `share` of what it met was admitted, with the nearest `width` of all expanded, for
  /// what lies near is met as a neighbour of many. False when the budget was spent before.
  template <class Admits>
  bool run_admitting(uint32_t ef, uint32_t width, double share, WalkBudget budget,
                     const Admits& admits) {
    Pool& pool = scratch_.pool;
    scratch_.admitted.reset(ef);
    const auto steps = static_cast<uint32_t>(std::min(budget.steps, kStepsMax));
    pool.reset(steps);
    size_t fresh = start();
    KeepAdmitted<Admits> keep{*this, admits, budget.visits};
    if (!score(fresh)) return true;
    keep.take(fresh);
    if (blocks_.filters()) {
      expand(kNarrow, keep);
      pool.unexpand();
    }
    if (width < steps) {
      expand(width, keep);
      const bool typical = static_cast<double>(keep.admitted) >=
                           kTypical * share * static_cast<double>(scratch_.scored);
      if (typical && scratch_.admitted.full()) return true;
    }
    expand(steps, keep);
    if (!scratch_.damage.ok()) return true;
    // What is left is a candidate that was not expanded, or what a full pool has no room for.
    const uint64_t left = std::min(pool.nearest(steps), pool.limit());
    return left == Pool::kNone || (left >= scratch_.admitted.limit() && !keep.spent());
  }

 private:
  // More starts cost more than they save.
  static constexpr uint32_t kStarts = 4;
  static constexpr uint32_t kNarrow = 2;
  static constexpr uint64_t kStepsMax = 1 << 16;
  static constexpr double kTypical = 0.7;

  /// Meets the starts; returns how many there are in scratch.batch.
  size_t start() {
    scratch_.visited.begin(slots_);
    if (without_ < slots_) scratch_.visited.meet(without_);
    const size_t fresh = scratch_.visited.meet_all(starts_, starts_count_, slots_, scratch_.batch);
    space_.prefetch(scratch_.batch, fresh);
    return fresh;
  }

  /// What a walk does with the batch that was scored, and how far it looks.
  template <class Scored>
  struct KeepAll {
    Walk& walk;
    Scored& note;

    void take(size_t count) {
      note(walk.scratch_.batch, count, walk.scratch_.distances);
      walk.pour(count);
    }
    float limit(uint32_t width) const { return distance_at(walk.scratch_.pool, width); }
    bool done(uint64_t) const { return false; }
  };
  template <class Admits>
  struct KeepAdmitted {
    Walk& walk;
    const Admits& admits;
    uint64_t visits_max = 0;
    uint64_t admitted = 0;  // of all that was scored

    void take(size_t count) {
      WalkScratch& s = walk.scratch_;
      walk.pour(count);
      for (size_t i = 0; i < count; ++i) {
        if (admits(s.batch[i])) {
          s.admitted.insert(s.distances[i], s.batch[i]);
          ++admitted;
        } else {
          ++s.rejected;
        }
      }
    }
    float limit(uint32_t width) const {
      const Pool& kept = walk.scratch_.admitted;
      return std::min(distance_at(walk.scratch_.pool, width), distance_at(kept, kept.capacity()));
    }
    /// Nothing that is left may be among the admitted.
    bool done(uint64_t nearest) const {
      return nearest >= walk.scratch_.admitted.limit() || spent();
    }
    bool spent() const { return walk.scratch_.scored >= visits_max; }
  };
  static float distance_at(const Pool& pool, uint32_t width) {
    return pool.size() < width ? kFar : pool.distance(width - 1);
  }

  /// Expands the nearest `width` of the pool.
  template <class Keep>
  void expand(uint32_t width, Keep& keep) {
    uint64_t next = take_ahead(width, keep);
    size_t held = 0;
    while (next != Pool::kNone || held != 0) {
      const uint64_t key = next;
      size_t fresh = 0;
      if (key != Pool::kNone) {
        next = take_ahead(width, keep);
        fresh = unmet_neighbours(key, keep.limit(width));
      }
      std::swap_ranges(scratch_.batch, scratch_.batch + std::max(fresh, held), scratch_.held);
      if (!score(held)) return;
      keep.take(held);
      held = fresh;
      if (next == Pool::kNone) next = take_ahead(width, keep);
    }
  }

  /// Takes the nearest unexpanded candidate and asks the memory for its block.
  template <class Keep>
  uint64_t take_ahead(uint32_t width, const Keep& keep) {
    const uint64_t key = scratch_.pool.nearest(width);
    if (key == Pool::kNone || keep.done(key)) return Pool::kNone;
    scratch_.pool.take();
    blocks_.prefetch(key_slot(key));
    return key;
  }

  /// Meets the neighbours of a candidate that may be nearer than the limit, and asks the memory for
  /// them.
  size_t unmet_neighbours(uint64_t key, float limit) {
    const size_t fresh = blocks_.unmet(key_slot(key), {key_distance(key), limit}, scratch_, slots_);
    space_.prefetch(scratch_.batch, fresh);
    return fresh;
  }

  bool score(size_t& count) {
    return score_batch(space_, unverified_, scratch_.batch, count, scratch_);
  }

  void pour(size_t count) {
    for (size_t i = 0; i < count; ++i)
      scratch_.pool.insert(scratch_.distances[i], scratch_.batch[i]);
  }

  const Space& space_;
  const Blocks& blocks_;
  WalkScratch& scratch_;
  const Slot slots_;
  const Slot without_;
  const bool unverified_;
  Slot starts_[kStarts + 1] = {};
  size_t starts_count_ = 0;
};

}  // namespace ferres
