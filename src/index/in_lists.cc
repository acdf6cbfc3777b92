// See in_lists.h. A free run holds the next free run of its size in its first word.
#include "index/in_lists.h"

#include <algorithm>
#include <cstring>

#include "storage/arena_size.h"

namespace ferres {
namespace {

constexpr uint32_t kRunWordsMax = 0x7FFFFFFF;  // of the last size classes: more than any list needs
static_assert(kRunWordsMax >= kSlotsMax);

}  // namespace

uint32_t InLists::class_words(uint32_t size_class) {
  constexpr uint32_t kLinear = 8;  // 8, 16, ... 64 words
  if (size_class < kLinear) return kUnitWords * (size_class + 1);
  const uint32_t step = (size_class - kLinear) % 4 + 1;
  const uint32_t doubling = (size_class - kLinear) / 4;
  return std::min<uint64_t>((uint64_t{64} << doubling) + (uint64_t{16} << doubling) * step,
                            kRunWordsMax);
}

bool InLists::fits(uint32_t place, uint32_t size_class) const {
  if (place == 0 || size_class >= kInListClasses) return false;
  const uint64_t end = uint64_t{place} * kUnitBytes + uint64_t{class_words(size_class)} * 4;
  return end <= arena_->bytes();
}

uint32_t* InLists::writable(uint32_t place, uint32_t first_word, uint32_t words) {
  const uint64_t offset = uint64_t{place} * kUnitBytes + uint64_t{first_word} * sizeof(uint32_t);
  return reinterpret_cast<uint32_t*>(arena_->mutate(offset, uint64_t{words} * sizeof(uint32_t)));
}

std::span<const uint32_t> InLists::list(const BlockHead& head) const {
  if (head.incoming.count == 0 || !fits(head.incoming.place, head.size_class)) return {};
  const std::byte* from = arena_->base() + uint64_t{head.incoming.place} * kUnitBytes;
  return {reinterpret_cast<const uint32_t*>(from),
          std::min(head.incoming.count, class_words(head.size_class))};
}

Result<uint32_t> InLists::allocate(InListsHeader& header, uint32_t size_class) {
  const uint32_t reused = header.free[size_class];
  if (reused != 0 && fits(reused, size_class)) {
    std::memcpy(&header.free[size_class], arena_->base() + uint64_t{reused} * kUnitBytes,
                sizeof(uint32_t));
    return reused;
  }
  header.free[size_class] = 0;
  const uint64_t place = std::max(header.end, 1u);
  const uint64_t end = place + class_words(size_class) / kUnitWords;
  if (end > 0xFFFFFFFFu) return Status(Code::kResourceExhausted, "graph: too many edges");
  const uint64_t bytes = end * kUnitBytes;
  if (bytes > arena_->bytes()) {
    TRY(arena_->grow(arena_size_for(bytes)));
  }
  header.end = static_cast<uint32_t>(end);
  return static_cast<uint32_t>(place);
}

void InLists::release(InListsHeader& header, uint32_t place, uint32_t size_class) {
  if (!fits(place, size_class)) return;
  *writable(place, 0, 1) = header.free[size_class];
  header.free[size_class] = place;
}

Status InLists::push(BlockHead& head, InListsHeader& header, uint32_t value) {
  const std::span<const uint32_t> old = list(head);
  const auto count = static_cast<uint32_t>(old.size());
  const bool placed = fits(head.incoming.place, head.size_class);
  if (!placed || count == class_words(head.size_class)) {
    const uint32_t size_class = placed ? head.size_class + 1u : 0;
    TRY_ASSIGN(const uint32_t place, allocate(header, size_class));
    uint32_t* const words = writable(place, 0, count + 1);
    // Growing the arena may have moved the old run.
    const std::span<const uint32_t> moved = list(head);
    std::copy(moved.begin(), moved.end(), words);
    if (placed) release(header, head.incoming.place, head.size_class);
    head.incoming.place = place;
    head.size_class = static_cast<uint16_t>(size_class);
  }
  *writable(head.incoming.place, count, 1) = value;
  head.incoming.count = count + 1;
  return {};
}

bool InLists::drop(BlockHead& head, uint32_t value) {
  const std::span<const uint32_t> words = list(head);
  const auto at = std::find(words.begin(), words.end(), value);
  if (at == words.end()) return false;
  const uint32_t last = words.back();
  *writable(head.incoming.place, static_cast<uint32_t>(at - words.begin()), 1) = last;
  head.incoming.count = static_cast<uint32_t>(words.size()) - 1;
  return true;
}

void InLists::clear(BlockHead& head, InListsHeader& header) {
  release(header, head.incoming.place, head.size_class);
  head.incoming = {};
  head.size_class = 0;
}

}  // namespace ferres
