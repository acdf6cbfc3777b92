// Packed codes of 1 to 7 bits (kernels/codes.h) for those quantizers that have them: writing one,
// and a query or another code against many. Any thread.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "quant/code_math.h"

namespace ferres {

/// Packs dim components of `bits` (1 to 8) from a byte each into packed_bytes(dim, bits).
void pack(const uint8_t* components, uint32_t dim, uint32_t bits, std::byte* code);

/// Bits from which on the rounding of a query to a byte would be felt: it takes 15 bits then.
inline constexpr uint32_t kWideQueryBits = 5;

/// v as a query for codes of `bits`: low (with high when wide), scale and whole_sum.
void prepare_packed(const float* v, uint32_t dim, uint32_t bits, CodeQuery& query);
/// A code as such a query, in units of its own grid: low, whole_sum and a scale of 1 / 2.
void prepare_from_packed(const std::byte* code, uint32_t dim, uint32_t bits, CodeQuery& query);

/// Calls take(i, sum of integer query[j] * (component j of codes[i] - middle)) where the middle of
/// the grid is (2^bits - 1) / 2. `wide`: the query has a high plane too.
template <class Take>
void for_packed_products(const CodeQuery& query, const std::byte* const* codes, size_t count,
                         uint32_t bits, bool wide, Take&& take) {
  const size_t dim = query.low.size();
  int32_t low[kCodeBatch];
  int32_t high[kCodeBatch] = {};
  const int64_t offset = query.whole_sum * ((1 << bits) - 1);
  for (size_t done = 0; done < count; done += kCodeBatch) {
    const size_t n = std::min(kCodeBatch, count - done);
    const auto* const rows = reinterpret_cast<const uint8_t* const*>(codes + done);
    code_kernels().dot_packed(query.low.data(), rows, n, dim, bits, low);
    if (wide) code_kernels().dot_packed(query.high.data(), rows, n, dim, bits, high);
    for (size_t i = 0; i < n; ++i) {
      const int64_t twice = 2 * (int64_t{high[i]} * 128 + low[i]) - offset;
      take(done + i, 0.5f * static_cast<float>(twice));
    }
  }
}

}  // namespace ferres
