// polar_dot with AVX2: see polar.h. Cosines and sines are gathered; a rest of less than eight nodes
// is done one by one. Thread-safe.
#if defined(__x86_64__)
#include <cstddef>
#include <cstdint>

#include <immintrin.h>

#include "kernels/polar.h"
#include "kernels/tables.h"
#include "kernels/target.h"

FERRES_TARGET_BEGIN("avx2,fma")
namespace ferres {
namespace {

void rise(const PolarLevel& level, const uint8_t* angles, const float* nodes, size_t count,
          float* to) {
  const size_t above = (count + 1) / 2;
  size_t i = 0;
  for (; i + 8 <= count / 2; i += 8) {
    const __m256i index =
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(angles + i)));
    const __m256 cosine = _mm256_i32gather_ps(level.cosine, index, 4);
    const __m256 sine = _mm256_i32gather_ps(level.sine, index, 4);
    const __m256 left = _mm256_mul_ps(cosine, _mm256_loadu_ps(nodes + i));
    const __m256 right = _mm256_mul_ps(sine, _mm256_loadu_ps(nodes + i + above));
    _mm256_storeu_ps(to + i, _mm256_add_ps(left, right));
  }
  for (; i < count / 2; ++i)
    to[i] = level.cosine[angles[i]] * nodes[i] + level.sine[angles[i]] * nodes[i + above];
}

}  // namespace

float polar_dot_avx2(const PolarTables& tables, const float* query, const uint8_t* angles,
                     size_t dim) {
  alignas(32) float nodes[kPolarDimMax / 2];
  nodes[0] = 0;  // for a dim of 1, which has no angle
  rise(tables.first, angles, query, dim, nodes);
  angles += dim / 2;
  for (size_t count = dim / 2; count > 1; count = (count + 1) / 2) {
    rise(tables.upper, angles, nodes, count, nodes);
    angles += count / 2;
  }
  return nodes[0];
}

}  // namespace ferres
FERRES_TARGET_END
#endif
