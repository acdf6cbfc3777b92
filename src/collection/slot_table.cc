// See slot_table.h for the order of stores that readers rely on.
#include "collection/slot_table.h"

#include <string>

namespace ferres {
namespace {

template <class Word>
void store(Word& word, Word value) {
  std::atomic_ref<Word>(word).store(value, std::memory_order_release);
}

}  // namespace

Result<Slot> SlotTable::allocate() {
  if (header_.free_head != 0) {
    const Slot slot = header_.free_head - 1;
    if (slot < header_.slots) {
      header_.free_head = low(slot);
      return slot;
    }
    return Status(Code::kCorruption, "the list of free slots names slot " + std::to_string(slot) +
                                         " of " + std::to_string(header_.slots));
  }
  if (header_.slots == kNoSlot - 1) {
    return Status(Code::kResourceExhausted, "a collection holds at most 4294967293 points");
  }
  const uint64_t needed = (header_.slots / kGroupSlots + 1) * kGroupBytes;
  if (needed > arena_->bytes()) {
    constexpr uint64_t kStep = 64 * kGroupBytes;
    TRY(arena_->grow((needed + kStep - 1) / kStep * kStep));
  }
  return header_.slots++;
}

void SlotTable::publish(Slot slot, Lsn born, uint64_t record, SlotTraits traits) {
  CHECK(born != 0 && born <= kLsnMax);
  CHECK(record % kRecordAlignment == 0 && record < kRecordOffsetEnd);
  const uint64_t place = record / kRecordAlignment;
  store(low(slot), static_cast<uint32_t>(place));
  store(word(slot), born << kLsnShift | uint64_t{traits.ns_tag} << kTagShift |
                        place >> 32 << kHighShift | (traits.has_vector ? kHasVector : 0) |
                        (traits.has_ttl ? kHasTtl : 0));
}

void SlotTable::kill(Slot slot, Lsn died) {
  uint64_t& state = word(slot);
  const uint64_t number = deaths_.add({state >> kLsnShift, died});
  constexpr uint64_t kKept = (uint64_t{1} << kLsnShift) - 1;
  store(state, number << kLsnShift | (state & kKept) | kDying);
}

void SlotTable::release(Slot slot) {
  uint64_t& state = word(slot);
  CHECK((state & kDying) != 0);
  const uint64_t number = state >> kLsnShift;
  store(state, uint64_t{0});
  deaths_.remove(number);
  store(low(slot), header_.free_head);
  header_.free_head = slot + 1;
}

}  // namespace ferres
