// The one-bit codes that a block of the graph carries of its neighbours: for each lane the signs of
// (neighbour - node) in the rotated space, and two factors, so that the distance from a query to
// the neighbour is estimated from the query's distance to the node without touching the neighbour.
// After Y. Gou et al., SymphonyQG (arXiv 2411.12229). The format of a group of 32 lanes, as bytes
// in a block: 32 floats base, 32 floats slope, 4 * dim bytes of signs (kernels/codes.h).
// Any thread; writing a lane is the graph's affair.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/aligned.h"
#include "kernels/codes.h"
#include "quant/quantizer.h"

namespace ferres {

constexpr size_t lane_group_bytes(uint32_t padded_dim) {
  return 2 * kLaneGroup * sizeof(float) + size_t{4} * padded_dim;
}

inline LaneBlock lane_block(const std::byte* group) {
  const auto* const factors = reinterpret_cast<const float*>(group);
  return {reinterpret_cast<const uint8_t*>(factors + 2 * kLaneGroup), factors,
          factors + kLaneGroup};
}

/// A query's look-up tables, in memory that its thread keeps between queries.
class LaneTables {
 public:
  /// `query`: padded_dim floats in the rotated space.
  void prepare(const float* query, uint32_t padded_dim);
  LaneQuery query() const { return {tables_.data(), scale_, bias_}; }

 private:
  AlignedVector<uint8_t> tables_;
  float scale_ = 0;
  float bias_ = 0;
};

/// Writes lane `lane` (below 32) of a group: the neighbour at `to`, seen from the node at `from`.
void encode_lane(CodeMetric metric, const float* from, const float* to, uint32_t padded_dim,
                 uint32_t lane, std::byte* group);
/// Multiplies what a lane adds to the query's distance, for spaces with another unit.
void scale_lane(uint32_t lane, float factor, std::byte* group);
/// Copies a lane of one group to a lane of a group.
void copy_lane(const std::byte* from_group, uint32_t from_lane, std::byte* to_group,
               uint32_t to_lane, uint32_t padded_dim);

}  // namespace ferres
