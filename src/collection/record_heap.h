// The record heap: what a point has beside its vectors (storage id, times, metadata JSON), each in
// one block of an arena of the points store. A record is packed: absent fields take a bit, lengths
// a varint, and blocks come in fine size classes (2-byte steps to 512, then sixteen a doubling),
// because most points are a short id with a few fields. A freed block waits in its class's list and
// is given out again, so updates do not grow the files. Layout: docs/formats.md.
//
// One lane allocates and frees; readers under an EpochGuard read blocks they found through a
// visible slot: the lane frees a block only after an epoch has passed.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

#include "base/status.h"
#include "base/types.h"
#include "storage/arena.h"

namespace ferres {

/// One record, as views into the arena (valid under the guard) or into what is to be written.
struct Record {
  std::string_view ns;  // empty: none
  std::string_view id;
  std::string_view metadata_json;
  uint64_t created_seconds = 0;  // since 1970; kept in 36 bits
  uint64_t expires_micros = 0;   // 0: never
  bool has_vector = false;
};

class RecordHeap {
 public:
  static constexpr uint64_t kAlignment = 2;  // of an offset
  static constexpr size_t kClasses = 640;
  /// What a checkpoint keeps beside the arena.
  struct Header {
    uint64_t end = 8;  // first byte never given out; 0 means "no record"
    uint64_t free_bytes = 0;
    std::array<uint64_t, kClasses> free{};  // first free block of each class; 0: none
  };

  RecordHeap(Arena& arena, const Header& header) : arena_(&arena), header_(header) {}

  /// Any thread, under a guard. kCorruption when the block is damaged.
  Result<Record> read(uint64_t offset) const;
  /// Asks the memory for the start of a record that will be read soon.
  void prefetch(uint64_t offset) const;
  uint64_t memory_bytes() const { return arena_->memory_bytes(); }

  // ---- the lane only
  const Header& header() const { return header_; }
  /// Returns the record's offset, a multiple of kAlignment.
  Result<uint64_t> write(const Record& record);
  void free(uint64_t offset);
  /// Overwrites what free blocks still hold.
  void erase_free();

 private:
  Result<uint64_t> take_block(uint32_t size_class);
  Arena* arena_;
  Header header_;
};

}  // namespace ferres
