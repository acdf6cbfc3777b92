// The walk: from some starts, look at the neighbours of the nearest unexpanded candidate until the
// nearest `ef` are all expanded. Each step reads one block, scores its unmet neighbours as one
// batch and fetches the block that comes next, so that memory works while the CPU does. In a graph
// with lane codes a step scores only the neighbours that their one-bit codes let pass: the pool
// stays exact, the codes are but a filter. One code for searches and plans, for every level;
// `Blocks` is how a block is read (PlainBlocks, LaneBlocks; the benchmark of reader schemes has
// others). Any thread, under an EpochGuard; nothing is allocated
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
  std::vector<uint64_t> frontier;
  SpaceQuery query;
  Slot ids[kLanesMax];
  Slot fetched[kLanesMax];  // of a scan: on their way from memory while batch is scored
  Slot batch[kLanesMax];
  float distances[kLanesMax];
  float estimates[kLanesMax];
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

inline constexpr float kFar = std::numeric_limits<float>::infinity();

/// Takes nothing note of what was scored.
struct ForgetScored {
  void operator()(const Slot*, size_t, const float*) const {}
};

/// Every neighbour of a block. `nearest` takes what is known of the nearest unmet one: nothing.
struct PlainBlocks : GraphView {
  explicit PlainBlocks(const GraphView& view) : GraphView(view) {}
  uint32_t unmet(uint32_t level, Slot slot, const LaneLimit&, WalkScratch& s, Slot slots,
                 float& nearest) const {
    nearest = kFar;
    const uint32_t degree = read(level, slot, s.ids);
    return static_cast<uint32_t>(s.visited.meet_all(s.ids, degree, slots, s.batch));
  }
};

/// On the base level only the neighbours that may be nearer than the limit, by their lane codes.
struct LaneBlocks : PlainBlocks {
  /// `slack` widens the limit: 0.05 lets pass what is estimated up to 5% beyond it.
  LaneBlocks(const GraphView& view, const LaneQuery& query, float slack)
      : PlainBlocks(view), query_(query), slack_(slack) {}
  uint32_t unmet(uint32_t level, Slot slot, const LaneLimit& limit, WalkScratch& s, Slot slots,
                 float& nearest) const {
    if (level != 0) return PlainBlocks::unmet(level, slot, limit, s, slots, nearest);
    LaneLimit widened = limit;
    widened.limit = std::isinf(limit.limit) || std::isinf(slack_)
                        ? kFar
                        : limit.limit + slack_ * std::fabs(limit.limit);
    const uint32_t near = read_near(slot, query_, widened, s.ids, s.estimates);
    nearest = kFar;
    uint32_t fresh = 0;
    for (uint32_t i = 0; i < near; ++i) {
      if (s.ids[i] >= slots || !s.visited.meet(s.ids[i])) continue;
      s.batch[fresh++] = s.ids[i];
      nearest = std::min(nearest, s.estimates[i]);
    }
    return fresh;
  }

 private:
  LaneQuery query_;
  float slack_;
};

template <class Blocks>
class Walk {
 public:
  /// scratch.query is prepared.
  Walk(const Space& space, const Blocks& blocks, WalkScratch& scratch)
      : space_(space),
        blocks_(blocks),
        scratch_(scratch),
        slots_(std::min(space.slots(), blocks.slots)),
        unverified_(space.unverified()) {}

  /// Starts a pool of `ef` at the given slots, on the level that walk() will be called for.
  template <class Scored = ForgetScored>
  void start(uint32_t ef, const Slot* starts, size_t count, Scored&& note = {}) {
    scratch_.visited.begin(slots_);
    scratch_.pool.reset(ef);
    size_t fresh = scratch_.visited.meet_all(starts, count, slots_, scratch_.batch);
    space_.prefetch(scratch_.batch, fresh);
    if (score(fresh, note)) pour(fresh);
  }

  /// Expands the nearest `within` of the pool.
  template <class Scored = ForgetScored>
  void run(uint32_t level, uint32_t within, Scored&& note = {}) {
    Pool& pool = scratch_.pool;
    uint64_t key = 0;
    while (pool.take(within, key)) {
      size_t fresh = unmet_neighbours(level, key, pool);
      // Not when a neighbour will likely be expanded before it.
      const uint64_t next = pool.peek();
      const bool ahead = next != Pool::kNone && !(nearest_estimate_ < key_distance(next));
      if (ahead) blocks_.prefetch(level, key_slot(next));
      if (fresh == 0) continue;
      if (!score(fresh, note)) return;
      pour(fresh);
      const uint64_t nearer = pool.peek();
      if (nearer != Pool::kNone && !(ahead && nearer == next)) {
        blocks_.prefetch(level, key_slot(nearer));
      }
    }
  }

