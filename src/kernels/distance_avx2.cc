// Distances with AVX2 and FMA. One pair: four sums of eight lanes. One query to many: four rows
// abreast with two sums each, so that the eight chains hide the latency of FMA, the loads of four
// rows miss the caches together, and each part of the query is loaded once for four rows. The last
// dim % 8 floats are a masked load: nothing beyond `dim` is read. Thread-safe: pure functions.
#if defined(__x86_64__)
#include <cstddef>
#include <cstdint>

#include <immintrin.h>

#include "kernels/distance.h"
#include "kernels/tables.h"
#include "kernels/target.h"

FERRES_TARGET_BEGIN("avx2,fma")
namespace ferres {
namespace {

constexpr size_t kLanes = 8;
constexpr size_t kRows = 4;

enum class Kind : uint8_t { kDot, kL2Squared };

template <Kind kind>
__m256 add(__m256 a, __m256 b, __m256 sum) {
  if constexpr (kind == Kind::kDot) return _mm256_fmadd_ps(a, b, sum);
  const __m256 difference = _mm256_sub_ps(a, b);
  return _mm256_fmadd_ps(difference, difference, sum);
}

/// The first `count` < 8 lanes.
__m256i first_lanes(size_t count) {
  // Not std::array: its functions would be linker-shared AVX2 code.
  static constexpr int32_t kMask[2 * kLanes] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask + kLanes - count));
}

/// The totals of four vectors, in order.
__m128 totals(__m256 a, __m256 b, __m256 c, __m256 d) {
  const __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
  return _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1));
}

template <Kind kind>
float pair(const float* a, const float* b, size_t dim) {
  __m256 s0 = _mm256_setzero_ps();
  __m256 s1 = s0;
  __m256 s2 = s0;
  __m256 s3 = s0;
  size_t i = 0;
  for (; i + 4 * kLanes <= dim; i += 4 * kLanes) {
    s0 = add<kind>(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
    s1 = add<kind>(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), s1);
    s2 = add<kind>(_mm256_loadu_ps(a + i + 16), _mm256_loadu_ps(b + i + 16), s2);
    s3 = add<kind>(_mm256_loadu_ps(a + i + 24), _mm256_loadu_ps(b + i + 24), s3);
  }
  for (; i + kLanes <= dim; i += kLanes) {
    s0 = add<kind>(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
  }
  if (i < dim) {
    const __m256i mask = first_lanes(dim - i);
    s1 = add<kind>(_mm256_maskload_ps(a + i, mask), _mm256_maskload_ps(b + i, mask), s1);
  }
  const __m256 sum = _mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3));
  return _mm_cvtss_f32(totals(sum, sum, sum, sum));
}

template <Kind kind>
void four(const float* query, const float* const* rows, size_t dim, float* out) {
  const float* const r0 = rows[0];
  const float* const r1 = rows[1];
  const float* const r2 = rows[2];
  const float* const r3 = rows[3];
  __m256 a0 = _mm256_setzero_ps();
  __m256 a1 = a0;
  __m256 a2 = a0;
  __m256 a3 = a0;
  __m256 b0 = a0;
  __m256 b1 = a0;
  __m256 b2 = a0;
  __m256 b3 = a0;
  size_t i = 0;
  for (; i + 2 * kLanes <= dim; i += 2 * kLanes) {
    const __m256 q0 = _mm256_loadu_ps(query + i);
    const __m256 q1 = _mm256_loadu_ps(query + i + kLanes);
    a0 = add<kind>(q0, _mm256_loadu_ps(r0 + i), a0);
    a1 = add<kind>(q0, _mm256_loadu_ps(r1 + i), a1);
    a2 = add<kind>(q0, _mm256_loadu_ps(r2 + i), a2);
    a3 = add<kind>(q0, _mm256_loadu_ps(r3 + i), a3);
    b0 = add<kind>(q1, _mm256_loadu_ps(r0 + i + kLanes), b0);
    b1 = add<kind>(q1, _mm256_loadu_ps(r1 + i + kLanes), b1);
    b2 = add<kind>(q1, _mm256_loadu_ps(r2 + i + kLanes), b2);
    b3 = add<kind>(q1, _mm256_loadu_ps(r3 + i + kLanes), b3);
  }
  if (i + kLanes <= dim) {
    const __m256 q = _mm256_loadu_ps(query + i);
    a0 = add<kind>(q, _mm256_loadu_ps(r0 + i), a0);
    a1 = add<kind>(q, _mm256_loadu_ps(r1 + i), a1);
    a2 = add<kind>(q, _mm256_loadu_ps(r2 + i), a2);
    a3 = add<kind>(q, _mm256_loadu_ps(r3 + i), a3);
    i += kLanes;
  }
  if (i < dim) {
    const __m256i mask = first_lanes(dim - i);
    const __m256 q = _mm256_maskload_ps(query + i, mask);
    b0 = add<kind>(q, _mm256_maskload_ps(r0 + i, mask), b0);
    b1 = add<kind>(q, _mm256_maskload_ps(r1 + i, mask), b1);
    b2 = add<kind>(q, _mm256_maskload_ps(r2 + i, mask), b2);
    b3 = add<kind>(q, _mm256_maskload_ps(r3 + i, mask), b3);
  }
  _mm_storeu_ps(out, totals(_mm256_add_ps(a0, b0), _mm256_add_ps(a1, b1), _mm256_add_ps(a2, b2),
                            _mm256_add_ps(a3, b3)));
}

template <Kind kind>
void many(const float* query, const float* const* rows, size_t count, size_t dim, float* out) {
  size_t i = 0;
  for (; i + kRows <= count; i += kRows)
    four<kind>(query, rows + i, dim, out + i);
  for (; i < count; ++i)
    out[i] = pair<kind>(query, rows[i], dim);
}

}  // namespace

const DistanceKernels kAvx2Kernels = {"avx2", pair<Kind::kDot>, pair<Kind::kL2Squared>,
                                      many<Kind::kDot>, many<Kind::kL2Squared>};

}  // namespace ferres
FERRES_TARGET_END
#endif
