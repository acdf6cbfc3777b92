// Distances with AVX-512. The same plan as AVX2 with 16 lanes: one pair in four sums, one query to
// eight rows abreast. Masked loads take the last dim % 16 floats: nothing beyond `dim` is read, and
// no scalar tail runs (100 dimensions are 7 steps instead of 10). Thread-safe: pure functions.
#if defined(__x86_64__)
#include <cstddef>
#include <cstdint>

#include <immintrin.h>

#include "kernels/distance.h"
#include "kernels/tables.h"
#include "kernels/target.h"

// g++ 12 takes the intrinsics' own undefined source operands for a mistake of the caller.
#if !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
FERRES_TARGET_BEGIN("avx2,fma,avx512f")
namespace ferres {
namespace {

#define UNROLL _Pragma("GCC unroll 8")
constexpr size_t kLanes = 16;

enum class Kind : uint8_t { kDot, kL2Squared };

template <Kind kind>
__m512 add(__m512 a, __m512 b, __m512 sum) {
  if constexpr (kind == Kind::kDot) return _mm512_fmadd_ps(a, b, sum);
  const __m512 difference = _mm512_sub_ps(a, b);
  return _mm512_fmadd_ps(difference, difference, sum);
}

__mmask16 first_lanes(size_t count) {
  return static_cast<__mmask16>((1u << count) - 1);
}

/// The upper half added to the lower.
__m256 halves(__m512 sum) {
  const __m256 upper = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(sum), 1));
  return _mm256_add_ps(_mm512_castps512_ps256(sum), upper);
}

/// The totals of four vectors, in order.
__m128 totals(const __m512* sums) {
  const __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(halves(sums[0]), halves(sums[1])),
                                      _mm256_hadd_ps(halves(sums[2]), halves(sums[3])));
  return _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1));
}

template <Kind kind>
float pair(const float* a, const float* b, size_t dim) {
  __m512 s0 = _mm512_setzero_ps();
  __m512 s1 = s0;
  __m512 s2 = s0;
  __m512 s3 = s0;
  size_t i = 0;
  for (; i + 4 * kLanes <= dim; i += 4 * kLanes) {
    s0 = add<kind>(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), s0);
    s1 = add<kind>(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16), s1);
    s2 = add<kind>(_mm512_loadu_ps(a + i + 32), _mm512_loadu_ps(b + i + 32), s2);
    s3 = add<kind>(_mm512_loadu_ps(a + i + 48), _mm512_loadu_ps(b + i + 48), s3);
  }
  for (; i + kLanes <= dim; i += kLanes) {
    s0 = add<kind>(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), s0);
  }
  if (i < dim) {
    const __mmask16 mask = first_lanes(dim - i);
    s1 = add<kind>(_mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i), s1);
  }
  const __m256 sum = halves(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps(sum, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/// `width` rows abreast, a multiple of four.
template <Kind kind, size_t width>
void abreast(const float* query, const float* const* rows, size_t dim, float* out) {
  __m512 sums[width];
  UNROLL for (__m512& sum : sums) sum = _mm512_setzero_ps();
  size_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    const __m512 part = _mm512_loadu_ps(query + i);
    UNROLL for (size_t row = 0; row < width; ++row) {
      sums[row] = add<kind>(part, _mm512_loadu_ps(rows[row] + i), sums[row]);
    }
  }
  if (i < dim) {
    const __mmask16 mask = first_lanes(dim - i);
    const __m512 part = _mm512_maskz_loadu_ps(mask, query + i);
    UNROLL for (size_t row = 0; row < width; ++row) {
      sums[row] = add<kind>(part, _mm512_maskz_loadu_ps(mask, rows[row] + i), sums[row]);
    }
  }
  UNROLL for (size_t row = 0; row < width; row += 4) _mm_storeu_ps(out + row, totals(sums + row));
}

template <Kind kind>
void many(const float* query, const float* const* rows, size_t count, size_t dim, float* out) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    abreast<kind, 8>(query, rows + i, dim, out + i);
  if (i + 4 <= count) {
    abreast<kind, 4>(query, rows + i, dim, out + i);
    i += 4;
  }
  const size_t rest = count - i;
  if (rest == 1) out[i] = pair<kind>(query, rows[i], dim);
  if (rest < 2) return;
  // Two or three rows are worth being four: a row that comes twice costs no second cache miss.
  const float* const last = rows[count - 1];
  const float* const padded[4] = {rows[i], rows[i + 1], last, last};
  float results[4];
  abreast<kind, 4>(query, padded, dim, results);
  for (size_t row = 0; row < rest; ++row)
    out[i + row] = results[row];
}

}  // namespace

const DistanceKernels kAvx512Kernels = {
    "avx512",         pair<Kind::kDot>,       pair<Kind::kL2Squared>,
    many<Kind::kDot>, many<Kind::kL2Squared>, &kAvx512CodeKernels};

}  // namespace ferres
FERRES_TARGET_END
#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#endif