  /// Starts the pool at the bottom of the upper levels: each level is walked with a pool of a few,
  /// which start the level below.
  void descend(uint32_t down_to, uint32_t ef_upper) {
    const uint32_t levels = blocks_.levels();
    starts_count_ = 0;
    if (levels == 0) return;
    Slot starts[kStartsMax + 1];
    starts[0] = blocks_.root(levels - 1);
    size_t count = 1;
    for (uint32_t level = levels - 1; level > down_to; --level) {
      start(ef_upper, starts, count);
      run(level, ef_upper);
      count = std::min<size_t>(scratch_.pool.size(), kStartsMax);
      for (size_t i = 0; i < count; ++i)
        starts[i] = scratch_.pool.slot(static_cast<uint32_t>(i));
    }
    // The root reaches everything, so a pool of all points finds all points.
    starts[count] = blocks_.root(down_to);
    count += starts[count] != kNoSlot;
    std::copy_n(starts, count, starts_);
    starts_count_ = count;
  }
  const Slot* starts() const { return starts_; }
  size_t starts_count() const { return starts_count_; }

  /// The walk under a condition: refused slots lead on but are not kept. Ends when the ef admitted
  /// ones are nearer than anything left to expand. False when the budget was spent before.
  template <class Admits>
  bool run_admitting(uint32_t ef, WalkBudget budget, const Admits& admits) {
    scratch_.visited.begin(slots_);
    scratch_.admitted.reset(ef);
    scratch_.frontier.clear();
    size_t fresh = scratch_.visited.meet_all(starts_, starts_count_, slots_, scratch_.batch);
    if (!score(fresh, ForgetScored())) return true;
    push_frontier(fresh, admits);
    std::vector<uint64_t>& frontier = scratch_.frontier;
    while (!frontier.empty()) {
      const uint64_t nearest = frontier.front();
      if (nearest >= scratch_.admitted.limit()) return true;
      if (budget.steps-- == 0 || scratch_.scored >= budget.visits) return false;
      std::pop_heap(frontier.begin(), frontier.end(), std::greater<>());
      frontier.pop_back();
      size_t found = unmet_neighbours(0, nearest, scratch_.admitted);
      if (!frontier.empty()) blocks_.prefetch(0, key_slot(frontier.front()));
      if (!score(found, ForgetScored())) return true;
      push_frontier(found, admits);
    }
    return true;
  }

  /// No walk: scores every member and keeps the nearest admitted ones.
  void scan(uint32_t keep, const SlotSet& members, const SlotFilter& filter) {
    WalkScratch& s = scratch_;
    s.pool.reset(keep);
    size_t fetched = 0;
    size_t count = 0;
    const auto step = [&] {
      if (!s.damage.ok() || !score(count, ForgetScored())) return;
      for (size_t i = 0; i < count; ++i) {
        if (candidate_key(s.distances[i], s.batch[i]) < s.pool.limit() &&
            filter.admits(s.batch[i])) {
          s.pool.insert(s.distances[i], s.batch[i]);
        }
      }
      std::copy_n(s.fetched, fetched, s.batch);
      count = std::exchange(fetched, 0);
    };
    members.for_each([&](Slot slot) {
      if (slot >= slots_) return;
      space_.prefetch(&slot, 1);
      s.fetched[fetched++] = slot;
      if (fetched == kScanAhead) step();
    });
    step();
    step();
  }

 private:
  static constexpr size_t kStartsMax = 4;
  static constexpr size_t kScanAhead = 32;

  /// Meets the neighbours of a candidate and asks the memory for them.
  size_t unmet_neighbours(uint32_t level, uint64_t key, const Pool& pool) {
    const LaneLimit limit = {key_distance(key), pool.full() ? key_distance(pool.limit()) : kFar};
    const size_t fresh =
        blocks_.unmet(level, key_slot(key), limit, scratch_, slots_, nearest_estimate_);
    space_.prefetch(scratch_.batch, fresh);
    return fresh;
  }

  template <class Scored>
  bool score(size_t& count, Scored&& note) {
    if (unverified_) [[unlikely]] {
      auto kept = space_.keep_verified(scratch_.batch, count);
      if (!kept.ok()) {
        scratch_.damage = std::move(kept).error();
        return false;
      }
      count = *kept;
    }
    space_.score(scratch_.query, scratch_.batch, count, scratch_.distances);
    scratch_.scored += count;
    note(scratch_.batch, count, scratch_.distances);
    return true;
  }

  void pour(size_t count) {
    for (size_t i = 0; i < count; ++i)
      scratch_.pool.insert(scratch_.distances[i], scratch_.batch[i]);
  }

  template <class Admits>
  void push_frontier(size_t count, const Admits& admits) {
    std::vector<uint64_t>& frontier = scratch_.frontier;
    for (size_t i = 0; i < count; ++i) {
      const uint64_t key = candidate_key(scratch_.distances[i], scratch_.batch[i]);
      if (key >= scratch_.admitted.limit()) continue;
      frontier.push_back(key);
      std::push_heap(frontier.begin(), frontier.end(), std::greater<>());
      if (admits(scratch_.batch[i])) {
        scratch_.admitted.insert(scratch_.distances[i], scratch_.batch[i]);
      } else {
        ++scratch_.rejected;
      }
    }
  }

  const Space& space_;
  const Blocks& blocks_;
  WalkScratch& scratch_;
  const Slot slots_;
  const bool unverified_;
  Slot starts_[kStartsMax + 1] = {};
  size_t starts_count_ = 0;
  float nearest_estimate_ = kFar;
};

}  // namespace ferres
