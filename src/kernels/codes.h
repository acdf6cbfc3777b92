// Kernels on quantized vectors, one table per instruction set, chosen together with the distances
// of distance.h. Every ISA gives the same bits: codes are summed as integers, floats are combined
// element by element in the same order, and kernels/ is compiled without contraction to FMA.
//
// Conventions. `dim` is a multiple of 16 (a Rotation pads to that). Codes, planes and tables start
// on 64 bytes and may be read to the next multiple of 64; what a query holds beyond `dim` is zero,
// so whatever a code holds there does not count. Sums fit 32 bits: see SplitQuery.
// Thread-safe: pure functions. no_sanitize_thread is explained at LaneBlock.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/polar.h"

namespace ferres {

/// A query of 15 bits a component: whole = 128 * high + low, |low| <= 64. The makers bound |whole|
/// by split_max(dim), so that no sum over codes of +-127 leaves 32 bits.
struct SplitQuery {
  const int16_t* whole = nullptr;
  const int8_t* high = nullptr;
  const int8_t* low = nullptr;
};
constexpr int32_t split_max(size_t dim) {
  const auto most = static_cast<int32_t>(2'000'000'000 / (127 * dim));
  return most < 16000 ? most : 16000;
}

/// 32 lanes of one block: the signs of (neighbour - node) in the rotated space, interleaved for
/// look-ups of four dimensions at a time (16 bytes: lanes 0-15 in the low nibbles, 16-31 in the
/// high ones, even bytes before odd), and per lane what turns the sum of signs into a distance.
///
/// Searches scan a block while the lane may be changing it, and look at the block's sequence
/// afterwards: what was read in between is thrown away then. That is a race by the letter of the
/// language, so the scan is the one function that ThreadSanitizer does not instrument.
struct LaneBlock {
  const uint8_t* codes = nullptr;  // 4 * dim bytes
  const float* base = nullptr;     // 32 floats
  const float* slope = nullptr;    // 32 floats
};
/// estimate(lane) = distance + base[lane] + slope[lane] * (bias + scale * sum of look-ups)
struct LaneQuery {
  const uint8_t* tables = nullptr;  // 4 * dim bytes: 16 for each four dimensions
  float scale = 0;
  float bias = 0;
};
struct LaneLimit {
  float distance = 0;  // the query's to the node
  float limit = 0;
};
inline constexpr size_t kLaneGroup = 32;
/// 32 lanes whose vectors themselves lie side by side, where signs would say too little; read like
/// a LaneBlock.
struct LaneValues {
  const float* values = nullptr;  // 32 * dim: component j of lane i at 32 j + i
  const float* base = nullptr;    // 32 floats
};

/// Sums over a difference d = to - from: of |d|, of d^2, and of from with the signs of d.
struct LaneSums {
  float absolute = 0;
  float squared = 0;
  float from_signed = 0;
};

/// Packed codes: `bits` a component in dim * bits / 8 bytes. The bits that make up `bits` are parts
/// one after another, the high ones first: 7 bits are a part of 4, one of 2 and one of 1. A part of
/// w bits has dim * w / 8 bytes, of which byte j holds the components j, j + bytes, j + 2 *
/// bytes..., from its low bits up: so 64 components at a time need a shift and a mask, and no
/// shuffle. Unlike other codes they are not read beyond their end.
constexpr size_t packed_bytes(size_t dim, uint32_t bits) {
  return dim * bits / 8;
}

/// A component on a grid of 2^bits values around zero: code = floor(v * inverse) + 2^(bits - 1),
/// cut to the grid, and stands for code - (2^bits - 1) / 2.
struct GridSums {
  float along = 0;    // sum of (v * inverse) * (code - middle)
  float squared = 0;  // sum of (code - middle)^2
};

struct CodeKernels {
  /// out[i] = sum of query[j] * rows[i][j], codes u8, modulo 2^32.
  void (*dot_u8)(const SplitQuery& query, const uint8_t* const* rows, size_t count, size_t dim,
                 int32_t* out);
  /// out[i] = sum of from[j] * (rows[i][j] - 128): codes against codes.
  void (*dot_u8_codes)(const uint8_t* from, const uint8_t* const* rows, size_t count, size_t dim,
                       int32_t* out);
  /// out[i] = sum of query[j] * component j of rows[i]: packed codes of 1 to 7 bits. The query can
  /// be read 64 bytes beyond its end.
  void (*dot_packed)(const int8_t* query, const uint8_t* const* rows, size_t count, size_t dim,
                     uint32_t bits, int32_t* out);
  /// The components of a packed code of 1 to 8 bits, a byte each.
  void (*unpack)(const uint8_t* code, size_t dim, uint32_t bits, uint8_t* out);
  /// A code of 1 to 7 bits as a query: out[j] = 2 * component j - (2^bits - 1). Returns their sum.
  int32_t (*unpack_centred)(const uint8_t* code, size_t dim, uint32_t bits, int8_t* out);
  /// Bit i: the estimate of lane i is not above the limit; NaN is above none, infinity not above
  /// infinity: what cannot be estimated is scored. `estimates` takes all 32.
  uint32_t (*filter_lanes)(const LaneBlock& block, const LaneQuery& query, size_t dim,
                           const LaneLimit& limit, float* estimates);
  /// The same with distances[i] = base[i] - sum of query[j] * component j of lane i.
  uint32_t (*score_lanes)(const LaneValues& lanes, const float* query, size_t dim, float limit,
                          float* distances);
  /// Writes the signs of to - from into a lane's bits and returns its sums.
  LaneSums (*encode_lane)(const float* from, const float* to, size_t dim, uint32_t lane,
                          uint8_t* codes);
  /// tables[16 g + bits] = round(scale * (sum over the four of +-query, + if the bit is set, + a)),
  /// where a is the sum of their magnitudes; between 0 and 255, and 0 for what is no number.
  void (*lane_tables)(const float* query, size_t dim, float scale, uint8_t* tables);
  /// whole = round(query * factor), and its two planes; 0 for what is no number.
  void (*split)(const float* query, size_t dim, float factor, int16_t* whole, int8_t* high,
                int8_t* low);
  /// The sums of v's code on a grid (GridSums); NaN has the lowest code.
  GridSums (*grid_sums)(const float* v, size_t dim, float inverse, uint32_t bits);
  /// v's code on a grid, a byte a component.
  void (*grid_codes)(const float* v, size_t dim, float inverse, uint32_t bits, uint8_t* codes);
  /// out[j] = scale * (code[j] - middle).
  void (*decode_u8)(const uint8_t* code, size_t dim, float scale, float middle, float* out);
  /// x = H(x * signs) * scale in place, H the Hadamard transform; n a power of two, >= 16.
  void (*hadamard)(float* x, const float* signs, size_t n, float scale);
  /// The query's inner product with the unit vector of these dim - 1 angles (polar.h), of which 16
  /// more bytes can be read; dim at most kPolarDimMax.
  float (*polar_dot)(const PolarTables& tables, const float* query, const uint8_t* angles,
                     size_t dim);
};

/// The table in force: that of kernels().isa.
const CodeKernels& code_kernels();

}  // namespace ferres
