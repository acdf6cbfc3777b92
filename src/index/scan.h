// A bounded scan that takes its slots in pieces: the flat index feeds it from a bitmap,
// scan_slots() from a list. One thread; the caller holds an EpochGuard.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/types.h"
#include "index/ann_index.h"
#include "index/vector_store.h"

namespace ferres {

class Scan {
 public:
  /// Collects the k nearest in `hits`, which it clears. Everything given outlives the scan.
  Scan(const VectorStore& vectors, const PreparedQuery& query, uint32_t k, const SlotFilter& filter,
       std::vector<Hit>& hits);

  /// Scores the admitted ones of `slots`. Slots without a vector are passed over.
  Status add(std::span<const Slot> slots);
  /// Puts the hits in order.
  void finish();

  uint64_t scored() const { return scored_; }
  uint64_t rejected() const { return rejected_; }

 private:
  static constexpr size_t kChunk = 64;

  void score(const Slot* slots, size_t count);

  const VectorStore& vectors_;
  const PreparedQuery& query_;
  const uint32_t k_;
  const SlotFilter& filter_;
  std::vector<Hit>& hits_;  // a heap, farthest on top, until finish()
  const VectorView view_;
  const bool unverified_;
  uint64_t scored_ = 0;
  uint64_t rejected_ = 0;
};

}  // namespace ferres
