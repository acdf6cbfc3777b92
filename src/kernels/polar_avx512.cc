// polar_dot with AVX-512: see polar.h. No look-up goes to memory: an angle's two halves choose
// from tables of 16 that stay in registers, and the addition theorems put them together.
// Thread-safe.
#if defined(__x86_64__)
#include <cstddef>
#include <cstdint>

#include <immintrin.h>

#include "kernels/polar.h"
#include "kernels/tables.h"
#include "kernels/target.h"

// g++ 12 takes the intrinsics' own undefined source operands for a mistake of the caller.
#if !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
FERRES_TARGET_BEGIN("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq")
namespace ferres {
namespace {

struct Tables {
  __m512 high_cosine;
  __m512 high_sine;
  __m512 low_cosine;
  __m512 low_sine;
};
Tables in_registers(const PolarLevel& level) {
  return {_mm512_load_ps(level.high_cosine), _mm512_load_ps(level.high_sine),
          _mm512_load_ps(level.low_cosine), _mm512_load_ps(level.low_sine)};
}

void rise(const Tables& t, const uint8_t* angles, const float* nodes, size_t count, float* to) {
  const size_t above = (count + 1) / 2;
  const size_t pairs = count / 2;
  for (size_t i = 0; i < pairs; i += 16) {
    const auto inside = static_cast<__mmask16>(pairs - i >= 16 ? 0xFFFF : (1u << (pairs - i)) - 1);
    const __m512i index =
        _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(angles + i)));
    const __m512i high = _mm512_srli_epi32(index, 4);
    const __m512 high_cosine = _mm512_permutexvar_ps(high, t.high_cosine);
    const __m512 high_sine = _mm512_permutexvar_ps(high, t.high_sine);
    const __m512 low_cosine = _mm512_permutexvar_ps(index, t.low_cosine);
    const __m512 low_sine = _mm512_permutexvar_ps(index, t.low_sine);
    const __m512 cosine =
        _mm512_fmsub_ps(high_cosine, low_cosine, _mm512_mul_ps(high_sine, low_sine));
    const __m512 sine =
        _mm512_fmadd_ps(high_sine, low_cosine, _mm512_mul_ps(high_cosine, low_sine));
    const __m512 left = _mm512_mul_ps(cosine, _mm512_maskz_loadu_ps(inside, nodes + i));
    const __m512 right = _mm512_mul_ps(sine, _mm512_maskz_loadu_ps(inside, nodes + i + above));
    _mm512_mask_storeu_ps(to + i, inside, _mm512_add_ps(left, right));
  }
}

}  // namespace

float polar_dot_avx512(const PolarTables& tables, const float* query, const uint8_t* angles,
                       size_t dim) {
  alignas(64) float nodes[kPolarDimMax / 2];
  rise(in_registers(tables.first), angles, query, dim, nodes);
  angles += dim / 2;
  const Tables upper = in_registers(tables.upper);
  for (size_t count = dim / 2; count > 1; count = (count + 1) / 2) {
    rise(upper, angles, nodes, count, nodes);
    angles += count / 2;
  }
  return nodes[0];
}

}  // namespace ferres
FERRES_TARGET_END
#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#endif
