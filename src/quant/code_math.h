// Sums and limits that the quantizers share. Any thread.
//
// Limits: a quantizer takes any finite vector and never answers NaN. So a squared length counts as
// at most kFar, a component below kTiny as zero (its inverse must be a float), and a
// component of a query beyond kLong as that.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>

#include "quant/quantizer.h"

namespace ferres {

inline constexpr uint32_t kDimMax = 4096;
inline constexpr size_t kCodeBatch = 64;  // codes a kernel is called with at most
inline constexpr float kFar = 1e30f;
inline constexpr float kTiny = 1e-34f;
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

/// See Quantizer::deviation: the inner product of a vector of this squared length with an error of
/// that squared length in a random direction.
inline float code_deviation(CodeMetric metric, float squared_norm, float squared_error,
                            uint32_t dim) {
  const float one = std::sqrt(squared_norm) * std::sqrt(squared_error / static_cast<float>(dim));
  return metric == CodeMetric::kL2 ? 2 * one : one;
}

/// What a distance says of where its query lies: q.v / |v|^2 and the squared length of q's part
/// across v, which is the one that meets an error across v.
struct QueryParts {
  float share = 0;
  float across = 0;
};
inline QueryParts query_parts(CodeMetric metric, float query_norm, float norm, float distance) {
  constexpr float kAcrossLeast = 1e-4f;  // the distance is itself off
  if (norm <= 0) return {0, query_norm};
  const float product = metric == CodeMetric::kL2 ? (query_norm + norm - distance) / 2 : -distance;
  const float share = product / norm;
  return {share, std::max(query_norm - share * product, kAcrossLeast * query_norm)};
}

/// v as a query of 15 bits a component: whole, high, low, scale and whole_sum. Components beyond
/// `most` count as that.
void split_query(const float* v, uint32_t dim, float most, CodeQuery& query);

/// Calls take(i, sum of query.whole[j] * (codes[i][j] - 128)) for each code of bytes.
template <class Take>
void for_products(const CodeQuery& query, const std::byte* const* codes, size_t count, uint32_t dim,
                  Take&& take) {
  int32_t sums[kCodeBatch];
  const auto middle = static_cast<uint32_t>(query.whole_sum) * 128;
  for (size_t done = 0; done < count; done += kCodeBatch) {
    const size_t n = std::min(kCodeBatch, count - done);
    code_kernels().dot_u8(query.split(), reinterpret_cast<const uint8_t* const*>(codes + done), n,
                          dim, sums);
    for (size_t i = 0; i < n; ++i) {
      // Unsigned: the sums may have gone round, their difference has not.
      const auto product = static_cast<int32_t>(static_cast<uint32_t>(sums[i]) - middle);
      take(done + i, static_cast<float>(product));
    }
  }
}

/// Calls take(i, sum of from[j] * (codes[i][j] - 128)) for each code of bytes.
template <class Take>
void for_code_products(const std::byte* from, const std::byte* const* codes, size_t count,
                       uint32_t dim, Take&& take) {
  int32_t sums[kCodeBatch];
  for (size_t done = 0; done < count; done += kCodeBatch) {
    const size_t n = std::min(kCodeBatch, count - done);
    code_kernels().dot_u8_codes(reinterpret_cast<const uint8_t*>(from),
                                reinterpret_cast<const uint8_t* const*>(codes + done), n, dim,
                                sums);
    for (size_t i = 0; i < n; ++i)
      take(done + i, sums[i]);
  }
}

/// distances_between for those that have no sum of code against code.
void distances_by_decoding(const Quantizer& quantizer, const std::byte* from,
                           const std::byte* const* codes, size_t count, float* out);

}  // namespace ferres
