// The candidates of a walk: the nearest `capacity` slots found so far, sorted, with a cursor at the
// first one whose neighbours were not looked at yet. A sorted array and not a heap: a walk asks for
// the nearest unexpanded and for the worst one at every step, capacity is some dozens to hundreds,
// and moving the tail of an array of 8-byte keys costs less than a heap's scattered compares.
// One thread; reset() allocates only when the capacity grows.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "base/types.h"

namespace ferres {

/// Beyond everything: the distance limit of a pool that has room.
inline constexpr float kFar = std::numeric_limits<float>::infinity();

/// Distance and slot as one integer that sorts by distance, then slot. Slots are below 2^31.
inline uint64_t candidate_key(float distance, Slot slot) {
  const auto bits = std::bit_cast<uint32_t>(distance);
  const uint32_t flip = static_cast<uint32_t>(static_cast<int32_t>(bits) >> 31) | 0x80000000u;
  return uint64_t{bits ^ flip} << 32 | slot;
}
inline float key_distance(uint64_t key) {
  const auto ordered = static_cast<uint32_t>(key >> 32);
  return std::bit_cast<float>(ordered & 0x80000000u ? ordered ^ 0x80000000u : ~ordered);
}
inline Slot key_slot(uint64_t key) {
  return static_cast<Slot>(key) & 0x7FFFFFFFu;
}

class Pool {
 public:
  /// Empties it. capacity >= 1.
  void reset(uint32_t capacity) {
    capacity_ = capacity;
    size_ = cursor_ = 0;
    limit_ = ~uint64_t{0};
    // One more place: the candidate that an insert pushes out lands there.
    if (keys_.size() <= capacity) keys_.resize(size_t{capacity} + 1);
  }

  /// Keeps the candidate when it is among the nearest. The caller never offers a slot twice.
  void insert(float distance, Slot slot) {
    const uint64_t key = candidate_key(distance, slot);
    if (key >= limit_) return;
    const uint32_t at = rank(key);
    std::memmove(&keys_[at + 1], &keys_[at], (size_ - at) * sizeof(uint64_t));
    keys_[at] = key;
    if (size_ < capacity_) ++size_;
    if (at < cursor_) cursor_ = at;
    if (size_ == capacity_) limit_ = keys_[size_ - 1];
  }

  /// The key of nothing.
  static constexpr uint64_t kNone = ~uint64_t{0};
  /// The key of the nearest unexpanded candidate among the first `within`, or kNone.
  uint64_t nearest(uint32_t within) {
    skip_expanded();
    return cursor_ < std::min(size_, within) ? keys_[cursor_] : kNone;
  }
  /// Takes the candidate that nearest() told of.
  void take() { keys_[cursor_++] |= kExpanded; }
  /// All that are kept are unexpanded again.
  void unexpand() {
    for (uint32_t i = 0; i < size_; ++i)
      keys_[i] &= ~uint64_t{kExpanded};
    cursor_ = 0;
  }

  uint32_t size() const { return size_; }
  uint32_t capacity() const { return capacity_; }
  bool full() const { return size_ == capacity_; }
  /// Keys at or above it are refused.
  uint64_t limit() const { return limit_; }
  Slot slot(uint32_t i) const { return key_slot(keys_[i]); }
  float distance(uint32_t i) const { return key_distance(keys_[i]); }

 private:
  static constexpr uint64_t kExpanded = 0x80000000u;

  void skip_expanded() {
    while (cursor_ < size_ && (keys_[cursor_] & kExpanded) != 0)
      ++cursor_;
  }

  /// How many keys are below `key`; the compiler makes the choice a conditional move.
  uint32_t rank(uint64_t key) const {
    const uint64_t* from = keys_.data();
    uint32_t count = size_;
    while (count > 1) {
      const uint32_t half = count / 2;
      from += from[half - 1] < key ? half : 0;
      count -= half;
    }
    from += count == 1 && *from < key;
    return static_cast<uint32_t>(from - keys_.data());
  }

  std::vector<uint64_t> keys_;
  uint64_t limit_ = ~uint64_t{0};
  uint32_t capacity_ = 0;
  uint32_t size_ = 0;
  uint32_t cursor_ = 0;  // every key before it is expanded
};

}  // namespace ferres
