// The tail: slots whose points are visible but not yet linked into the graph, oldest first.
// Searches scan it exactly beside the graph; the lane links from its front. In memory only: a
// checkpoint saves the list, a replay appends to it.
//
// One lane pushes and pops; a reader under an EpochGuard copies it with snapshot() *before* it
// searches the graph: a slot is then in the copy or was linked before, never missed (it may be
// found twice).
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/types.h"

namespace ferres {

class Tail {
  static constexpr uint64_t kChunkSlots = 4096;
  static constexpr uint64_t kChunks = 4096;

 public:
  /// push() beyond this is a programmer error: the lane links first.
  static constexpr uint64_t kSlotsMax = (kChunks - 1) * kChunkSlots;

  ~Tail();

  /// Any thread, under a guard.
  void snapshot(std::vector<Slot>& slots) const;
  uint64_t size() const {
    return end_.load(std::memory_order_acquire) - begin_.load(std::memory_order_acquire);
  }
  uint64_t memory_bytes() const { return memory_bytes_.load(std::memory_order_relaxed); }

  // ---- the lane only
  /// Nothing when the slot is in the tail already: one that died there and was given out again
  /// keeps its place, so the tail is never longer than the slots in use.
  void push(Slot slot);
  /// The front slots, at most count.
  std::vector<Slot> front(size_t count) const;
  void pop(size_t count);

 private:
  struct Chunk {
    std::array<std::atomic<Slot>, kChunkSlots> slots;
  };
  struct Retired {
    uint64_t ticket;
    uint64_t place;
    Chunk* chunk;
  };
  Slot at(uint64_t position) const;
  void holds_more(Slot slot);

  std::array<std::atomic<Chunk*>, kChunks> chunks_{};
  std::atomic<uint64_t> begin_{0};
  std::atomic<uint64_t> end_{0};
  std::vector<Retired> retired_;
  std::vector<bool> holds_;  // by slot
  std::atomic<uint64_t> memory_bytes_{sizeof(chunks_)};
};

}  // namespace ferres
