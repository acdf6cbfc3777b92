// The slot table: for each slot when its point was born and died (by LSN) and where its record
// lies. 24 bytes a point, in an arena of the points store. Slots are given out densely and again
// after a point is reclaimed; free slots form a list through the entries.
//
// One lane writes; readers under an EpochGuard take a View. An entry is published by its born_lsn,
// stored last; a slot is reused only after an epoch, so a reader never sees an entry change under
// it but for died_lsn (from kNoLsn to a number).
#pragma once
#include <atomic>
#include <cstdint>

#include "base/status.h"
#include "base/types.h"
#include "storage/arena.h"

namespace ferres {

/// Where a slot's record lies, with what filters ask most, packed into 64 bits:
/// offset / 16 in 39 bits (8 TiB), 23 bits of the namespace's hash (0: none), a bit "has a vector",
/// a bit "has a ttl".
struct RecordRef {
  uint64_t offset = 0;
  uint32_t ns_tag = 0;
  bool has_ttl = false;
  bool has_vector = false;

  uint64_t pack() const {
    return offset / 16 << 25 | uint64_t{ns_tag} << 2 | (has_vector ? 2 : 0) | (has_ttl ? 1 : 0);
  }
  static RecordRef unpack(uint64_t bits) {
    return {(bits >> 25) * 16, static_cast<uint32_t>(bits >> 2) & 0x7FFFFF, (bits & 1) != 0,
            (bits & 2) != 0};
  }
};

struct SlotEntry {
  uint64_t born;  // 0: free
  uint64_t died;  // kNoLsn: alive
  uint64_t ref;   // RecordRef; in a free entry the next free slot + 1
};
static_assert(sizeof(SlotEntry) == 24);

class SlotTable {
 public:
  /// One search's or scan's look at the table, taken under its guard.
  class View {
   public:
    explicit View(Arena::Range range)
        : entries_(reinterpret_cast<const SlotEntry*>(range.base)),
          count_(static_cast<Slot>(range.bytes / sizeof(SlotEntry))) {}
    /// Slots that may be asked about; entries beyond the last one given out are free.
    Slot count() const { return count_; }
    uint64_t born(Slot slot) const { return load(entries_[slot].born); }
    uint64_t died(Slot slot) const { return load(entries_[slot].died); }
    RecordRef ref(Slot slot) const { return RecordRef::unpack(load(entries_[slot].ref)); }
    void prefetch(Slot slot) const {
      if (slot < count_) __builtin_prefetch(entries_ + slot);
    }
    bool visible(Slot slot, Lsn pinned) const {
      if (slot >= count_) return false;
      // The death first: a slot that was dead may be released and given out again between the two
      // loads, and its former birth beside the new point's life would be a point that never was.
      if (pinned >= died(slot)) return false;
      const uint64_t born_lsn = born(slot);
      return born_lsn != 0 && born_lsn <= pinned;
    }

   private:
    static uint64_t load(const uint64_t& word) {
      return std::atomic_ref<uint64_t>(const_cast<uint64_t&>(word)).load(std::memory_order_acquire);
    }
    const SlotEntry* entries_;
    Slot count_;
  };

  /// Head of the free list and number of slots ever given out: kept in the partition's header, so
  /// that a checkpoint holds them.
  struct Header {
    uint32_t slots = 0;
    uint32_t free_head = 0;  // slot + 1; 0: none
  };

  explicit SlotTable(Arena& arena) : arena_(&arena) {}

  View view() const { return View(arena_->range()); }
  Status verify(Slot slot) const {
    return arena_->verify(uint64_t{slot} * sizeof(SlotEntry), sizeof(SlotEntry));
  }
  bool all_verified() const { return arena_->all_verified(); }
  uint64_t memory_bytes() const { return arena_->memory_bytes(); }

  // ---- the lane only
  /// A free slot, not yet born.
  Result<Slot> allocate(Header& header);
  void publish(Slot slot, Lsn born, RecordRef ref);
  void kill(Slot slot, Lsn died);
  void release(Slot slot, Header& header);

 private:
  SlotEntry* mutate(Slot slot) {
    return reinterpret_cast<SlotEntry*>(
        arena_->mutate(uint64_t{slot} * sizeof(SlotEntry), sizeof(SlotEntry)));
  }
  Arena* arena_;
};

}  // namespace ferres
