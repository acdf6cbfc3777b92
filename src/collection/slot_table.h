// The slot table: for each slot when its point was born, what filters ask most, and where its
// record lies. 12 bytes a point, in an arena of the points store: an 8-byte word of state and 4
// bytes of the record's offset, in groups of 16 slots (16 words, then 16 offsets) so that words are
// aligned and both parts move with the arena together. Slots are given out densely and again after
// a point is reclaimed; free slots form a list through the offsets.
//
// A row has room for one LSN. When its point dies the birth moves into a table beside it together
// with the death (collection/deaths.h), and the word names that entry instead.
//
// One lane writes; readers under an EpochGuard take a View. All that decides whether a point is
// seen is in one word, loaded once. A slot is reused only after an epoch, so a point that a reader
// sees stays in its row; a reader that finds a dead point's word may lose the row to a new point
// meanwhile, but that reader began after the death and the entry beside the table says so.
#pragma once
#include <atomic>
#include <cstdint>

#include "base/status.h"
#include "base/types.h"
#include "collection/deaths.h"
#include "storage/arena.h"

namespace ferres {

/// What filters ask of a point before they ask its record.
struct SlotTraits {
  static constexpr uint32_t kTagBits = 10;
  uint32_t ns_tag = 0;  // of the namespace's hash; 0: none
  bool has_ttl = false;
  bool has_vector = false;
};

class SlotTable {
 public:
  static constexpr Lsn kLsnMax = (Lsn{1} << 46) - 1;
  static constexpr uint64_t kRecordAlignment = 2;
  static constexpr uint64_t kRecordOffsetEnd = kRecordAlignment << 37;
  static constexpr uint64_t kGroupSlots = 16;
  static constexpr uint64_t kGroupBytes = kGroupSlots * (sizeof(uint64_t) + sizeof(uint32_t));

  /// One search's or scan's look at the table, taken under its guard.
  class View {
   public:
    View(Arena::Range range, const Deaths& deaths)
        : base_(range.base),
          deaths_(&deaths),
          count_(static_cast<Slot>(range.bytes / kGroupBytes * kGroupSlots)) {}
    /// Slots that may be asked about; rows beyond the last one given out are free.
    Slot count() const { return count_; }
    bool used(Slot slot) const { return word(slot) != 0; }
    bool living(Slot slot) const {
      const uint64_t state = word(slot);
      return state != 0 && (state & kDying) == 0;
    }
    bool visible(Slot slot, Lsn pinned) const {
      if (slot >= count_) return false;
      const uint64_t state = word(slot);
      if ((state & kDying) != 0) [[unlikely]] {
        const Deaths::Death death = deaths_->find(state >> kLsnShift);
        return pinned < death.died && death.born <= pinned;
      }
      // Less one: a free row, of birth 0, is then the last of all.
      return (state >> kLsnShift) - 1 < pinned;
    }
    /// Of a point that is visible to this reader.
    Lsn born(Slot slot) const {
      const uint64_t state = word(slot);
      if ((state & kDying) != 0) return deaths_->find(state >> kLsnShift).born;
      return state >> kLsnShift;
    }
    SlotTraits traits(Slot slot) const {
      const uint64_t state = word(slot);
      return {static_cast<uint32_t>(state >> kTagShift) & kTagMask, (state & kHasTtl) != 0,
              (state & kHasVector) != 0};
    }
    /// Where the record lies.
    uint64_t record(Slot slot) const {
      const uint64_t high = word(slot) >> kHighShift & kHighMask;
      const auto& low = *reinterpret_cast<const uint32_t*>(base_ + low_at(slot));
      return (high << 32 | std::atomic_ref<uint32_t>(const_cast<uint32_t&>(low))
                               .load(std::memory_order_acquire)) *
             kRecordAlignment;
    }
    void prefetch(Slot slot) const {
      if (slot < count_) __builtin_prefetch(base_ + word_at(slot));
    }

   private:
    uint64_t word(Slot slot) const {
      const auto& at = *reinterpret_cast<const uint64_t*>(base_ + word_at(slot));
      return std::atomic_ref<uint64_t>(const_cast<uint64_t&>(at)).load(std::memory_order_acquire);
    }
    const std::byte* base_;
    const Deaths* deaths_;
    Slot count_;
  };

  /// What a checkpoint keeps beside the arena.
  struct Header {
    uint32_t slots = 0;      // ever given out
    uint32_t free_head = 0;  // slot + 1; 0: none
    uint64_t deaths = 0;     // numbers given to deaths
  };

  SlotTable(Arena& arena, const Header& header)
      : arena_(&arena), header_(header), deaths_(header.deaths) {}

  View view() const { return View(arena_->range(), deaths_); }
  uint64_t memory_bytes() const { return arena_->memory_bytes() + deaths_.memory_bytes(); }

  // ---- the lane only
  Header header() const { return {header_.slots, header_.free_head, deaths_.next()}; }
  /// A free slot, not yet born.
  Result<Slot> allocate();
  /// born: 1 to kLsnMax; record: a multiple of kRecordAlignment below kRecordOffsetEnd.
  void publish(Slot slot, Lsn born, uint64_t record, SlotTraits traits);
  void kill(Slot slot, Lsn died);
  /// A slot that died, after an epoch.
  void release(Slot slot);

 private:
  // A word: 46 bits birth (of a dying point: the number of its death; 0: free), 10 bits namespace
  // tag, 5 bits of the record's offset above the 32 beside the words, 3 flags.
  static constexpr uint64_t kDying = 1;
  static constexpr uint64_t kHasVector = 2;
  static constexpr uint64_t kHasTtl = 4;
  static constexpr uint32_t kHighShift = 3;
  static constexpr uint64_t kHighMask = 0x1F;
  static constexpr uint32_t kTagShift = 8;
  static constexpr uint32_t kTagMask = (1u << SlotTraits::kTagBits) - 1;
  static constexpr uint32_t kLsnShift = kTagShift + SlotTraits::kTagBits;
  static_assert(kLsnShift + 46 == 64);

  static uint64_t word_at(Slot slot) {
    return slot / kGroupSlots * kGroupBytes + slot % kGroupSlots * sizeof(uint64_t);
  }
  static uint64_t low_at(Slot slot) {
    return slot / kGroupSlots * kGroupBytes + kGroupSlots * sizeof(uint64_t) +
           slot % kGroupSlots * sizeof(uint32_t);
  }
  uint64_t& word(Slot slot) {
    return *reinterpret_cast<uint64_t*>(arena_->mutate(word_at(slot), sizeof(uint64_t)));
  }
  uint32_t& low(Slot slot) {
    return *reinterpret_cast<uint32_t*>(arena_->mutate(low_at(slot), sizeof(uint32_t)));
  }

  Arena* arena_;
  Header header_;
  Deaths deaths_;
};

}  // namespace ferres
