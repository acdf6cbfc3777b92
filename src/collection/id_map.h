// From a point's storage id to its slots: a hash table by linear hashing (W. Litwin, "Linear
// hashing", 1980) in two arenas of the index store. It grows one bucket at a time, so it is always
// about 85% full and never holds two tables. An entry is the slot and 8 bits of the id's hash; the
// id itself is in the point's record and the caller verifies it. An id may have several slots for a
// while (a living one and dying ones that older readers still see), so a lookup visits all entries
// with the hash's 8 bits. When a bucket is split, the hashes come from the records (HashOf).
//
// A bucket is a line of 64 bytes, and a chain of overflow lines behind it; entries fill it front to
// back without holes. One lane writes. Readers under an EpochGuard walk the chain without locks;
// while they do, entries may move within the chain or to another bucket. Before an entry is removed
// from where it was, its copy is in place and state_ is another one: a reader that found nothing
// and sees state_ changed looks again. What a reader meets on lines that were freed and used again
// is verified as everything is.
#pragma once
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/types.h"
#include "storage/arena.h"

namespace ferres {

class IdMap {
 public:
  /// What a checkpoint keeps beside the arenas.
  struct Header {
    uint32_t buckets = 0;
    uint32_t overflow_end = 1;   // first overflow line never given out; 0 means "none"
    uint32_t overflow_free = 0;  // first of the free ones, linked through next
    uint32_t overflow_used = 0;
    uint64_t living = 0;
  };
  /// The hash under which a slot in the map was inserted.
  using HashOf = std::function<Result<uint64_t>(Slot)>;

  IdMap(Arena& buckets, Arena& overflow, const Header& header, HashOf hash_of)
      : buckets_(&buckets),
        overflow_(&overflow),
        header_(header),
        hash_of_(std::move(hash_of)),
        state_(uint64_t{header.buckets} << 32) {}

  /// Any thread, under a guard: calls visit(slot) for each entry with this hash until it returns
  /// true. Returns whether one did. May visit others' slots, and one twice.
  template <class Visit>
  bool find(uint64_t hash, Visit&& visit) const {
    for (;;) {
      // Before the ranges: they are then at least as new.
      const uint64_t state = state_.load(std::memory_order_acquire);
      if (find_once(static_cast<uint32_t>(state >> 32), hash, visit)) return true;
      if (state_.load(std::memory_order_acquire) == state) return false;
    }
  }
  uint64_t memory_bytes() const { return buckets_->memory_bytes() + overflow_->memory_bytes(); }

  // ---- the lane only
  const Header& header() const { return header_; }
  Status insert(uint64_t hash, Slot slot);
  void erase(uint64_t hash, Slot slot);

 private:
  static constexpr uint32_t kEntries = 12;
  struct Line {
    std::array<uint32_t, kEntries> slots;  // slot + 1; 0: no entry here nor behind
    std::array<uint8_t, kEntries> tags;
    uint32_t next;  // overflow line; 0: none
  };
  static_assert(sizeof(Line) == 64);
  struct Entry {
    uint32_t slot = 0;  // as in a line
    uint8_t tag = 0;
  };
  struct LineRef {
    Arena* arena = nullptr;
    uint64_t number = 0;
  };
  /// A bucket's lines, for the lane; entry i is in line i / kEntries.
  using Chain = std::vector<LineRef>;

  static uint8_t tag_of(uint64_t hash) { return static_cast<uint8_t>(hash >> 56); }
  static uint32_t bucket_of(uint64_t hash, uint32_t buckets) {
    const uint64_t mask = std::bit_ceil(uint64_t{buckets}) - 1;
    const uint64_t bucket = hash & mask;
    return static_cast<uint32_t>(bucket < buckets ? bucket : hash & (mask >> 1));
  }
  template <class Word>
  static Word load(const Word& word) {
    return std::atomic_ref<Word>(const_cast<Word&>(word)).load(std::memory_order_acquire);
  }

  template <class Visit>
  bool find_once(uint32_t buckets, uint64_t hash, Visit&& visit) const {
    const Arena::Range first = buckets_->range();
    const Arena::Range more = overflow_->range();
    if (buckets == 0 || uint64_t{buckets} * sizeof(Line) > first.bytes) return false;
    const uint64_t overflow_lines = more.bytes / sizeof(Line);
    const auto* line = reinterpret_cast<const Line*>(first.base) + bucket_of(hash, buckets);
    // No chain is longer; lines that are linked anew meanwhile could make a ring of it.
    for (uint64_t left = overflow_lines + 1; left > 0; --left) {
      for (uint32_t i = 0; i < kEntries; ++i) {
        // The slot before the tag: they are written the other way round.
        const uint32_t slot = load(line->slots[i]);
        if (slot == 0) return false;
        if (load(line->tags[i]) == tag_of(hash) && visit(Slot{slot - 1})) return true;
      }
      const uint32_t next = load(line->next);
      if (next == 0 || next >= overflow_lines) return false;
      line = reinterpret_cast<const Line*>(more.base) + next;
    }
    return false;
  }

  static const Line& line(const LineRef& ref);
  static Line& mutate(const LineRef& ref);
  Chain chain(uint32_t bucket) const;
  static uint32_t count(const Chain& chain);
  static Entry entry(const Chain& chain, uint32_t index);
  static void write(const Chain& chain, uint32_t index, Entry entry);
  void replace(const Chain& chain, uint32_t index, Entry entry);
  void truncate(Chain& chain, uint32_t from, uint32_t end);
  Status append(uint32_t bucket, Entry entry);
  Result<uint32_t> take_line();
  Status split();
  void change_state();

  Arena* buckets_;
  Arena* overflow_;
  Header header_;
  HashOf hash_of_;
  std::atomic<uint64_t> state_;  // buckets << 32 | a number that changes with every removal
};

}  // namespace ferres
