// See block_heap.h. A free block keeps the next free one of its class in its first 4 bytes.
#include "payload/block_heap.h"

#include <algorithm>
#include <cstring>

#include "base/epoch.h"
#include "base/size_class.h"
#include "storage/arena_size.h"

namespace ferres {
namespace {

constexpr uint64_t kArenaBytesMax = uint64_t{0x7FFFFFFF} * kBlockUnit;

}  // namespace

Result<BlockRef> BlockHeap::allocate(uint64_t bytes) {
  const uint32_t size_class = size_class_of(bytes);
  if (size_class >= kClasses) {
    return Status(Code::kTooLarge,
                  "a block of " + std::to_string(bytes) + " bytes, more than 1 MiB");
  }
  if (const BlockRef block = header_.free[size_class]; block != 0) {
    const auto* const next = view().get<BlockRef>(block, sizeof(BlockRef));
    if (next == nullptr) return Status(Code::kCorruption, "a free block lies outside of its arena");
    header_.free[size_class] = *next;
    header_.free_bytes -= size_class_bytes(size_class);
    return block;
  }
  const uint64_t end = header_.end + size_class_bytes(size_class);
  if (end > kArenaBytesMax) {
    return Status(Code::kResourceExhausted, "a heap of blocks is full: 32 GiB");
  }
  if (end > arena_->bytes()) {
    const uint64_t step = std::max(kPageBytes, std::min<uint64_t>(arena_->bytes(), 16 << 20));
    TRY(arena_->grow(end <= kPageBytes ? arena_size_for(end) : (end + step - 1) / step * step));
  }
  const auto block = static_cast<BlockRef>(header_.end / kBlockUnit);
  header_.end = end;
  return block;
}

void BlockHeap::retire(BlockRef block, uint64_t bytes) {
  const uint32_t size_class = size_class_of(bytes);
  waiting_.push_back({{block, size_class}, 0});
  retired_bytes_ += size_class_bytes(size_class);
  ++unsealed_;
}

void BlockHeap::seal() {
  if (unsealed_ > 0) {
    const uint64_t ticket = epoch_advance();
    for (auto entry = waiting_.rbegin(); unsealed_ > 0; ++entry, --unsealed_)
      entry->ticket = ticket;
  }
  uint64_t passed = 0;
  while (!waiting_.empty()) {
    const Waiting& front = waiting_.front();
    if (front.ticket != passed && !epoch_passed(front.ticket)) return;
    passed = front.ticket;
    retired_bytes_ -= size_class_bytes(front.what.size_class);
    free(front.what);
    waiting_.pop_front();
  }
}

void BlockHeap::free(const Retired& what) {
  *edit<BlockRef>(what.block, 0, sizeof(BlockRef)) = header_.free[what.size_class];
  header_.free[what.size_class] = what.block;
  header_.free_bytes += size_class_bytes(what.size_class);
}

void BlockHeap::erase_free() {
  for (uint32_t size_class = 0; size_class < kClasses; ++size_class) {
    const uint64_t bytes = size_class_bytes(size_class);
    for (BlockRef block = header_.free[size_class]; block != 0;) {
      const auto* const next = view().get<BlockRef>(block, sizeof(BlockRef));
      if (next == nullptr) break;  // the scrub reports it
      const BlockRef following = *next;
      std::memset(edit<std::byte>(block, sizeof(BlockRef), bytes - sizeof(BlockRef)), 0,
                  bytes - sizeof(BlockRef));
      block = following;
    }
  }
}

std::vector<BlockHeap::Retired> BlockHeap::retired() const {
  std::vector<Retired> list;
  list.reserve(waiting_.size());
  for (const Waiting& waiting : waiting_)
    list.push_back(waiting.what);
  return list;
}

void BlockHeap::recover(const std::vector<Retired>& retired) {
  for (const Retired& what : retired) {
    // A list that is damaged beyond its checksum costs memory, no more.
    if (what.block != 0 && what.size_class < kClasses && what.block * kBlockUnit < header_.end) {
      free(what);
    }
  }
}

}  // namespace ferres
