// See slot_set.h.
#include "base/slot_set.h"

#include <algorithm>

namespace ferres {
namespace {

// Out of order, longer lists cost more to insert into than the bitmap costs to clear.
constexpr size_t kInsertMax = 64;
// The same for two lists that are merged: a range of a field unites hundreds of them.
constexpr size_t kMergeMax = 512;

uint64_t ones_of(uint64_t word) {
  word -= word >> 1 & 0x5555555555555555u;
  word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
  word = (word + (word >> 4)) & 0x0F0F0F0F0F0F0F0Fu;
  return word * 0x0101010101010101u >> 56;
}

/// A carry-save adder: three words of weight 1 become one of weight 1 and one of weight 2.
uint64_t add_words(uint64_t a, uint64_t b, uint64_t& carry) {
  const uint64_t half = a ^ b;
  const uint64_t sum = half ^ carry;
  carry = (a & b) | (half & carry);
  return sum;
}

/// Eight words at a time by carry-save adders (Harley and Seal): the target has no popcount
/// instruction for certain, and this costs half of counting each word.
uint32_t count_ones(const std::vector<uint64_t>& words) {
  uint64_t total = 0;
  uint64_t ones = 0;
  uint64_t twos = 0;
  uint64_t fours = 0;
  for (size_t i = 0; i + 8 <= words.size(); i += 8) {
    const uint64_t* const w = words.data() + i;
    uint64_t a = w[1];
    uint64_t b = w[3];
    uint64_t c = w[5];
    uint64_t d = w[7];
    ones = add_words(ones, w[0], a);
    ones = add_words(ones, w[2], b);
    ones = add_words(ones, w[4], c);
    ones = add_words(ones, w[6], d);
    twos = add_words(twos, a, b);
    twos = add_words(twos, c, d);
    fours = add_words(fours, b, d);
    total += ones_of(d);
  }
  total = total * 8 + ones_of(fours) * 4 + ones_of(twos) * 2 + ones_of(ones);
  return static_cast<uint32_t>(total);
}

void set_bit(std::vector<uint64_t>& words, uint16_t low) {
  words[low / 64] |= uint64_t{1} << (low % 64);
}

}  // namespace

uint64_t SlotSet::memory_bytes() const {
  uint64_t sum = chunks_.capacity() * sizeof(Chunk);
  for (const Chunk& chunk : chunks_) {
    sum += chunk.list.capacity() * sizeof(uint16_t) + chunk.words.capacity() * sizeof(uint64_t);
  }
  return sum;
}

uint64_t SlotSet::size() const {
  uint64_t total = 0;
  for (const Chunk& chunk : chunks_)
    total += chunk.count;
  return total;
}

bool SlotSet::list_contains(const std::vector<uint16_t>& list, uint16_t low) {
  return std::binary_search(list.begin(), list.end(), low);
}

bool SlotSet::chunk_contains(const Chunk& chunk, uint16_t low) {
  if (!chunk.words.empty()) return (chunk.words[low / 64] >> (low % 64) & 1) != 0;
  return list_contains(chunk.list, low);
}

SlotSet::Chunk& SlotSet::chunk_at(uint32_t index) {
  if (index >= chunks_.size()) chunks_.resize(index + 1);
  return chunks_[index];
}

std::vector<uint64_t>& SlotSet::to_words(Chunk& chunk) {
  if (!chunk.words.empty()) return chunk.words;
  chunk.words.assign(kChunkWords, 0);
  for (const uint16_t low : chunk.list)
    set_bit(chunk.words, low);
  chunk.list = {};
  return chunk.words;
}

void SlotSet::recount(Chunk& chunk) {
  if (chunk.words.empty()) {
    chunk.count = static_cast<uint32_t>(chunk.list.size());
    return;
  }
  chunk.count = count_ones(chunk.words);
  if (chunk.count == 0) chunk.words = {};
}

/// To a chunk that is a list, or not there.
void SlotSet::add_slowly(Slot slot) {
  Chunk& chunk = chunk_at(slot / kChunkSlots);
  const auto low = static_cast<uint16_t>(slot);
  std::vector<uint16_t>& list = chunk.list;
  const bool last = list.empty() || list.back() < low;
  if (list.size() < (last ? kListMax : kInsertMax)) {
    const auto at = last ? list.end() : std::lower_bound(list.begin(), list.end(), low);
    if (!last && *at == low) return;
    list.insert(at, low);
    ++chunk.count;
    return;
  }
  to_words(chunk);
  add(slot);
}

void SlotSet::add_list(uint32_t chunk, std::span<const uint16_t> members) {
  if (members.empty()) return;
  Chunk other;
  other.list.assign(members.begin(), members.end());
  other.count = static_cast<uint32_t>(members.size());
  Chunk& into = chunk_at(chunk);
  if (into.count == 0) {
    into = std::move(other);
  } else {
    unite(into, other);
  }
}

void SlotSet::unite(Chunk& into, const Chunk& other) {
  if (other.count == 0) return;
  if (into.count == 0) {
    into = other;
    return;
  }
  if (into.words.empty() && other.words.empty() && into.count + other.count <= kMergeMax) {
    std::vector<uint16_t> both;
    both.reserve(into.count + other.count);
    std::set_union(into.list.begin(), into.list.end(), other.list.begin(), other.list.end(),
                   std::back_inserter(both));
    into.list = std::move(both);
    return recount(into);
  }
  std::vector<uint64_t>& words = to_words(into);
  if (!other.words.empty()) {
    for (size_t i = 0; i < other.words.size(); ++i)
      words[i] |= other.words[i];
    return recount(into);
  }
  uint32_t fresh = 0;
  for (const uint16_t low : other.list) {
    uint64_t& word = words[low / 64];
    fresh += static_cast<uint32_t>(~word >> low % 64 & 1);
    word |= uint64_t{1} << low % 64;
  }
  into.count += fresh;
}

void SlotSet::intersect(Chunk& into, const Chunk& other) {
  if (into.count == 0) return;
  if (other.count == 0) {
    into = Chunk();
  } else if (!into.words.empty() && !other.words.empty()) {
    for (size_t i = 0; i < kChunkWords; ++i)
      into.words[i] &= other.words[i];
  } else if (!into.words.empty()) {
    std::vector<uint16_t> kept;
    for (const uint16_t low : other.list)
      if (chunk_contains(into, low)) kept.push_back(low);
    into.words = {};
    into.list = std::move(kept);
  } else if (!other.words.empty()) {
    std::erase_if(into.list, [&](uint16_t low) { return !chunk_contains(other, low); });
  } else {
    std::vector<uint16_t> both;
    std::set_intersection(into.list.begin(), into.list.end(), other.list.begin(), other.list.end(),
                          std::back_inserter(both));
    into.list = std::move(both);
  }
  recount(into);
}

void SlotSet::subtract(Chunk& into, const Chunk& other) {
  if (into.count == 0 || other.count == 0) return;
  if (!into.words.empty()) {
    for (size_t i = 0; i < other.words.size(); ++i)
      into.words[i] &= ~other.words[i];
    for (const uint16_t low : other.list)
      into.words[low / 64] &= ~(uint64_t{1} << (low % 64));
  } else {
    std::erase_if(into.list, [&](uint16_t low) { return chunk_contains(other, low); });
  }
  recount(into);
}

SlotSet& SlotSet::operator|=(const SlotSet& other) {
  if (chunks_.size() < other.chunks_.size()) chunks_.resize(other.chunks_.size());
  for (size_t i = 0; i < other.chunks_.size(); ++i)
    unite(chunks_[i], other.chunks_[i]);
  return *this;
}

SlotSet& SlotSet::operator&=(const SlotSet& other) {
  if (chunks_.size() > other.chunks_.size()) chunks_.resize(other.chunks_.size());
  for (size_t i = 0; i < chunks_.size(); ++i)
    intersect(chunks_[i], other.chunks_[i]);
  return *this;
}

SlotSet& SlotSet::operator-=(const SlotSet& other) {
  const size_t both = std::min(chunks_.size(), other.chunks_.size());
  for (size_t i = 0; i < both; ++i)
    subtract(chunks_[i], other.chunks_[i]);
  return *this;
}

bool SlotSet::operator==(const SlotSet& other) const {
  if (size() != other.size()) return false;
  bool same = true;
  for_each([&](Slot slot) { same = same && other.contains(slot); });
  return same;
}

}  // namespace ferres
