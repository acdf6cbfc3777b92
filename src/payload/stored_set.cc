// See stored_set.h. The size of every block follows from what leads to it: a list's from its count,
// so a list is written anew exactly when one more member would need a larger block. Blocks of lists
// double: with finer steps, the blocks that many lists leave behind as they grow together would
// outweigh the lists.
#include "payload/stored_set.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

namespace ferres {
namespace {

constexpr uint32_t kShortMax = 63;  // 256 bytes
constexpr uint32_t kDirectory = 0x80000000;
constexpr uint32_t kChunksMax = 1 << 16;
constexpr uint64_t kBitmapBytes = SlotSet::kChunkSlots / 8;
constexpr uint32_t kBackToList = SlotSet::kListMax / 2;  // a bitmap with fewer becomes a list
constexpr uint64_t kEntriesAt = 8;

bool is_slot(uint32_t word) {
  return (word & StoredSets::kBlockFlag) == 0;
}
BlockRef block_of(uint32_t word) {
  return word & ~StoredSets::kBlockFlag;
}
uint64_t short_bytes(uint32_t count) {
  return std::max(kBlockUnit, std::bit_ceil(sizeof(uint32_t) * (1 + uint64_t{count})));
}
uint64_t directory_bytes(uint32_t chunks) {
  return kEntriesAt + uint64_t{chunks} * sizeof(uint64_t);
}
uint64_t list_bytes(uint32_t count) {
  return std::max(kBlockUnit, std::bit_ceil(uint64_t{count} * sizeof(uint16_t)));
}

Status damaged() {
  return {Code::kCorruption, "a set of slots is damaged"};
}

/// A set's block in place: one of the two is not null, unless it is damaged.
struct SetView {
  uint32_t count = 0;
  const uint32_t* slots = nullptr;
  const uint64_t* entries = nullptr;
  explicit operator bool() const { return slots != nullptr || entries != nullptr; }
};

SetView open_set(const BlockView& view, uint32_t word) {
  const BlockRef block = block_of(word);
  const auto* const header = view.get<uint32_t>(block, kBlockUnit);
  if (header == nullptr) return {};
  SetView set;
  const uint32_t word_of_count = load_word(header);
  set.count = word_of_count & ~kDirectory;
  const bool directory = (word_of_count & kDirectory) != 0;
  if (set.count == 0 || set.count > (directory ? kChunksMax : kShortMax)) {
    view.report_damage();
    return {};
  }
  const auto* const bytes =
      view.get<std::byte>(block, directory ? directory_bytes(set.count) : short_bytes(set.count));
  if (bytes == nullptr) return {};
  if (directory) {
    set.entries = reinterpret_cast<const uint64_t*>(bytes + kEntriesAt);
  } else {
    set.slots = reinterpret_cast<const uint32_t*>(bytes + sizeof(uint32_t));
  }
  return set;
}

}  // namespace

/// 16 bits chunk, 16 bits count - 1, 1 bit bitmap, 31 bits block.
struct StoredSets::Entry {
  uint32_t chunk = 0;
  uint32_t count = 0;
  bool bitmap = false;
  BlockRef block = 0;

