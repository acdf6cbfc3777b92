// See tail.h. A ring of chunks addressed by position; a chunk whose last slot was popped is freed
// after an epoch.
#include "collection/tail.h"

#include <algorithm>

#include "base/epoch.h"
#include "base/status.h"

namespace ferres {

Tail::~Tail() {
  for (const Retired& retired : retired_) {
    if (chunks_[retired.place].load() == retired.chunk) chunks_[retired.place].store(nullptr);
    delete retired.chunk;
  }
  for (auto& chunk : chunks_)
    delete chunk.load();
}

Slot Tail::at(uint64_t position) const {
  const Chunk* chunk = chunks_[position / kChunkSlots % kChunks].load(std::memory_order_acquire);
  return chunk->slots[position % kChunkSlots].load(std::memory_order_relaxed);
}

void Tail::snapshot(std::vector<Slot>& slots) const {
  // end after begin: a chunk at or after `begin` cannot be freed under this guard.
  const uint64_t begin = begin_.load(std::memory_order_acquire);
  const uint64_t end = end_.load(std::memory_order_acquire);
  slots.clear();
  slots.reserve(end - begin);
  for (uint64_t position = begin; position < end; ++position)
    slots.push_back(at(position));
}

void Tail::holds_more(Slot slot) {
  const size_t before = holds_.capacity();
  holds_.resize(std::max<size_t>(size_t{slot} + 1, holds_.size() * 2));
  memory_bytes_ += (holds_.capacity() - before) / 8;
}

void Tail::push(Slot slot) {
  if (slot >= holds_.size()) holds_more(slot);
  if (holds_[slot]) return;
  holds_[slot] = true;
  const uint64_t end = end_.load(std::memory_order_relaxed);
  CHECK(end - begin_.load(std::memory_order_relaxed) < kSlotsMax);
  auto& place = chunks_[end / kChunkSlots % kChunks];
  if (end % kChunkSlots == 0) {
    place.store(std::make_unique<Chunk>().release(), std::memory_order_release);
    memory_bytes_ += sizeof(Chunk);
  }
  place.load(std::memory_order_relaxed)
      ->slots[end % kChunkSlots]
      .store(slot, std::memory_order_relaxed);
  end_.store(end + 1, std::memory_order_release);
}

std::vector<Slot> Tail::front(size_t count) const {
  const uint64_t begin = begin_.load(std::memory_order_relaxed);
  const uint64_t end = std::min<uint64_t>(end_.load(std::memory_order_relaxed), begin + count);
  std::vector<Slot> slots;
  for (uint64_t position = begin; position < end; ++position)
    slots.push_back(at(position));
  return slots;
}

void Tail::pop(size_t count) {
  const uint64_t begin = begin_.load(std::memory_order_relaxed);
  for (uint64_t position = begin; position < begin + count; ++position)
    holds_[at(position)] = false;
  begin_.store(begin + count, std::memory_order_release);
  // The directory keeps pointing at a retired chunk: readers that began before still use it.
  for (uint64_t chunk = begin / kChunkSlots; chunk < (begin + count) / kChunkSlots; ++chunk) {
    retired_.push_back({epoch_advance(), chunk % kChunks, chunks_[chunk % kChunks].load()});
  }
  std::erase_if(retired_, [this](const Retired& retired) {
    if (!epoch_passed(retired.ticket)) return false;
    auto& place = chunks_[retired.place];
    if (place.load() == retired.chunk) place.store(nullptr);
    delete retired.chunk;
    memory_bytes_ -= sizeof(Chunk);
    return true;
  });
}

}  // namespace ferres
