// Blocks of the payload index, and of the links between points: an allocator over one arena. Blocks
// are numbered by 16-byte units, so that a reference takes 31 bits; they come in size classes
// (16-byte steps to 1 KiB, then four a doubling to 1 MiB). Nobody stores a block's size: its owner
// can tell it.
//
// One lane allocates, writes and retires. Readers under an EpochGuard follow references through a
// BlockView; what they may still see is never overwritten: a change is a new block, published by
// one store of a word that leads to it, and the old block is given out again only after an epoch
// (seal() starts the clock). Words that do change in place go through load_word and store_word.
// A view takes the arena's range once: an older range is a consistent older state
// (storage/arena.h).
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <vector>

#include "base/status.h"
#include "storage/arena.h"

namespace ferres {

template <class Word>
Word load_word(const Word* word) {
  return std::atomic_ref<Word>(*const_cast<Word*>(word)).load(std::memory_order_acquire);
}
template <class Word>
void store_word(Word* word, Word value) {
  std::atomic_ref<Word>(*word).store(value, std::memory_order_release);
}

/// A block's number: its offset in the arena / 16. 0: none.
using BlockRef = uint32_t;
inline constexpr uint64_t kBlockUnit = 16;

class BlockView {
 public:
  explicit BlockView(const Arena& arena) : arena_(&arena), range_(arena.range()) {}

  /// Null when the block lies outside of the arena or fails its checksum; damaged() is then true.
  template <class T>
  const T* get(BlockRef block, uint64_t bytes) const {
    const uint64_t offset = block * kBlockUnit;
    // A word that changed in place may lead to a block that is newer than the range.
    if (offset + bytes > range_.bytes) range_ = arena_->range();
    if (block != 0 && offset + bytes <= range_.bytes && arena_->verify(offset, bytes).ok()) {
      return reinterpret_cast<const T*>(range_.base + offset);
    }
    damaged_ = true;
    return nullptr;
  }
  const Arena::Range& range() const { return range_; }
  void report_damage() const { damaged_ = true; }
  bool damaged() const { return damaged_; }

 private:
  const Arena* arena_;
  mutable Arena::Range range_;
  mutable bool damaged_ = false;
};

class BlockHeap {
 public:
  static constexpr size_t kClasses = 104;
  static constexpr uint64_t kFirstByte = 4096;  // what is before belongs to the index's header
  /// What a checkpoint keeps beside the blocks.
  struct Header {
    uint64_t end = kFirstByte;  // first byte never given out
    uint64_t free_bytes = 0;    // in the lists
    std::array<BlockRef, kClasses> free{};
  };
  struct Retired {
    BlockRef block;
    uint32_t size_class;
  };

  BlockHeap(Arena& arena, const Header& header) : arena_(&arena), header_(header) {}

  // ---- the lane only
  BlockView view() const { return BlockView(*arena_); }
  Result<BlockRef> allocate(uint64_t bytes);
  /// bytes: as given to allocate(), or of the same size class.
  void retire(BlockRef block, uint64_t bytes);
  /// Everything retired so far is in no reader's way once today's guards have ended. Also gives
  /// back what is free by now.
  void seal();
  /// Overwrites what free blocks still hold.
  void erase_free();
  /// For writing [offset, offset + bytes) of a block.
  template <class T>
  T* edit(BlockRef block, uint64_t offset, uint64_t bytes) {
    return reinterpret_cast<T*>(arena_->mutate(block * kBlockUnit + offset, bytes));
  }
  /// In use, without what is free or retired.
  uint64_t used_bytes() const {
    return header_.end - kFirstByte - header_.free_bytes - retired_bytes_;
  }
  const Header& header() const { return header_; }
  /// What waits for readers: a checkpoint keeps it, since after a start no reader is left.
  std::vector<Retired> retired() const;
  void recover(const std::vector<Retired>& retired);

 private:
  struct Waiting {
    Retired what;
    uint64_t ticket;  // 0: not sealed
  };
  void free(const Retired& what);

  Arena* arena_;
  Header header_;
  std::deque<Waiting> waiting_;
  size_t unsealed_ = 0;
  uint64_t retired_bytes_ = 0;
};

}  // namespace ferres
