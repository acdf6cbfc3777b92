// PolarQuant: a vector as one f32 radius and angles on fixed boundaries, by the recursive pairwise
// transform of I. Han et al., "PolarQuant: Quantizing KV Caches with Polar Transformation" (arXiv
// 2502.02617). Pairs of components become a length and an angle in [0, 2 pi); pairs of lengths a
// length and an angle in [0, pi / 2], and so on up to the radius. No calibration: the boundaries
// are the same for every collection. Decoded angles are the middles of their intervals.
//
// Each length above the leaves is that of the vector's projection on what its angles will decode
// to, so the angle above makes up for what the quantization below has lost.
//
// A code: dim angles of `bits` bits (the last is unused), packed as in kernels/codes.h, level by
// level from the leaves, in the order of kernels/polar.h; then the radius.
// Any thread. dim is a multiple of 16 up to 4096, bits are 1 to 8.
#pragma once
#include <memory>

#include "kernels/polar.h"
#include "quant/quantizer.h"

namespace ferres {

constexpr uint32_t polar_code_bytes(uint32_t dim, uint32_t bits) {
  return dim * bits / 8 + static_cast<uint32_t>(sizeof(float));
}
void polar_encode(const float* vector, uint32_t dim, uint32_t bits, std::byte* code);
void polar_decode(const std::byte* code, uint32_t dim, uint32_t bits, float* vector);
/// The distance from a query to what the code decodes to, evaluated over the tree of angles without
/// decoding. The code can be read to the next multiple of 64 bytes.
float polar_distance_asymmetric(CodeMetric metric, const float* query, const std::byte* code,
                                uint32_t dim, uint32_t bits);
/// Of `bits`; for tests and benchmarks of the kernel.
const PolarTables& polar_tables(uint32_t bits);

std::unique_ptr<Quantizer> make_polar(const QuantizerSpec& spec, CodeMetric metric, uint32_t dim);

}  // namespace ferres
