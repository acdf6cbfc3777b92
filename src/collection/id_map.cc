// See id_map.h. A new table is laid at the arena's start when it fits before the table in use, else
// behind it: three times the size of one table is never passed.
#include "collection/id_map.h"

#include <cstring>

#include "base/epoch.h"

namespace ferres {
namespace {

constexpr uint64_t kTombstone = uint64_t{1} << 32;  // slot part 0: matches nothing, ends no probe
constexpr uint32_t kFirstBits = 6;

void store(uint64_t& word, uint64_t value) {
  std::atomic_ref<uint64_t>(word).store(value, std::memory_order_release);
}

}  // namespace

Status IdMap::insert(uint32_t hash, Slot slot) {
  const uint32_t bits = place_ & 0xFF;
  if (place_ == 0) {
    TRY(rehash(kFirstBits));
  } else if ((used_ + 1) * 4 > (uint64_t{3} << bits)) {
    // Mostly tombstones: the same size again; else double.
    TRY(rehash(living_ * 2 < (uint64_t{1} << bits) ? bits : bits + 1));
  }
  const uint32_t now_bits = place_ & 0xFF;
  const uint64_t first = place_ >> 8;
  const uint64_t mask = (uint64_t{1} << now_bits) - 1;
  const auto* table = reinterpret_cast<const uint64_t*>(arena_->base()) + first;
  uint64_t i = bucket(hash, now_bits);
  while (static_cast<uint32_t>(table[i]) != 0)
    i = (i + 1) & mask;
  if (table[i] == 0) ++used_;
  ++living_;
  auto* word = reinterpret_cast<uint64_t*>(arena_->mutate((first + i) * 8, 8));
  store(*word, uint64_t{hash} << 32 | (uint64_t{slot} + 1));
  return {};
}

void IdMap::erase(uint32_t hash, Slot slot) {
  if (place_ == 0) return;
  const uint32_t bits = place_ & 0xFF;
  const uint64_t first = place_ >> 8;
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  const auto* table = reinterpret_cast<const uint64_t*>(arena_->base()) + first;
  const uint64_t wanted = uint64_t{hash} << 32 | (uint64_t{slot} + 1);
  for (uint64_t i = bucket(hash, bits), left = mask + 1; left > 0 && table[i] != 0; --left) {
    if (table[i] == wanted) {
      store(*reinterpret_cast<uint64_t*>(arena_->mutate((first + i) * 8, 8)), kTombstone);
      --living_;
      return;
    }
    i = (i + 1) & mask;
  }
}

Status IdMap::rehash(uint32_t bits) {
  if (bits > 32) return Status(Code::kResourceExhausted, "id map is full");
  const uint64_t old_place = place_;
  const uint64_t old_first = old_place >> 8;
  const uint64_t old_capacity = old_place == 0 ? 0 : uint64_t{1} << (old_place & 0xFF);
  const uint64_t capacity = uint64_t{1} << bits;
  const uint64_t first = old_place != 0 && old_first >= capacity ? 0 : old_first + old_capacity;
  if ((first + capacity) * 8 > arena_->bytes()) TRY(arena_->grow((first + capacity) * 8));
  epoch_wait(retired_);
  auto* base = reinterpret_cast<uint64_t*>(arena_->mutate(first * 8, capacity * 8));
  std::memset(base, 0, capacity * 8);
  const auto* old = reinterpret_cast<const uint64_t*>(arena_->base()) + old_first;
  uint64_t used = 0;
  for (uint64_t i = 0; i < old_capacity; ++i) {
    const uint64_t entry = old[i];
    if (static_cast<uint32_t>(entry) == 0) continue;
    uint64_t j = bucket(static_cast<uint32_t>(entry >> 32), bits);
    while (base[j] != 0)
      j = (j + 1) & (capacity - 1);
    store(base[j], entry);
    ++used;
  }
  used_ = used;
  living_ = used;
  place_.store(first << 8 | bits, std::memory_order_release);
  retired_ = epoch_advance();
  return {};
}

}  // namespace ferres
