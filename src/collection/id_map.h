// From a point's storage id to its slots: an open-addressing table of 8-byte entries {32 bits of
// the id's hash, slot + 1} in an arena of the index store. The id itself is in the point's record;
// the caller verifies it. An id may have several slots for a while (a living one and dying ones
// that older readers still see), so a lookup visits all entries with the hash's 32 bits.
//
// The bucket is the top bits of those 32 bits, so doubling the table moves entries in order and
// needs no record. One lane writes; readers under an EpochGuard load the table's place (one word)
// and then probe. The space of an outgrown table is reused after an epoch has passed.
#pragma once
#include <atomic>
#include <cstdint>

#include "base/status.h"
#include "base/types.h"
#include "storage/arena.h"

namespace ferres {

class IdMap {
 public:
  /// What a checkpoint keeps beside the arena.
  struct Header {
    uint64_t place = 0;  // first entry << 8 | log2 of the capacity; 0: no table yet
    uint64_t used = 0;   // entries and tombstones
    uint64_t living = 0;
  };

  IdMap(Arena& arena, const Header& header)
      : arena_(&arena), place_(header.place), used_(header.used), living_(header.living) {}

  /// Any thread, under a guard: calls visit(slot) for each entry with this hash until it returns
  /// true. Returns whether one did.
  template <class Visit>
  bool find(uint32_t hash, Visit&& visit) const {
    const uint64_t place = place_.load(std::memory_order_acquire);
    if (place == 0) return false;
    const uint32_t bits = place & 0xFF;
    const uint64_t first = place >> 8;
    const Arena::Range range = arena_->range();
    const uint64_t capacity = uint64_t{1} << bits;
    if ((first + capacity) * 8 > range.bytes) return false;  // a damaged header
    const auto* table = reinterpret_cast<const uint64_t*>(range.base) + first;
    for (uint64_t i = bucket(hash, bits), left = capacity; left > 0; --left) {
      const uint64_t entry = load(table[i]);
      if (entry == 0) return false;
      if (static_cast<uint32_t>(entry >> 32) == hash && static_cast<uint32_t>(entry) != 0 &&
          visit(static_cast<Slot>(static_cast<uint32_t>(entry) - 1))) {
        return true;
      }
      i = (i + 1) & (capacity - 1);
    }
    return false;
  }

  // ---- the lane only
  Header header() const { return {place_.load(std::memory_order_relaxed), used_, living_}; }
  Status insert(uint32_t hash, Slot slot);
  void erase(uint32_t hash, Slot slot);
  uint64_t memory_bytes() const { return arena_->memory_bytes(); }
  Status verify_all() const { return arena_->verify(0, arena_->range().bytes); }

 private:
  static uint64_t bucket(uint32_t hash, uint32_t bits) {
    return bits == 0 ? 0 : uint64_t{hash} >> (32 - bits);
  }
  static uint64_t load(const uint64_t& word) {
    return std::atomic_ref<uint64_t>(const_cast<uint64_t&>(word)).load(std::memory_order_acquire);
  }
  Status rehash(uint32_t bits);

  Arena* arena_;
  std::atomic<uint64_t> place_;
  uint64_t used_;
  uint64_t living_;
  uint64_t retired_ = 0;  // epoch ticket of the last table left behind
};

}  // namespace ferres
