// A random rotation: it spreads what a vector says over all its components, so that codes with one
// scale for all of them lose little, and the signs of a rotated difference say much (RaBitQ,
// arXiv 2405.12497). Four rounds of random signs and a Hadamard transform over the first, then the
// last 2^n components, O(d log d): after N. Ailon and B. Chazelle (fast Johnson-Lindenstrauss,
// 2009) and QuIP# (arXiv 2402.04396). Lengths and inner products stay. Immutable, any thread; the
// same numbers on every machine.
#pragma once
#include <cstdint>

#include "base/aligned.h"

namespace ferres {

class Rotation {
 public:
  /// For vectors of `dim` >= 1 components, padded with zeros to padded_dim(), a multiple of 16.
  explicit Rotation(uint32_t dim);
  uint32_t dim() const { return dim_; }
  uint32_t padded_dim() const { return padded_; }
  static uint32_t pad(uint32_t dim) { return (dim + 15) / 16 * 16; }

  /// In place: x has padded_dim() components, those beyond dim() are zero.
  void apply(float* x) const;
  /// The way back.
  void invert(float* x) const;

 private:
  static constexpr uint32_t kRounds = 4;
  float* segment(float* x, uint32_t round) const;

  uint32_t dim_;
  uint32_t padded_;
  uint32_t segment_ = 16;       // the largest power of two within padded_
  AlignedVector<float> signs_;  // kRounds x segment_
  AlignedVector<float> ones_;
};

}  // namespace ferres
