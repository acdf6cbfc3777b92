// See record_heap.h. A block begins with a fixed header; a free block keeps the next free block's
// offset in its first 8 bytes after the class.
#include "collection/record_heap.h"

#include <algorithm>
#include <cstring>

#include "base/size_class.h"

namespace ferres {
namespace {

struct BlockHeader {
  uint32_t size_class;
  uint16_t ns_bytes;
  uint16_t flags;
  uint32_t id_bytes;
  uint32_t metadata_bytes;
  uint64_t created_micros;
  uint64_t expires_micros;
};
static_assert(sizeof(BlockHeader) == 32);
constexpr uint16_t kHasVector = 1;

struct FreeBlock {
  uint32_t size_class;
  uint32_t unused;
  uint64_t next;
};

}  // namespace

void RecordHeap::prefetch(uint64_t offset) const {
  const Arena::Range range = arena_->range();
  if (offset >= range.bytes) return;
  __builtin_prefetch(range.base + offset);
  __builtin_prefetch(range.base + offset + 64);
}

Result<Record> RecordHeap::read(uint64_t offset) const {
  const Arena::Range range = arena_->range();
  const auto damaged = [&] {
    return Status(Code::kCorruption, "no record at offset " + std::to_string(offset));
  };
  if (offset < 16 || range.bytes < sizeof(BlockHeader) ||
      offset > range.bytes - sizeof(BlockHeader)) {
    return damaged();
  }
  TRY(arena_->verify(offset, sizeof(BlockHeader)));
  BlockHeader header{};
  std::memcpy(&header, range.base + offset, sizeof header);
  const uint64_t bytes =
      sizeof header + header.ns_bytes + uint64_t{header.id_bytes} + header.metadata_bytes;
  if (header.size_class >= kClasses || bytes > size_class_bytes(header.size_class) ||
      bytes > range.bytes - offset) {
    return damaged();
  }
  TRY(arena_->verify(offset, bytes));
  const char* text = reinterpret_cast<const char*>(range.base + offset + sizeof header);
  Record record;
  record.ns = {text, header.ns_bytes};
  record.id = {text + header.ns_bytes, header.id_bytes};
  record.metadata_json = {text + header.ns_bytes + header.id_bytes, header.metadata_bytes};
  record.created_micros = header.created_micros;
  record.expires_micros = header.expires_micros;
  record.has_vector = (header.flags & kHasVector) != 0;
  return record;
}

Result<uint64_t> RecordHeap::write(const Record& record) {
  const uint64_t bytes =
      sizeof(BlockHeader) + record.ns.size() + record.id.size() + record.metadata_json.size();
  const uint32_t size_class = size_class_of(bytes);
  CHECK(size_class < kClasses);
  uint64_t offset = header_.free[size_class];
  if (offset != 0) {
    FreeBlock block{};
    std::memcpy(&block, arena_->base() + offset, sizeof block);
    header_.free[size_class] = block.next;
    header_.free_bytes -= size_class_bytes(size_class);
  } else {
    offset = header_.end;
    const uint64_t end = offset + size_class_bytes(size_class);
    if (end > arena_->bytes()) {
      const uint64_t step = std::max(kPageBytes, std::min<uint64_t>(arena_->bytes(), 16 << 20));
      TRY(arena_->grow((end + step - 1) / step * step));
    }
    header_.end = end;
  }
  const BlockHeader header{size_class,
                           static_cast<uint16_t>(record.ns.size()),
                           record.has_vector ? kHasVector : uint16_t{0},
                           static_cast<uint32_t>(record.id.size()),
                           static_cast<uint32_t>(record.metadata_json.size()),
                           record.created_micros,
                           record.expires_micros};
  std::byte* at = arena_->mutate(offset, bytes);
  std::memcpy(at, &header, sizeof header);
  at += sizeof header;
  for (const std::string_view part : {record.ns, record.id, record.metadata_json}) {
    if (!part.empty()) std::memcpy(at, part.data(), part.size());
    at += part.size();
  }
  return offset;
}

void RecordHeap::free(uint64_t offset) {
  FreeBlock block{};
  std::memcpy(&block.size_class, arena_->base() + offset, sizeof block.size_class);
  if (block.size_class >= kClasses) return;  // damaged: leak the block, the scrub reports it
  block.next = header_.free[block.size_class];
  std::memcpy(arena_->mutate(offset, sizeof block), &block, sizeof block);
  header_.free[block.size_class] = offset;
  header_.free_bytes += size_class_bytes(block.size_class);
}

}  // namespace ferres
