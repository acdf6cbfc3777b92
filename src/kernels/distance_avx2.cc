// Distances with AVX2 and FMA. One pair: four sums of eight lanes. One query to many: eight rows
// abreast, one sum each, so that eight chains hide the latency of FMA and the loads of eight rows
// miss the caches together. For rows in memory that is what counts: at 384 dimensions eight abreast
// took 0.57 of the time of one by one, four abreast 0.68. The last dim % 8 floats are a masked
// load: nothing beyond `dim` is read. Thread-safe: pure functions.
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

#define UNROLL _Pragma("GCC unroll 8")
constexpr size_t kLanes = 8;

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
__m128 totals(const __m256* sums) {
  const __m256 pairs =
      _mm256_hadd_ps(_mm256_hadd_ps(sums[0], sums[1]), _mm256_hadd_ps(sums[2], sums[3]));
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
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps(sum, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/// `width` rows abreast, a multiple of four.
template <Kind kind, size_t width>
void abreast(const float* query, const float* const* rows, size_t dim, float* out) {
  __m256 sums[width];
  UNROLL for (__m256& sum : sums) sum = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    const __m256 part = _mm256_loadu_ps(query + i);
    UNROLL for (size_t row = 0; row < width; ++row) {
      sums[row] = add<kind>(part, _mm256_loadu_ps(rows[row] + i), sums[row]);
    }
  }
  if (i < dim) {
    const __m256i mask = first_lanes(dim - i);
    const __m256 part = _mm256_maskload_ps(query + i, mask);
    UNROLL for (size_t row = 0; row < width; ++row) {
      sums[row] = add<kind>(part, _mm256_maskload_ps(rows[row] + i, mask), sums[row]);
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

const DistanceKernels kAvx2Kernels = {
    "avx2",           pair<Kind::kDot>,       pair<Kind::kL2Squared>,
    many<Kind::kDot>, many<Kind::kL2Squared>, &kAvx2CodeKernels};

}  // namespace ferres
FERRES_TARGET_END
#endif
