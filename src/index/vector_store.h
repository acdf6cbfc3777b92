// The full vectors of one vector field, by slot, as they were sent or in a shorter form
// (row_format.h), in an arena of the points store that is in memory or stays on disk; and the
// distance from a prepared query to a slot. Lower is nearer for every metric:
//   cosine     1 - cos(q, v)      (0 .. 2)
//   dot        -q.v            (an answer says 1 - q.v, in which small products would be lost)
//   euclidean  |q - v|^2          (squared: the collection takes the root for scores)
// For cosine, 1/|v| is kept beside the vectors (4 bytes a point): stored vectors stay untouched.
// Readers hold an EpochGuard; put() is the lane's.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/types.h"
#include "index/row_format.h"
#include "storage/page_store.h"

namespace ferres {

enum class Metric : uint8_t { kCosine, kDot, kEuclidean };

/// A query ready for distances: normalised for cosine, else as given.
struct PreparedQuery {
  std::vector<float> values;
};

/// How vectors are kept. Constant for a store.
struct VectorPlace {
  RowFormat format = RowFormat::kF32;
  Residency residency = Residency::kMemory;
};

/// Addresses for one search, taken once under its guard.
struct VectorView {
  const std::byte* rows = nullptr;       // slot s: rows + s * stride
  const float* inverse_norms = nullptr;  // cosine only
  uint32_t stride = 0;                   // bytes
  uint32_t dim = 0;
  Slot slots = 0;  // readable slots; never follow one at or beyond
  Metric metric = Metric::kCosine;
  RowFormat format = RowFormat::kF32;

  const std::byte* row(Slot slot) const { return rows + size_t{slot} * stride; }
  /// The vector as floats: where it is, or decoded into memory of this thread, one row for each of
  /// kPlaces places, valid until the place is used again.
  const float* floats(Slot slot, size_t place = 0) const {
    if (format == RowFormat::kF32) return reinterpret_cast<const float*>(row(slot));
    return decode(slot, place);
  }
  static constexpr size_t kPlaces = 9;  // of a batch of 8 and the one that is compared with them

 private:
  const float* decode(Slot slot, size_t place) const;
};

class VectorStore {
 public:
  /// first_arena and first_arena + 1 are its arena ids in the points store.
  static Result<std::unique_ptr<VectorStore>> open(PageStore& points, uint32_t first_arena,
                                                   Metric metric, uint32_t dim,
                                                   VectorPlace place = {});
  uint32_t dim() const { return dim_; }
  Metric metric() const { return metric_; }
  const VectorPlace& place() const { return place_; }

  /// Lane: stores the vector of a slot, growing as needed. vector.size() == dim().
  Status put(Slot slot, std::span<const float> vector);

  /// Lane: what another store of the same dimension, metric and place keeps for its slot `from`.
  Status copy(Slot slot, const VectorStore& other, Slot from);

  /// Lane: overwrites the vector of a slot that nobody reads any more.
  void erase(Slot slot);

  VectorView view() const;
  PreparedQuery prepare(std::span<const float> query) const;
  /// The same in memory that the caller keeps.
  void prepare(std::span<const float> query, PreparedQuery& prepared) const;
  /// The vector as sent, or as near as the format comes; the slot must be below view().slots.
  std::vector<float> get(Slot slot) const;
  /// Rows that somebody asked for and that will be read soon: where they stay on disk, the disk is
  /// asked for all of them before the first is waited for. Of kTiered it is noted that they are
  /// used.
  void ask_for(std::span<const Slot> slots) const {
    if (place_.residency == Residency::kDisk) ask_the_disk(slots);
    if (place_.residency == Residency::kTiered) use(slots);
  }
  /// So much was read from the disk since the last release() that it should leave memory.
  bool release_due() const;
  /// Lane.
  void release();

  // ---- kTiered
  /// Any thread: the time, for what is used from now on.
  void set_minute(uint32_t minute) const { minute_.store(minute, std::memory_order_relaxed); }
  /// Where the page is on which the slot's row begins; the slot is below view().slots.
  Tier tier(Slot slot) const { return rows_->tier(uint64_t{slot} * stride_); }
  TierBytes tier_bytes() const { return rows_->tier_bytes(); }
  /// Lane: as Arena::begin_moves and Arena::move_some.
  void begin_moves(const TierPolicy& policy, uint32_t minute) {
    rows_->begin_moves(policy, minute);
  }
  bool move_some(uint64_t max_bytes) { return rows_->move_some(max_bytes); }

  /// Checks the page checksums behind a slot's vector after opening (Arena::verify).
  Status verify(Slot slot) const;
  bool all_verified() const;
  uint64_t memory_bytes() const;

 private:
  VectorStore(PageStore& points, Arena* rows, Arena* norms, Metric metric, uint32_t dim,
              VectorPlace place);
  PageStore& points_;
  Arena* rows_;
  Arena* norms_;  // null unless cosine
  Metric metric_;
  uint32_t dim_;
  VectorPlace place_;
  uint32_t stride_;
  void ask_the_disk(std::span<const Slot> slots) const;
  void use(std::span<const Slot> slots) const;
  mutable std::atomic<uint64_t> asked_bytes_{0};
  mutable std::atomic<uint32_t> minute_{0};
};

/// Asks for the start of a row that will be needed soon. Two cache lines, never the whole row: the
/// CPU's own prefetcher follows from there, and asking for all of a 384-d row was slower than
/// asking for nothing.
inline void prefetch_row(const VectorView& view, Slot slot) {
  const std::byte* const row = view.row(slot);
  __builtin_prefetch(row);
  __builtin_prefetch(row + 64);
}
/// All of a row that will be needed at once, with others like it.
inline void prefetch_whole_row(const VectorView& view, Slot slot) {
  const std::byte* const row = view.row(slot);
  for (uint32_t i = 0; i < view.stride; i += 64)
    __builtin_prefetch(row + i);
}
/// Distances from the query to `count` slots (each < view.slots), batched; prefetches within the
/// call.
void distances(const VectorView& view, const PreparedQuery& query, const Slot* slots, size_t count,
               float* out);
/// Distance between two stored vectors.
float distance_between(const VectorView& view, Slot a, Slot b);

}  // namespace ferres
