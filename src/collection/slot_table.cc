// See slot_table.h for the order of stores that readers rely on.
#include "collection/slot_table.h"

namespace ferres {
namespace {

void store(uint64_t& word, uint64_t value) {
  std::atomic_ref<uint64_t>(word).store(value, std::memory_order_release);
}

}  // namespace

Result<Slot> SlotTable::allocate(Header& header) {
  if (header.free_head != 0) {
    const Slot slot = header.free_head - 1;
    header.free_head = static_cast<uint32_t>(mutate(slot)->ref);
    return slot;
  }
  if (header.slots == kNoSlot - 1) {
    return Status(Code::kResourceExhausted, "a collection holds at most 4294967293 points");
  }
  const uint64_t needed = (uint64_t{header.slots} + 1) * sizeof(SlotEntry);
  if (needed > arena_->bytes()) {
    constexpr uint64_t kStep = 1024 * sizeof(SlotEntry);
    TRY(arena_->grow(needed + kStep - needed % kStep));
  }
  return header.slots++;
}

void SlotTable::publish(Slot slot, Lsn born, RecordRef ref) {
  SlotEntry* entry = mutate(slot);
  store(entry->died, kNoLsn);
  store(entry->ref, ref.pack());
  store(entry->born, born);
}

void SlotTable::kill(Slot slot, Lsn died) {
  store(mutate(slot)->died, died);
}

void SlotTable::release(Slot slot, Header& header) {
  SlotEntry* entry = mutate(slot);
  store(entry->born, 0);
  store(entry->ref, header.free_head);
  header.free_head = slot + 1;
}

}  // namespace ferres
