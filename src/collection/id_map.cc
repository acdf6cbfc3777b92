// See id_map.h for what readers rely on: replace() is the only way in which an entry leaves a
// place.
#include "collection/id_map.h"

#include <type_traits>

namespace ferres {
namespace {

// Fuller, and chains get long: at 85% an id is found in three lines, at 92% in six.
constexpr uint64_t kFullPercent = 85;

template <class Word>
void store(Word* word, std::type_identity_t<Word> value) {
  std::atomic_ref<Word>(*word).store(value, std::memory_order_release);
}

Status reserve(Arena& arena, uint64_t bytes) {
  constexpr uint64_t kStep = 4096;
  return bytes <= arena.bytes() ? Status() : arena.grow((bytes + kStep - 1) / kStep * kStep);
}

}  // namespace

const IdMap::Line& IdMap::line(const LineRef& ref) {
  return reinterpret_cast<const Line*>(ref.arena->base())[ref.number];
}

IdMap::Line& IdMap::mutate(const LineRef& ref) {
  return *reinterpret_cast<Line*>(ref.arena->mutate(ref.number * sizeof(Line), sizeof(Line)));
}

IdMap::Chain IdMap::chain(uint32_t bucket) const {
  Chain chain{{buckets_, bucket}};
  for (;;) {
    const uint32_t next = line(chain.back()).next;
    if (next == 0 || next >= header_.overflow_end) return chain;
    chain.push_back({overflow_, next});
  }
}

IdMap::Entry IdMap::entry(const Chain& chain, uint32_t index) {
  const Line& at = line(chain[index / kEntries]);
  return {at.slots[index % kEntries], at.tags[index % kEntries]};
}

uint32_t IdMap::count(const Chain& chain) {
  auto count = static_cast<uint32_t>(chain.size() - 1) * kEntries;
  while (count < chain.size() * kEntries && entry(chain, count).slot != 0)
    ++count;
  return count;
}

void IdMap::write(const Chain& chain, uint32_t index, Entry entry) {
  Line& line = mutate(chain[index / kEntries]);
  store(&line.tags[index % kEntries], entry.tag);
  store(&line.slots[index % kEntries], entry.slot);
}

void IdMap::change_state() {
  const auto changes = static_cast<uint32_t>(state_.load(std::memory_order_relaxed)) + 1;
  state_.store(uint64_t{header_.buckets} << 32 | changes, std::memory_order_release);
}

void IdMap::replace(const Chain& chain, uint32_t index, Entry entry) {
  change_state();
  write(chain, index, entry);
}

/// Removes the last entries of a chain, and the lines that are empty then.
void IdMap::truncate(Chain& chain, uint32_t from, uint32_t end) {
  while (end > from)
    replace(chain, --end, {});
  while (chain.size() > 1 && from <= (chain.size() - 1) * kEntries) {
    const auto line = static_cast<uint32_t>(chain.back().number);
    chain.pop_back();
    store(&mutate(chain.back()).next, 0);
    store(&mutate({overflow_, line}).next, header_.overflow_free);
    header_.overflow_free = line;
    --header_.overflow_used;
  }
}

Result<uint32_t> IdMap::take_line() {
  uint32_t number = header_.overflow_free;
  if (number == 0) {
    number = header_.overflow_end;
    TRY(reserve(*overflow_, (uint64_t{number} + 1) * sizeof(Line)));
    ++header_.overflow_end;
  }
  Line& line = mutate({overflow_, number});
  if (header_.overflow_free != 0) header_.overflow_free = line.next;
  store(&line.next, 0);
  ++header_.overflow_used;
  return number;
}

Status IdMap::append(uint32_t bucket, Entry entry) {
  Chain lines = chain(bucket);
  const uint32_t index = count(lines);
  if (index < lines.size() * kEntries) {
    write(lines, index, entry);
    return {};
  }
  TRY_ASSIGN(const uint32_t line, take_line());
  const LineRef last = lines.back();
  lines.push_back({overflow_, line});
  write(lines, index, entry);
  store(&mutate(last).next, line);
  return {};
}

Status IdMap::split() {
  const uint32_t added = header_.buckets;
  if (added == 0) {
    TRY(reserve(*buckets_, sizeof(Line)));
    header_.buckets = 1;
    change_state();
    return {};
  }
  const uint32_t divided = added - std::bit_floor(added);
  TRY(reserve(*buckets_, (uint64_t{added} + 1) * sizeof(Line)));
  Chain lines = chain(divided);
  const uint32_t entries = count(lines);
  std::vector<Entry> kept;
  std::vector<Entry> moved;
  for (uint32_t i = 0; i < entries; ++i) {
    const Entry found = entry(lines, i);
    TRY_ASSIGN(const uint64_t hash, hash_of_(found.slot - 1));
    (bucket_of(hash, added + 1) == added ? moved : kept).push_back(found);
  }
  for (const Entry found : moved)
    TRY(append(added, found));
  header_.buckets = added + 1;
  change_state();
  const auto left = static_cast<uint32_t>(kept.size());
  for (uint32_t i = 0; i < left; ++i) {
    if (entry(lines, i).slot != kept[i].slot) replace(lines, i, kept[i]);
  }
  truncate(lines, left, entries);
  return {};
}

Status IdMap::insert(uint64_t hash, Slot slot) {
  const uint64_t room = (uint64_t{header_.buckets} + header_.overflow_used) * kEntries;
  if ((header_.living + 1) * 100 > room * kFullPercent) TRY(split());
  TRY(append(bucket_of(hash, header_.buckets), {slot + 1, tag_of(hash)}));
  ++header_.living;
  return {};
}

void IdMap::erase(uint64_t hash, Slot slot) {
  if (header_.buckets == 0) return;
  Chain lines = chain(bucket_of(hash, header_.buckets));
  const uint32_t entries = count(lines);
  for (uint32_t i = 0; i < entries; ++i) {
    const Entry found = entry(lines, i);
    if (found.slot != slot + 1 || found.tag != tag_of(hash)) continue;
    if (i + 1 < entries) replace(lines, i, entry(lines, entries - 1));
    truncate(lines, entries - 1, entries);
    --header_.living;
    return;
  }
}

}  // namespace ferres
