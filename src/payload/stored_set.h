// Sets of slots in blocks: what the words of the term tree stand for. A word is
//   a slot                             for a value of one point: no block at all
//   kBlockFlag | block of a short list {count, slots ascending}
//   kBlockFlag | block of a directory  {kDirectory | chunks, -, entry of 8 bytes a chunk}
// An entry describes one chunk of 2^16 slots in one word, so that one store publishes any change of
// it: chunk number, members - 1, kind, block. A chunk is a list of 16-bit numbers (at most 4096) or
// a bitmap of 8 KiB, as in base/slot_set.h.
//
// One lane changes sets: bits of bitmaps and numbers appended to lists in place (a reader does not
// look behind the count it loaded), everything else by new blocks. Readers under an EpochGuard may
// see a change half done; it concerns slots that they cannot see yet, or no more.
#pragma once
#include <cstdint>
#include <vector>

#include "base/slot_set.h"
#include "base/status.h"
#include "payload/block_heap.h"
#include "payload/term_tree.h"

namespace ferres {

class StoredSets {
 public:
  static constexpr uint32_t kBlockFlag = 0x80000000;
  static constexpr uint32_t kEmpty = TermTree::kNone;

  explicit StoredSets(BlockHeap& heap) : heap_(&heap) {}

  // ---- any thread, under a guard
  /// Adds the members of the set `word` to `into`. What damage hides is missing: view.damaged().
  static void read(const BlockView& view, uint32_t word, SlotSet& into);
  /// The same, one after the other: for sets that are read once.
  static void append(const BlockView& view, uint32_t word, std::vector<Slot>& into);
  static bool contains(const BlockView& view, uint32_t word, Slot slot);

  // ---- the lane only: the set's word after the change, the same one where it changed in place
  Result<uint32_t> add(uint32_t word, Slot slot);
  /// kEmpty when the last member is gone.
  Result<uint32_t> remove(uint32_t word, Slot slot);
  /// Retires the set's blocks.
  Status release(uint32_t word);

 private:
  struct Entry;
  struct Place;
  Result<uint32_t> write_short(const Slot* slots, uint32_t count);
  Result<uint32_t> add_short(uint32_t word, Slot slot);
  Result<uint32_t> remove_short(uint32_t word, Slot slot);
  Result<uint32_t> to_directory(const Slot* slots, uint32_t count);
  Result<uint32_t> write_directory(const uint64_t* entries, uint32_t count);
  Result<Entry> write_list(const uint16_t* members, uint32_t count, uint32_t chunk);
  Result<Entry> to_bitmap(const Entry& entry);
  Result<Entry> to_list(const Entry& entry);
  Result<uint32_t> insert_chunk(uint32_t word, const Place& place, Slot slot);
  Result<uint32_t> remove_chunk(uint32_t word, const Place& place);
  Result<Entry> add_to_list(const Entry& entry, uint16_t low);
  Result<Entry> remove_from_list(const Entry& entry, uint16_t low);
  bool flip_bit(const Entry& entry, uint16_t low, bool to);
  void store_entry(uint32_t word, const Place& place, const Entry& entry);
  void retire(const Entry& entry);
  Result<Place> find(uint32_t word, uint32_t chunk) const;

  BlockHeap* heap_;
};

}  // namespace ferres
