// Where searches enter the graph: a sample of its points, each with the one-bit code of its vector
// seen from the origin of the rotated space. A search scans all codes, a few tens of kilobytes that
// stay in the CPU's cache, and starts its walk at the points that seem nearest. This takes the
// place of HNSW's upper levels, whose every step waits for memory that the step before chose.
//
// Below kSignsSayEnough dimensions a sign of each says too little: walks would start anywhere, and
// where clusters have no edges between them never see the one they look for. Such short vectors
// stand in the table themselves and take no more bytes than the signs of long ones.
//
// One in `every` additions becomes an entry. When the table is full every second entry goes and
// `every` doubles, so that the sample stays even, whatever the order of arrival was.
//
// Arena: an EntryHeader, then blocks of 32 entries: EntryBlock, and from the next cache line on one
// group of lane codes (quant/lanes.h) or of vectors (LaneValues of kernels/codes.h: 32 floats base,
// then the values). A block's sequence is odd while the lane changes it.
//
// Threads: EntryView on any thread, under an EpochGuard; the rest is the lane's.
#pragma once
#include <cstdint>

#include "base/aligned.h"
#include "base/status.h"
#include "base/types.h"
#include "index/pool.h"
#include "index/space.h"
#include "quant/lanes.h"
#include "storage/page_store.h"

namespace ferres {

struct EntryHeader {
  uint32_t count = 0;  // shared
  uint32_t every = 0;
  uint32_t unused[14] = {};
};

struct EntryBlock {
  uint32_t sequence = 0;
  uint32_t unused = 0;
  Slot slots[kLaneGroup] = {};
};

inline constexpr uint32_t kSignsSayEnough = 64;

/// The table as a search sees it.
struct EntryView {
  const std::byte* base = nullptr;  // of the arena; null: no entry was ever made
  uint32_t count_max = 0;           // entries that may be read
  uint32_t dim = 0;

  /// Offers entries to a pool, which keeps those that seem nearest. What they seem to be away is
  /// comparable with each other only.
  void scan(const SpaceQuery& query, Pool& nearest) const;
};

class EntryTable {
 public:
  /// kCorruption when what the store holds is damaged or of another dimension.
  static Result<EntryTable> open(PageStore& store, uint32_t arena_id, const Space& space);

  EntryView view() const;
  uint32_t size() const;
  uint64_t memory_bytes() const { return arena_->memory_bytes(); }

  // ---- the lane only
  /// Makes the slot an entry when it is the turn of that number: one in `every` numbers.
  Status added(Slot slot, uint64_t number);
  /// Takes the slot out, if it is in.
  void removed(Slot slot);
  bool contains(Slot slot) const { return find(slot) != size(); }

 private:
  EntryTable(Arena* arena, const Space& space);

  uint32_t find(Slot slot) const;
  void write(uint32_t lane, Slot slot, std::byte* group);
  EntryHeader& edit_header();
  EntryBlock& edit_block(uint32_t number);
  void copy(uint32_t from, uint32_t to);
  void set_count(uint32_t count);
  void thin();

  Arena* arena_;
  const Space* space_;
  uint32_t block_bytes_;
  AlignedVector<float> origin_;
  AlignedVector<float> rotated_;
};

}  // namespace ferres
