// The walk: from some starts, look at the neighbours of the nearest unexpanded candidate until the
// nearest `ef` are all expanded. Each step reads one block, scores its unmet neighbours as one
// batch and fetches the block that comes next, so that memory works while the CPU does. One code
// for searches and plans, for every level; `Blocks` is how a block is read (GraphView; the
// benchmark of reader schemes has others). Any thread, under an EpochGuard; nothing is allocated
// once a thread's scratch has grown to the graph.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/status.h"
#include "base/types.h"
#include "index/ann_index.h"
#include "index/hnsw_layout.h"
#include "index/pool.h"
#include "index/scorer.h"
#include "index/visited.h"

namespace ferres {

/// What one thread needs for its walks, kept between them.
struct WalkScratch {
  Visited visited;
  Pool pool;
  Pool admitted;
  std::vector<uint64_t> frontier;
  std::vector<float> query;
  Slot ids[kLanesMax];
  Slot batch[kLanesMax];
  float distances[kLanesMax];
  uint64_t scored = 0;
  uint64_t rejected = 0;
  Status damage;  // a vector's page failed its checksum: the answer is worthless
};

/// Takes nothing note of what was scored.
struct ForgetScored {
  void operator()(const Slot*, size_t, const float*) const {}
};

template <class Scorer, class Blocks>
class Walk {
 public:
  Walk(const Scorer& scorer, const Blocks& blocks, WalkScratch& scratch)
      : scorer_(scorer),
        blocks_(blocks),
        scratch_(scratch),
        slots_(std::min(scorer.slots(), blocks.slots)) {}

  /// Starts a pool of `ef` at the given slots, on the level that walk() will be called for.
  template <class Scored = ForgetScored>
  void start(uint32_t ef, const Slot* starts, size_t count, Scored&& note = {}) {
    scratch_.visited.begin(slots_);
    scratch_.pool.reset(ef);
    const size_t fresh = scratch_.visited.meet_all(starts, count, slots_, scratch_.batch);
    if (score(fresh, note)) pour(fresh);
  }

  /// Expands the nearest `within` of the pool.
  template <class Scored = ForgetScored>
  void run(uint32_t level, uint32_t within, Scored&& note = {}) {
    Pool& pool = scratch_.pool;
    Slot slot = 0;
    while (pool.take(within, slot)) {
      const size_t fresh = unmet_neighbours(level, slot);
      const Slot next = pool.peek();
      if (next != kNoSlot) blocks_.prefetch(level, next);
      if (fresh == 0) continue;
      if (!score(fresh, note)) return;
      pour(fresh);
      const Slot nearer = pool.peek();
      if (nearer != next && nearer != kNoSlot) blocks_.prefetch(level, nearer);
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
  /// ones are nearer than anything left to expand. False when `visits_max` distances were spent.
  bool run_admitting(uint32_t ef, uint64_t visits_max, const SlotFilter& filter) {
    scratch_.visited.begin(slots_);
    scratch_.admitted.reset(ef);
    scratch_.frontier.clear();
    const size_t fresh = scratch_.visited.meet_all(starts_, starts_count_, slots_, scratch_.batch);
    if (!score(fresh, ForgetScored())) return true;
    push_frontier(fresh, filter);
    std::vector<uint64_t>& frontier = scratch_.frontier;
    while (!frontier.empty()) {
      const uint64_t nearest = frontier.front();
      if (nearest >= scratch_.admitted.limit()) return true;
      if (visits_max != 0 && scratch_.scored >= visits_max) return false;
      std::pop_heap(frontier.begin(), frontier.end(), std::greater<>());
      frontier.pop_back();
      const size_t found = unmet_neighbours(0, key_slot(nearest));
      if (!frontier.empty()) blocks_.prefetch(0, key_slot(frontier.front()));
      if (!score(found, ForgetScored())) return true;
      push_frontier(found, filter);
    }
    return true;
  }

 private:
  static constexpr size_t kStartsMax = 4;

  size_t unmet_neighbours(uint32_t level, Slot slot) {
    const uint32_t degree = blocks_.read(level, slot, scratch_.ids);
    return scratch_.visited.meet_all(scratch_.ids, degree, slots_, scratch_.batch);
  }

  template <class Scored>
  bool score(size_t count, Scored&& note) {
    if (scorer_.unverified()) [[unlikely]] {
      if (Status checked = scorer_.verify(scratch_.batch, count); !checked.ok()) {
        scratch_.damage = std::move(checked);
        return false;
      }
    }
    scorer_.score(scratch_.batch, count, scratch_.distances);
    scratch_.scored += count;
    note(scratch_.batch, count, scratch_.distances);
    return true;
  }

  void pour(size_t count) {
    for (size_t i = 0; i < count; ++i)
      scratch_.pool.insert(scratch_.distances[i], scratch_.batch[i]);
  }

  void push_frontier(size_t count, const SlotFilter& filter) {
    std::vector<uint64_t>& frontier = scratch_.frontier;
    for (size_t i = 0; i < count; ++i) {
      const uint64_t key = candidate_key(scratch_.distances[i], scratch_.batch[i]);
      if (key >= scratch_.admitted.limit()) continue;
      frontier.push_back(key);
      std::push_heap(frontier.begin(), frontier.end(), std::greater<>());
      if (filter.admits(scratch_.batch[i])) {
        scratch_.admitted.insert(scratch_.distances[i], scratch_.batch[i]);
      } else {
        ++scratch_.rejected;
      }
    }
  }

  const Scorer& scorer_;
  const Blocks& blocks_;
  WalkScratch& scratch_;
  const Slot slots_;
  Slot starts_[kStartsMax + 1] = {};
  size_t starts_count_ = 0;
};

}  // namespace ferres
