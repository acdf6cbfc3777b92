// Which slots a walk has met: one 16-bit mark a slot, equal to the number of the current walk. So a
// new walk costs an increment, and clearing happens once in 65 535 walks. One thread; allocates
// only when the number of slots grows.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/types.h"

namespace ferres {

class Visited {
 public:
  /// Starts a walk over slots below `slots`.
  void begin(Slot slots) {
    if (marks_.size() < slots) marks_.resize(size_t{slots} + slots / 4, 0);
    if (++walk_ == 0) {
      std::fill(marks_.begin(), marks_.end(), uint16_t{0});
      walk_ = 1;
    }
  }

  /// Marks a slot; false when this walk had met it.
  bool meet(Slot slot) {
    const bool fresh = marks_[slot] != walk_;
    marks_[slot] = walk_;
    return fresh;
  }

  /// Copies the unmet ones of `count` slots to `fresh`, marks them and returns how many. Slots at
  /// or beyond `slots` (from a damaged page, or newer than the walk) are left out.
  size_t meet_all(const Slot* from, size_t count, Slot slots, Slot* fresh) {
    size_t kept = 0;
    for (size_t i = 0; i < count; ++i) {
      const Slot slot = from[i];
      if (slot >= slots) continue;
      // No branch on the mark: about half of them are set, in no order.
      fresh[kept] = slot;
      kept += marks_[slot] != walk_;
      marks_[slot] = walk_;
    }
    return kept;
  }

  void prefetch(Slot slot) const { __builtin_prefetch(marks_.data() + slot); }

 private:
  std::vector<uint16_t> marks_;
  uint16_t walk_ = 0;
};

}  // namespace ferres
