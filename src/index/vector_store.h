// The full vectors of one vector field, by slot, exactly as they were sent, in an arena of the
// points store; and the distance from a prepared query to a slot. Lower is nearer for every metric:
//   cosine     1 - cos(q, v)      (0 .. 2)
//   dot        1 - q.v
//   euclidean  |q - v|^2          (squared: the collection takes the root for scores)
// For cosine, 1/|v| is kept beside the vectors (4 bytes a point): stored vectors stay untouched.
// Readers hold an EpochGuard; put() is the lane's.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/types.h"
#include "storage/page_store.h"

namespace ferres {

enum class Metric : uint8_t { kCosine, kDot, kEuclidean };

/// A query ready for distances: normalised for cosine, else as given.
struct PreparedQuery {
  std::vector<float> values;
};

/// Addresses for one search, taken once under its guard.
struct VectorView {
  const float* rows = nullptr;           // slot s: rows + s * stride
  const float* inverse_norms = nullptr;  // cosine only
  uint32_t stride = 0;                   // floats
  uint32_t dim = 0;
  Slot slots = 0;  // readable slots; never follow one at or beyond
  Metric metric = Metric::kCosine;

  const float* row(Slot slot) const { return rows + size_t{slot} * stride; }
};

class VectorStore {
 public:
  /// first_arena and first_arena + 1 are its arena ids in the points store.
  static Result<std::unique_ptr<VectorStore>> open(PageStore& points, uint32_t first_arena,
                                                   Metric metric, uint32_t dim);
  uint32_t dim() const { return dim_; }
  Metric metric() const { return metric_; }

  /// Lane: stores the vector of a slot, growing as needed. vector.size() == dim().
  Status put(Slot slot, std::span<const float> vector);

  VectorView view() const;
  PreparedQuery prepare(std::span<const float> query) const;
  /// The same in memory that the caller keeps.
  void prepare(std::span<const float> query, PreparedQuery& prepared) const;
  /// The vector as sent; the slot must be below view().slots.
  std::span<const float> get(Slot slot) const;
  /// Checks the page checksums behind a slot's vector after opening (Arena::verify).
  Status verify(Slot slot) const;
  bool all_verified() const;
  uint64_t memory_bytes() const;

 private:
  VectorStore(Arena* rows, Arena* norms, Metric metric, uint32_t dim);
  Arena* rows_;
  Arena* norms_;  // null unless cosine
  Metric metric_;
  uint32_t dim_;
  uint32_t stride_;
};

/// Asks for the start of a row that will be needed soon. Two cache lines, never the whole row: the
/// CPU's own prefetcher follows from there, and asking for all of a 384-d row was slower than
/// asking for nothing.
inline void prefetch_row(const VectorView& view, Slot slot) {
  const float* const row = view.row(slot);
  __builtin_prefetch(row);
  __builtin_prefetch(row + 16);
}
/// All of a row that will be needed at once, with others like it.
inline void prefetch_whole_row(const VectorView& view, Slot slot) {
  const float* const row = view.row(slot);
  for (uint32_t i = 0; i < view.dim; i += 16)
    __builtin_prefetch(row + i);
}
/// Distances from the query to `count` slots (each < view.slots), batched; prefetches within the
/// call.
void distances(const VectorView& view, const PreparedQuery& query, const Slot* slots, size_t count,
               float* out);
/// Distance between two stored vectors.
float distance_between(const VectorView& view, Slot a, Slot b);

}  // namespace ferres
