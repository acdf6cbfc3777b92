// See lanes.h. With c the node, x the neighbour, d = x - c, s its signs and f = |d|^2 / sum |d|,
// the unbiased scale of the signs:
//   |q - x|^2 = |q - c|^2 + |d|^2 - 2 (q - c).d ~ |q - c|^2 + (|d|^2 + 2 f s.c) - 2 f s.q
//   -q.x      = -q.c - q.d                      ~ -q.c - f s.q
#include "quant/lanes.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace ferres {
namespace {

constexpr size_t kGroupBytes = 16;
constexpr float kTableMax = 255;
constexpr float kSumMax = 65000;  // of 16 bits, less the rounding of each table entry

size_t byte_of(uint32_t lane) {
  const uint32_t half = lane & 15;
  return half < 8 ? 2 * half : 2 * (half - 8) + 1;
}
uint32_t shift_of(uint32_t lane) {
  return (lane & 16) != 0 ? 4 : 0;
}

}  // namespace

void LaneTables::prepare(const float* query, uint32_t padded_dim) {
  float fours[4] = {};  // side by side: one sum would wait for its own last addition
  float most = 0;
  for (size_t i = 0; i < padded_dim; i += 16) {
    for (size_t j = 0; j < 4; ++j) {
      const float* const q = query + i + 4 * j;
      const float four = std::fabs(q[0]) + std::fabs(q[1]) + std::fabs(q[2]) + std::fabs(q[3]);
      most = std::max(most, four);
      fours[j] += four;
    }
  }
  const float all = (fours[0] + fours[1]) + (fours[2] + fours[3]);
  float scale = 0;
  if (std::isfinite(all) && all > 1e-20f) {
    scale =
        std::min(kTableMax / (2 * most), (kSumMax - static_cast<float>(padded_dim)) / (2 * all));
  }
  scale_ = scale > 0 ? 1 / scale : 0;
  // Too large to estimate by: NaN lets every lane pass.
  bias_ = std::isfinite(all) ? -all : std::numeric_limits<float>::quiet_NaN();
  tables_.resize(size_t{4} * padded_dim);
  code_kernels().lane_tables(query, padded_dim, scale, tables_.data());
}

void encode_lane(CodeMetric metric, const float* from, const float* to, uint32_t padded_dim,
                 uint32_t lane, std::byte* group) {
  auto* const factors = reinterpret_cast<float*>(group);
  auto* const codes = reinterpret_cast<uint8_t*>(factors + 2 * kLaneGroup);
  const LaneSums sums = code_kernels().encode_lane(from, to, padded_dim, lane, codes);
  const float f = sums.absolute > 0 ? sums.squared / sums.absolute : 0;
  if (metric == CodeMetric::kL2) {
    factors[lane] = sums.squared + 2 * f * sums.from_signed;
    factors[kLaneGroup + lane] = -2 * f;
  } else {
    factors[lane] = 0;
    factors[kLaneGroup + lane] = -f;
  }
}

void scale_lane(uint32_t lane, float factor, std::byte* group) {
  auto* const factors = reinterpret_cast<float*>(group);
  factors[lane] *= factor;
  factors[kLaneGroup + lane] *= factor;
}

void copy_lane(const std::byte* from_group, uint32_t from_lane, std::byte* to_group,
               uint32_t to_lane, uint32_t padded_dim) {
  const auto* const from = reinterpret_cast<const float*>(from_group);
  auto* const to = reinterpret_cast<float*>(to_group);
  to[to_lane] = from[from_lane];
  to[kLaneGroup + to_lane] = from[kLaneGroup + from_lane];
  const auto* source = reinterpret_cast<const uint8_t*>(from + 2 * kLaneGroup) + byte_of(from_lane);
  auto* target = reinterpret_cast<uint8_t*>(to + 2 * kLaneGroup) + byte_of(to_lane);
  const auto keep = static_cast<uint8_t>(~(15u << shift_of(to_lane)));
  for (uint32_t i = 0; i < padded_dim; i += 4, source += kGroupBytes, target += kGroupBytes) {
    const uint32_t bits = (*source >> shift_of(from_lane)) & 15;
    *target = static_cast<uint8_t>((*target & keep) | (bits << shift_of(to_lane)));
  }
}

}  // namespace ferres
