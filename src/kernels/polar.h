// Inner products with vectors that are given as angles (quant/polar.h), evaluated over the tree of
// angles from its leaves up, without decoding. A level with n nodes has h = (n + 1) / 2 nodes above
// it: node i < n / 2 is cos(a) * node i + sin(a) * node i + h, and with an odd n the one in the
// middle goes up as it is. So every level is contiguous, and no shuffle is needed.
// Same bits on every ISA. Thread-safe: pure functions, constant tables.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ferres {

/// Cosines and sines of the angles (index + 1/2) * step. `cosine` and `sine` are for look-ups in
/// memory; for those in registers index = 16 * high + low, and with one rounding less than usual
///   cosine = fma(high_cosine, low_cosine, -(high_sine * low_sine))
///   sine   = fma(high_sine, low_cosine, high_cosine * low_sine)
struct PolarLevel {
  alignas(64) float cosine[256];
  alignas(64) float sine[256];
  alignas(64) float high_cosine[16];
  alignas(64) float high_sine[16];
  alignas(64) float low_cosine[16];
  alignas(64) float low_sine[16];
};
struct PolarTables {
  PolarLevel first;  // over the whole circle
  PolarLevel upper;  // over its first quarter: lengths are not negative
};

inline constexpr size_t kPolarDimMax = 4096;

}  // namespace ferres