  static Entry unpack(uint64_t bits) {
    return {static_cast<uint32_t>(bits >> 48), static_cast<uint32_t>(bits >> 32 & 0xFFFF) + 1,
            (bits >> 31 & 1) != 0, static_cast<uint32_t>(bits & 0x7FFFFFFF)};
  }
  uint64_t pack() const {
    return uint64_t{chunk} << 48 | uint64_t{count - 1} << 32 | uint64_t{bitmap} << 31 | block;
  }
  uint64_t bytes() const { return bitmap ? kBitmapBytes : list_bytes(count); }
};

/// Where a chunk's entry is in a directory, or belongs.
struct StoredSets::Place {
  uint32_t index = 0;
  uint32_t chunks = 0;
  bool found = false;
  Entry entry;
};

void StoredSets::read(const BlockView& view, uint32_t word, SlotSet& into) {
  if (word == kEmpty) return;
  if (is_slot(word)) return into.add(word);
  const SetView set = open_set(view, word);
  if (!set) return;
  if (set.slots != nullptr) {
    for (uint32_t i = 0; i < set.count; ++i)
      into.add(set.slots[i]);
    return;
  }
  for (uint32_t i = 0; i < set.count; ++i) {
    const Entry entry = Entry::unpack(load_word(set.entries + i));
    if (entry.bitmap) {
      const auto* const words = view.get<uint64_t>(entry.block, kBitmapBytes);
      if (words == nullptr) continue;
      into.add_words(entry.chunk, [&](uint32_t at) { return load_word(words + at); });
    } else {
      const auto* const members = view.get<uint16_t>(entry.block, list_bytes(entry.count));
      if (members != nullptr) into.add_list(entry.chunk, {members, entry.count});
    }
  }
}

void StoredSets::append(const BlockView& view, uint32_t word, std::vector<Slot>& into) {
  if (word == kEmpty) return;
  if (is_slot(word)) return into.push_back(word);
  const SetView set = open_set(view, word);
  if (!set) return;
  if (set.slots != nullptr) {
    into.insert(into.end(), set.slots, set.slots + set.count);
    return;
  }
  for (uint32_t i = 0; i < set.count; ++i) {
    const Entry entry = Entry::unpack(load_word(set.entries + i));
    const Slot first = entry.chunk * SlotSet::kChunkSlots;
    if (!entry.bitmap) {
      const auto* const members = view.get<uint16_t>(entry.block, list_bytes(entry.count));
      for (uint32_t j = 0; members != nullptr && j < entry.count; ++j)
        into.push_back(first + members[j]);
      continue;
    }
    const auto* const words = view.get<uint64_t>(entry.block, kBitmapBytes);
    for (uint32_t j = 0; words != nullptr && j < SlotSet::kChunkWords; ++j) {
      for (uint64_t bits = load_word(words + j); bits != 0; bits &= bits - 1)
        into.push_back(first + j * 64 + static_cast<uint32_t>(std::countr_zero(bits)));
    }
  }
}

bool StoredSets::contains(const BlockView& view, uint32_t word, Slot slot) {
  if (word == kEmpty) return false;
  if (is_slot(word)) return word == slot;
  const SetView set = open_set(view, word);
  if (!set) return false;
  if (set.slots != nullptr) return std::binary_search(set.slots, set.slots + set.count, slot);
  const auto low = static_cast<uint16_t>(slot);
  for (uint32_t i = 0; i < set.count; ++i) {
    const Entry entry = Entry::unpack(load_word(set.entries + i));
    if (entry.chunk != slot / SlotSet::kChunkSlots) continue;
    if (!entry.bitmap) {
      const auto* const members = view.get<uint16_t>(entry.block, list_bytes(entry.count));
      return members != nullptr && std::binary_search(members, members + entry.count, low);
    }
    const auto* const words = view.get<uint64_t>(entry.block, kBitmapBytes);
    return words != nullptr && (load_word(words + low / 64) >> (low % 64) & 1) != 0;
  }
  return false;
}

Result<uint32_t> StoredSets::write_short(const Slot* slots, uint32_t count) {
  if (count == 0) return kEmpty;
  if (count == 1 && is_slot(slots[0])) return slots[0];
  TRY_ASSIGN(const BlockRef block, heap_->allocate(short_bytes(count)));
  auto* const to = heap_->edit<uint32_t>(block, 0, short_bytes(count));
  to[0] = count;
  std::copy_n(slots, count, to + 1);
  return kBlockFlag | block;
}

Result<uint32_t> StoredSets::write_directory(const uint64_t* entries, uint32_t count) {
  TRY_ASSIGN(const BlockRef block, heap_->allocate(directory_bytes(count)));
  auto* const to = heap_->edit<std::byte>(block, 0, directory_bytes(count));
  const uint32_t header[2] = {kDirectory | count, 0};
  std::memcpy(to, header, sizeof header);
  std::memcpy(to + kEntriesAt, entries, count * sizeof(uint64_t));
  return kBlockFlag | block;
}

Result<StoredSets::Entry> StoredSets::write_list(const uint16_t* members, uint32_t count,
                                                 uint32_t chunk) {
  TRY_ASSIGN(const BlockRef block, heap_->allocate(list_bytes(count)));
  std::copy_n(members, count, heap_->edit<uint16_t>(block, 0, list_bytes(count)));
  return Entry{chunk, count, false, block};
}

Result<uint32_t> StoredSets::to_directory(const Slot* slots, uint32_t count) {
  uint64_t entries[kShortMax + 1];
  uint16_t members[kShortMax + 1];
  uint32_t chunks = 0;
  for (uint32_t from = 0; from < count;) {
    const uint32_t chunk = slots[from] / SlotSet::kChunkSlots;
    uint32_t size = 0;
    for (; from < count && slots[from] / SlotSet::kChunkSlots == chunk; ++from)
      members[size++] = static_cast<uint16_t>(slots[from]);
    TRY_ASSIGN(const Entry entry, write_list(members, size, chunk));
    entries[chunks++] = entry.pack();
  }
  return write_directory(entries, chunks);
}

Result<uint32_t> StoredSets::add_short(uint32_t word, Slot slot) {
  Slot slots[kShortMax + 1];
  uint32_t count = 1;
  if (is_slot(word)) {
    slots[0] = word;
  } else {
    const BlockView view = heap_->view();
    const SetView set = open_set(view, word);
    count = set.count;
    std::copy_n(set.slots, count, slots);
  }
  Slot* const at = std::lower_bound(slots, slots + count, slot);
  if (at != slots + count && *at == slot) return word;
  if (!is_slot(word) && at == slots + count && count < kShortMax &&
      short_bytes(count + 1) == short_bytes(count)) {
    *heap_->edit<Slot>(block_of(word), sizeof(uint32_t) * (1 + uint64_t{count}), sizeof slot) =
        slot;
    store_word(heap_->edit<uint32_t>(block_of(word), 0, sizeof count), count + 1);
    return word;
  }
  std::copy_backward(at, slots + count, slots + count + 1);
  *at = slot;
  auto changed =
      count + 1 > kShortMax ? to_directory(slots, count + 1) : write_short(slots, count + 1);
  if (changed.ok() && !is_slot(word)) heap_->retire(block_of(word), short_bytes(count));
  return changed;
}

Result<uint32_t> StoredSets::remove_short(uint32_t word, Slot slot) {
  if (is_slot(word)) return word == slot ? kEmpty : word;
  Slot slots[kShortMax];
  const BlockView view = heap_->view();
  const SetView set = open_set(view, word);
  std::copy_n(set.slots, set.count, slots);
  Slot* const end = slots + set.count;
  Slot* const at = std::lower_bound(slots, end, slot);
  if (at == end || *at != slot) return word;
  std::copy(at + 1, end, at);
  auto changed = write_short(slots, set.count - 1);
  if (changed.ok()) heap_->retire(block_of(word), short_bytes(set.count));
  return changed;
}

Result<StoredSets::Place> StoredSets::find(uint32_t word, uint32_t chunk) const {
  const BlockView view = heap_->view();
  const SetView set = open_set(view, word);
  if (set.entries == nullptr) return damaged();
  const auto* const at =
      std::lower_bound(set.entries, set.entries + set.count, chunk,
                       [](uint64_t entry, uint32_t wanted) { return entry >> 48 < wanted; });
  Place place;
  place.index = static_cast<uint32_t>(at - set.entries);
  place.chunks = set.count;
  if (place.index < set.count) place.entry = Entry::unpack(*at);
  place.found = place.index < set.count && place.entry.chunk == chunk;
  if (place.found && view.get<std::byte>(place.entry.block, place.entry.bytes()) == nullptr) {
    return damaged();
  }
  return place;
}

void StoredSets::store_entry(uint32_t word, const Place& place, const Entry& entry) {
  store_word(heap_->edit<uint64_t>(block_of(word), kEntriesAt + uint64_t{place.index} * 8, 8),
             entry.pack());
}

void StoredSets::retire(const Entry& entry) {
  heap_->retire(entry.block, entry.bytes());
}

/// Whether the bit changed.
bool StoredSets::flip_bit(const Entry& entry, uint16_t low, bool to) {
  auto* const word = heap_->edit<uint64_t>(entry.block, uint64_t{low} / 64 * 8, 8);
  const uint64_t changed =
      to ? *word | uint64_t{1} << (low % 64) : *word & ~(uint64_t{1} << (low % 64));
  if (changed == *word) return false;
  store_word(word, changed);
  return true;
}

Result<StoredSets::Entry> StoredSets::to_bitmap(const Entry& entry) {
  TRY_ASSIGN(const BlockRef block, heap_->allocate(kBitmapBytes));
  const BlockView view = heap_->view();
  const auto* const members = view.get<uint16_t>(entry.block, entry.bytes());
  if (members == nullptr) return damaged();
  auto* const words = heap_->edit<uint64_t>(block, 0, kBitmapBytes);
  std::memset(words, 0, kBitmapBytes);
  for (uint32_t i = 0; i < entry.count; ++i)
    words[members[i] / 64] |= uint64_t{1} << (members[i] % 64);
  return Entry{entry.chunk, entry.count, true, block};
}

Result<StoredSets::Entry> StoredSets::to_list(const Entry& entry) {
  uint16_t members[SlotSet::kListMax];
  uint32_t count = 0;
  const BlockView view = heap_->view();
  const auto* const words = view.get<uint64_t>(entry.block, kBitmapBytes);
  if (words == nullptr) return damaged();
  for (uint32_t i = 0; i < SlotSet::kChunkWords; ++i) {
    for (uint64_t bits = words[i]; bits != 0 && count < SlotSet::kListMax; bits &= bits - 1)
      members[count++] = static_cast<uint16_t>(i * 64 + std::countr_zero(bits));
  }
  return write_list(members, count, entry.chunk);
}

Result<StoredSets::Entry> StoredSets::add_to_list(const Entry& entry, uint16_t low) {
  const BlockView view = heap_->view();
  const auto* const members = view.get<uint16_t>(entry.block, entry.bytes());
  if (members == nullptr) return damaged();
  const auto* const end = members + entry.count;
  const auto* const at = std::lower_bound(members, end, low);
  if (at != end && *at == low) return entry;
  Entry longer = entry;
  ++longer.count;
  if (at == end && longer.bytes() == entry.bytes()) {
    *heap_->edit<uint16_t>(entry.block, uint64_t{entry.count} * sizeof low, sizeof low) = low;
    return longer;
  }
  uint16_t copy[SlotSet::kListMax];
  uint16_t* const gap = std::copy(members, at, copy);
  *gap = low;
  std::copy(at, end, gap + 1);
  return write_list(copy, longer.count, entry.chunk);
}

Result<StoredSets::Entry> StoredSets::remove_from_list(const Entry& entry, uint16_t low) {
  const BlockView view = heap_->view();
  const auto* const members = view.get<uint16_t>(entry.block, entry.bytes());
  if (members == nullptr) return damaged();
  const auto* const end = members + entry.count;
  const auto* const at = std::lower_bound(members, end, low);
  if (at == end || *at != low) return entry;
  uint16_t copy[SlotSet::kListMax];
  std::copy(at + 1, end, std::copy(members, at, copy));
  return write_list(copy, entry.count - 1, entry.chunk);
}

Result<uint32_t> StoredSets::insert_chunk(uint32_t word, const Place& place, Slot slot) {
  const auto low = static_cast<uint16_t>(slot);
  TRY_ASSIGN(const Entry entry, write_list(&low, 1, slot / SlotSet::kChunkSlots));
  const BlockView view = heap_->view();
  const SetView set = open_set(view, word);
  if (set.entries == nullptr) return damaged();
  std::vector<uint64_t> entries(set.entries, set.entries + set.count);
  entries.insert(entries.begin() + place.index, entry.pack());
  TRY_ASSIGN(const uint32_t changed,
             write_directory(entries.data(), static_cast<uint32_t>(entries.size())));
  heap_->retire(block_of(word), directory_bytes(set.count));
  return changed;
}

Result<uint32_t> StoredSets::remove_chunk(uint32_t word, const Place& place) {
  const BlockView view = heap_->view();
  const SetView set = open_set(view, word);
  if (set.entries == nullptr) return damaged();
  std::vector<uint64_t> entries(set.entries, set.entries + set.count);
  entries.erase(entries.begin() + place.index);
  uint32_t changed = kEmpty;
  if (!entries.empty()) {
    TRY_ASSIGN(changed, write_directory(entries.data(), static_cast<uint32_t>(entries.size())));
  }
  heap_->retire(block_of(word), directory_bytes(set.count));
  retire(place.entry);
  return changed;
}

Result<uint32_t> StoredSets::add(uint32_t word, Slot slot) {
  if (word == kEmpty) return write_short(&slot, 1);
  if (is_slot(word)) return add_short(word, slot);
  {
    const BlockView view = heap_->view();
    const SetView set = open_set(view, word);
    if (!set) return damaged();
    if (set.slots != nullptr) return add_short(word, slot);
  }
  const auto low = static_cast<uint16_t>(slot);
  TRY_ASSIGN(const Place place, find(word, slot / SlotSet::kChunkSlots));
  if (!place.found) return insert_chunk(word, place, slot);
  Entry changed = place.entry;
  if (!changed.bitmap && changed.count < SlotSet::kListMax) {
    TRY_ASSIGN(changed, add_to_list(place.entry, low));
  } else {
    if (!changed.bitmap) {
      TRY_ASSIGN(changed, to_bitmap(place.entry));
    }
    if (flip_bit(changed, low, true)) ++changed.count;
  }
  if (changed.pack() != place.entry.pack()) store_entry(word, place, changed);
  if (changed.block != place.entry.block) retire(place.entry);
  return word;
}

Result<uint32_t> StoredSets::remove(uint32_t word, Slot slot) {
  if (word == kEmpty) return word;
  if (is_slot(word)) return remove_short(word, slot);
  {
    const BlockView view = heap_->view();
    const SetView set = open_set(view, word);
    if (!set) return damaged();
    if (set.slots != nullptr) return remove_short(word, slot);
  }
  const auto low = static_cast<uint16_t>(slot);
  TRY_ASSIGN(const Place place, find(word, slot / SlotSet::kChunkSlots));
  if (!place.found) return word;
  Entry changed = place.entry;
  if (changed.bitmap) {
    if (!flip_bit(changed, low, false)) return word;
    --changed.count;
    if (changed.count < kBackToList) {
      TRY_ASSIGN(changed, to_list(changed));
    }
  } else if (changed.count == 1) {
    const BlockView view = heap_->view();
    const auto* const only = view.get<uint16_t>(changed.block, sizeof low);
    return only != nullptr && *only == low ? remove_chunk(word, place) : Result<uint32_t>(word);
  } else {
    TRY_ASSIGN(changed, remove_from_list(place.entry, low));
  }
  if (changed.pack() != place.entry.pack()) store_entry(word, place, changed);
  if (changed.block != place.entry.block) retire(place.entry);
  return word;
}

Status StoredSets::release(uint32_t word) {
  if (word == kEmpty || is_slot(word)) return {};
  const BlockView view = heap_->view();
  const SetView set = open_set(view, word);
  if (!set) return damaged();
  if (set.slots != nullptr) {
    heap_->retire(block_of(word), short_bytes(set.count));
    return {};
  }
  for (uint32_t i = 0; i < set.count; ++i)
    retire(Entry::unpack(set.entries[i]));
  heap_->retire(block_of(word), directory_bytes(set.count));
  return {};
}

}  // namespace ferres
