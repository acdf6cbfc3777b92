// A set of slots as a value: chunks of 2^16 slots, each a sorted list of 16-bit numbers or a bitmap
// of 8 KiB, after Roaring (Chambi et al., "Better bitmap performance with Roaring bitmaps", 2016).
// It departs from Roaring in one point: a chunk that became a bitmap may stay one when it has few
// members left, since a query asks contains() of its result far more often than it stores it.
//
// Filters are evaluated with it: unions, intersections and differences cost about a microsecond a
// chunk. A value: copy it, share it read-only between threads.
#pragma once
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "base/types.h"

namespace ferres {

class SlotSet {
 public:
  static constexpr uint32_t kChunkSlots = 1 << 16;
  static constexpr uint32_t kChunkWords = kChunkSlots / 64;
  static constexpr uint32_t kListMax = 4096;  // a longer list would be larger than the bitmap

  bool empty() const { return size() == 0; }
  uint64_t size() const;
  uint64_t memory_bytes() const;
  bool contains(Slot slot) const {
    const uint32_t index = slot / kChunkSlots;
    if (index >= chunks_.size()) return false;
    const Chunk& chunk = chunks_[index];
    const auto low = static_cast<uint16_t>(slot);
    if (!chunk.words.empty()) return (chunk.words[low / 64] >> (low % 64) & 1) != 0;
    return chunk.count != 0 && list_contains(chunk.list, low);
  }

  /// Cheapest in ascending order.
  void add(Slot slot) {
    const uint32_t index = slot / kChunkSlots;
    if (index >= chunks_.size() || chunks_[index].words.empty()) return add_slowly(slot);
    Chunk& chunk = chunks_[index];
    uint64_t& word = chunk.words[static_cast<uint16_t>(slot) / 64];
    const uint64_t bit = slot % 64;
    chunk.count += static_cast<uint32_t>(~word >> bit & 1);
    word |= uint64_t{1} << bit;
  }
  /// Adds the ascending members of one chunk.
  void add_list(uint32_t chunk, std::span<const uint16_t> members);
  /// Adds a bitmap of one chunk; load(i) gives its i-th word of kChunkWords.
  template <class Load>
  void add_words(uint32_t chunk, Load&& load) {
    std::vector<uint64_t>& words = to_words(chunk_at(chunk));
    for (uint32_t i = 0; i < kChunkWords; ++i)
      words[i] |= load(i);
    recount(chunks_[chunk]);
  }

  SlotSet& operator|=(const SlotSet& other);
  SlotSet& operator&=(const SlotSet& other);
  SlotSet& operator-=(const SlotSet& other);
  bool operator==(const SlotSet& other) const;

  /// Calls visit(slot) in ascending order.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (uint32_t i = 0; i < chunks_.size(); ++i) {
      const Slot first = i * kChunkSlots;
      for (const uint16_t low : chunks_[i].list)
        visit(first + low);
      for (uint32_t j = 0; j < chunks_[i].words.size(); ++j) {
        for (uint64_t bits = chunks_[i].words[j]; bits != 0; bits &= bits - 1)
          visit(first + j * 64 + static_cast<uint32_t>(std::countr_zero(bits)));
      }
    }
  }

 private:
  struct Chunk {
    uint32_t count = 0;
    std::vector<uint16_t> list;   // sorted; empty when words are used
    std::vector<uint64_t> words;  // empty or kChunkWords
  };

  static bool list_contains(const std::vector<uint16_t>& list, uint16_t low);
  static bool chunk_contains(const Chunk& chunk, uint16_t low);
  static std::vector<uint64_t>& to_words(Chunk& chunk);
  static void recount(Chunk& chunk);
  static void unite(Chunk& into, const Chunk& other);
  static void intersect(Chunk& into, const Chunk& other);
  static void subtract(Chunk& into, const Chunk& other);
  Chunk& chunk_at(uint32_t index);
  void add_slowly(Slot slot);

  std::vector<Chunk> chunks_;  // by slot / 2^16
};

}  // namespace ferres
