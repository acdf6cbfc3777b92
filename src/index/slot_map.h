// The distances that a plan computed, by slot: an insert needs them again for every neighbour of
// its neighbours, and a look-up here costs a fiftieth of fetching the vector. Open addressing,
// linear probing, at most half full. Written by the planning thread, then owned by the lane.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/types.h"

namespace ferres {

class SlotMap {
 public:
  /// Empties it and makes room for `count` slots.
  void reset(size_t count) {
    const size_t places = std::bit_ceil(count * 2 + 16);
    entries_.assign(places, kEmpty);
    shift_ = 64 - static_cast<uint32_t>(std::countr_zero(places));
    size_ = 0;
  }

  /// Adds or overwrites.
  void put(Slot slot, float distance) {
    if ((size_ + 1) * 2 > entries_.size()) grow();
    size_t at = home(slot);
    while (entries_[at] != kEmpty && (entries_[at] >> 32) != slot)
      at = (at + 1) & (entries_.size() - 1);
    size_ += entries_[at] == kEmpty;
    entries_[at] = uint64_t{slot} << 32 | std::bit_cast<uint32_t>(distance);
  }

  bool find(Slot slot, float& distance) const {
    if (entries_.empty()) return false;
    for (size_t at = home(slot); entries_[at] != kEmpty; at = (at + 1) & (entries_.size() - 1)) {
      if ((entries_[at] >> 32) != slot) continue;
      distance = std::bit_cast<float>(static_cast<uint32_t>(entries_[at]));
      return true;
    }
    return false;
  }

  size_t size() const { return size_; }

 private:
  static constexpr uint64_t kEmpty = ~uint64_t{0};  // slot kNoSlot is never put

  size_t home(Slot slot) const { return (slot * 0x9E3779B97F4A7C15ull) >> shift_; }

  void grow() {
    std::vector<uint64_t> old;
    old.swap(entries_);
    reset(old.size());
    for (const uint64_t entry : old) {
      if (entry == kEmpty) continue;
      put(static_cast<Slot>(entry >> 32), std::bit_cast<float>(static_cast<uint32_t>(entry)));
    }
  }

  std::vector<uint64_t> entries_;
  size_t size_ = 0;
  uint32_t shift_ = 64;
};

}  // namespace ferres
