// Sums and limits that the quantizers share. Any thread.
//
// Limits: a quantizer takes any finite vector and never answers NaN. So a squared length counts as
// at most kFar, a component below kTiny as zero (its inverse must be a float), and a query
// longer than kLong as that long.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>

#include "quant/quantizer.h"

namespace ferres {

inline constexpr size_t kCodeBatch = 64;  // codes a kernel is called with at most
inline constexpr float kFar = 1e30f;
inline constexpr float kTiny = 1e-30f;
inline constexpr float kLong = 1e15f;

/// Sixteen sums side by side, folded at the end: quick without being told how, and the same bits
/// everywhere.
template <class Term>
float sum_of(size_t n, Term&& term) {
  float sums[16] = {};
  for (size_t i = 0; i < n; i += 16) {
    for (size_t j = 0; j < 16; ++j)
      sums[j] += term(i + j);
  }
  for (size_t width = 8; width > 0; width /= 2) {
    for (size_t j = 0; j < width; ++j)
      sums[j] += sums[j + width];
  }
  return sums[0];
}

inline float squared_norm(const float* v, size_t dim) {
  const float sum = sum_of(dim, [v](size_t i) { return v[i] * v[i]; });
  return sum < kFar ? sum : kFar;  // NaN too
}

/// The largest magnitude of a component, NaN left out.
inline float largest(const float* v, size_t dim) {
  float most[16] = {};
  for (size_t i = 0; i < dim; i += 16) {
    for (size_t j = 0; j < 16; ++j) {
      const float magnitude = std::fabs(v[i + j]);
      most[j] = magnitude > most[j] ? magnitude : most[j];
    }
  }
  return *std::max_element(most, most + 16);
}

/// `steps` / most, or 0 when a vector whose largest component is `most` counts as zero.
inline float inverse_of(float most, float steps) {
  return std::isfinite(most) && most >= kTiny ? steps / most : 0;
}

inline float finish_distance(CodeMetric metric, float query_norm, float code_norm, float product) {
  return metric == CodeMetric::kL2 ? query_norm + code_norm - 2 * product : -product;
}

/// v as a query of 15 bits a component: whole, high, low, scale and whole_sum.
void split_query(const float* v, uint32_t dim, CodeQuery& query);

}  // namespace ferres
