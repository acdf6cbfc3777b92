// See record_heap.h. A block does not hold its size: the record in it tells how long it is, and so
// which class it was taken from. A free block begins with the next free block's offset.
#include "collection/record_heap.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/coding.h"
#include "base/size_class.h"
#include "storage/arena_size.h"

namespace ferres {
namespace {

// The upper half of a record's first byte belongs to the time.
constexpr uint8_t kHasVector = 1;
constexpr uint8_t kHasNamespace = 2;
constexpr uint8_t kHasTtl = 4;
constexpr uint8_t kHasMetadata = 8;  // something else than an empty object
constexpr std::string_view kEmptyObject = "{}";

constexpr uint64_t kSecondsMax = (uint64_t{1} << 36) - 1;
constexpr uint64_t kLengthsMax = 5 + (3 * 10) + 8;  // of all that stands before the texts
constexpr uint64_t kBlockBytesMin = 8;              // of a free block's link

using Classes = SizeClasses<RecordHeap::kAlignment, 512, 16>;

uint32_t class_of(uint64_t bytes) {
  return Classes::of(std::max(bytes, kBlockBytesMin));
}

/// What stands before a record's texts.
struct Lengths {
  uint64_t before = 0;  // bytes of this part itself
  uint64_t ns = 0;
  uint64_t id = 0;
  uint64_t metadata = 0;
  uint64_t created_seconds = 0;
  uint64_t expires_micros = 0;
  uint8_t flags = 0;
  uint64_t bytes() const { return before + ns + id + metadata; }
};

/// Nothing unless a record begins at offset and ends within the heap. Verifies what it looks at.
Result<Lengths> read_lengths(const Arena& arena, const Arena::Range& range, uint64_t offset) {
  const auto damaged = [&] {
    return Status(Code::kCorruption, "no record at offset " + std::to_string(offset));
  };
  if (offset < kBlockBytesMin || offset % RecordHeap::kAlignment != 0 || offset >= range.bytes)
    return damaged();
  const uint64_t left = range.bytes - offset;
  TRY(arena.verify(offset, std::min(left, kLengthsMax)));
  Reader reader({range.base + offset, std::min(left, kLengthsMax)});
  const size_t all = reader.remaining();
  Lengths lengths;
  lengths.flags = reader.u8();
  lengths.created_seconds = uint64_t{lengths.flags & 0xF0u} << 28 | reader.u32();
  lengths.id = reader.varint();
  if ((lengths.flags & kHasNamespace) != 0) lengths.ns = reader.varint();
  if ((lengths.flags & kHasMetadata) != 0) lengths.metadata = reader.varint();
  if ((lengths.flags & kHasTtl) != 0) lengths.expires_micros = reader.u64();
  lengths.before = all - reader.remaining();
  if (!reader.ok() || lengths.id > left || lengths.ns > left || lengths.metadata > left ||
      lengths.bytes() > left) {
    return damaged();
  }
  TRY(arena.verify(offset, lengths.bytes()));
  return lengths;
}

}  // namespace

void RecordHeap::prefetch(uint64_t offset) const {
  const Arena::Range range = arena_->range();
  if (offset >= range.bytes) return;
  __builtin_prefetch(range.base + offset);
  __builtin_prefetch(range.base + offset + 64);
}

Result<Record> RecordHeap::read(uint64_t offset) const {
  const Arena::Range range = arena_->range();
  TRY_ASSIGN(const Lengths lengths, read_lengths(*arena_, range, offset));
  const char* text = reinterpret_cast<const char*>(range.base + offset + lengths.before);
  Record record;
  record.ns = {text, lengths.ns};
  record.id = {text + lengths.ns, lengths.id};
  record.metadata_json = (lengths.flags & kHasMetadata) == 0
                             ? kEmptyObject
                             : std::string_view(text + lengths.ns + lengths.id, lengths.metadata);
  record.created_seconds = lengths.created_seconds;
  record.expires_micros = lengths.expires_micros;
  record.has_vector = (lengths.flags & kHasVector) != 0;
  return record;
}

Result<uint64_t> RecordHeap::take_block(uint32_t size_class) {
  uint64_t& first = header_.free[size_class];
  if (first != 0) {
    const uint64_t offset = first;
    TRY(arena_->verify(offset, sizeof(uint64_t)));
    const uint64_t next = load_u64(arena_->base() + offset);
    if (next % RecordHeap::kAlignment != 0 || next >= header_.end) {
      return Status(Code::kCorruption, "the free record at " + std::to_string(offset) +
                                           " names none at " + std::to_string(next));
    }
    first = next;
    header_.free_bytes -= Classes::bytes(size_class);
    return offset;
  }
  const uint64_t offset = header_.end;
  const uint64_t end = offset + Classes::bytes(size_class);
  if (end > arena_->bytes()) {
    const uint64_t step = std::max(kPageBytes, std::min<uint64_t>(arena_->bytes(), 16 << 20));
    TRY(arena_->grow(end <= kPageBytes ? arena_size_for(end) : (end + step - 1) / step * step));
  }
  header_.end = end;
  return offset;
}

Result<uint64_t> RecordHeap::write(const Record& record) {
  const uint64_t created = std::min(record.created_seconds, kSecondsMax);
  uint8_t flags = record.has_vector ? kHasVector : 0;
  if (!record.ns.empty()) flags |= kHasNamespace;
  if (record.expires_micros != 0) flags |= kHasTtl;
  const bool has_metadata = record.metadata_json != kEmptyObject;
  if (has_metadata) flags |= kHasMetadata;

  std::string packed;
  put_u8(packed, static_cast<uint8_t>(flags | (created >> 32 << 4)));
  put_u32(packed, static_cast<uint32_t>(created));
  put_varint(packed, record.id.size());
  if (!record.ns.empty()) put_varint(packed, record.ns.size());
  if (has_metadata) put_varint(packed, record.metadata_json.size());
  if (record.expires_micros != 0) put_u64(packed, record.expires_micros);
  packed += record.ns;
  packed += record.id;
  if (has_metadata) packed += record.metadata_json;

  const uint32_t size_class = class_of(packed.size());
  CHECK(size_class < kClasses);
  TRY_ASSIGN(const uint64_t offset, take_block(size_class));
  packed.resize(Classes::bytes(size_class));  // nothing stays of a longer record before it
  std::memcpy(arena_->mutate(offset, packed.size()), packed.data(), packed.size());
  return offset;
}

void RecordHeap::free(uint64_t offset) {
  const auto lengths = read_lengths(*arena_, arena_->range(), offset);
  if (!lengths.ok()) return;  // damaged: leak the block, the scrub reports it
  const uint32_t size_class = class_of(lengths->bytes());
  if (size_class >= kClasses) return;
  store_u64(arena_->mutate(offset, sizeof(uint64_t)), header_.free[size_class]);
  header_.free[size_class] = offset;
  header_.free_bytes += Classes::bytes(size_class);
}

void RecordHeap::erase_free() {
  for (uint32_t size_class = 0; size_class < kClasses; ++size_class) {
    const uint64_t bytes = Classes::bytes(size_class);
    for (uint64_t offset = header_.free[size_class]; offset != 0;) {
      if (!arena_->verify(offset, sizeof(uint64_t)).ok()) break;  // the scrub reports it
      const uint64_t next = load_u64(arena_->base() + offset);
      if (next % kAlignment != 0 || next >= header_.end) break;
      if (bytes > sizeof next) {
        std::memset(arena_->mutate(offset + sizeof next, bytes - sizeof next), 0,
                    bytes - sizeof next);
      }
      offset = next;
    }
  }
}

}  // namespace ferres
