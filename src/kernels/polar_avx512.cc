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

/// Sixteen nodes of the level above: left and right are what is below.
__m512 node(const Tables& t, __m128i angles, __m512 left, __m512 right) {
  const __m512i index = _mm512_cvtepu8_epi32(angles);
  const __m512i high = _mm512_srli_epi32(index, 4);
  const __m512 high_cosine = _mm512_permutexvar_ps(high, t.high_cosine);
  const __m512 high_sine = _mm512_permutexvar_ps(high, t.high_sine);
  const __m512 low_cosine = _mm512_permutexvar_ps(index, t.low_cosine);
  const __m512 low_sine = _mm512_permutexvar_ps(index, t.low_sine);
  const __m512 cosine =
      _mm512_fmsub_ps(high_cosine, low_cosine, _mm512_mul_ps(high_sine, low_sine));
  const __m512 sine = _mm512_fmadd_ps(high_sine, low_cosine, _mm512_mul_ps(high_cosine, low_sine));
  return _mm512_add_ps(_mm512_mul_ps(cosine, left), _mm512_mul_ps(sine, right));
}

__m128i angles_at(const uint8_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
__mmask16 first(size_t count) {
  return static_cast<__mmask16>((1u << (count < 16 ? count : 16)) - 1);
}

/// One level in memory. Whole registers are stored, because a load that follows a masked store
/// waits for it to leave the core; so where a register's end is beyond the pairs, the odd node goes
/// along.
void rise(const Tables& t, const uint8_t* angles, const float* nodes, size_t count, float* to) {
  const size_t above = (count + 1) / 2;
  const size_t pairs = count / 2;
  size_t i = 0;
  for (; i + 16 <= pairs; i += 16) {
    _mm512_storeu_ps(to + i, node(t, angles_at(angles + i), _mm512_loadu_ps(nodes + i),
                                  _mm512_loadu_ps(nodes + i + above)));
  }
  if (i == pairs) return;
  const __mmask16 inside = first(pairs - i);
  const __m512 left = _mm512_maskz_loadu_ps(first(above - i), nodes + i);
  const __m512 right = _mm512_maskz_loadu_ps(inside, nodes + i + above);
  const __m512 risen = node(t, angles_at(angles + i), left, right);
  _mm512_storeu_ps(to + i, _mm512_mask_mov_ps(left, inside, risen));
}

/// From at most 32 nodes to the top, in registers.
float top(const Tables& t, const uint8_t* angles, const float* nodes, size_t count) {
  const __m512i places = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  __m512 low = _mm512_maskz_loadu_ps(first(count), nodes);
  __m512 high = _mm512_maskz_loadu_ps(first(count > 16 ? count - 16 : 0), nodes + 16);
  while (count > 1) {
    const size_t above = (count + 1) / 2;
    const __m512i partners = _mm512_add_epi32(places, _mm512_set1_epi32(static_cast<int>(above)));
    const __m512 right = _mm512_permutex2var_ps(low, partners, high);
    low = _mm512_mask_mov_ps(low, first(count / 2), node(t, angles_at(angles), low, right));
    high = _mm512_setzero_ps();
    angles += count / 2;
    count = above;
  }
  return _mm512_cvtss_f32(low);
}

}  // namespace

float polar_dot_avx512(const PolarTables& tables, const float* query, const uint8_t* angles,
                       size_t dim) {
  alignas(64) float nodes[kPolarDimMax / 2 + 16];
  rise(in_registers(tables.first), angles, query, dim, nodes);
  angles += dim / 2;
  const Tables upper = in_registers(tables.upper);
  size_t count = dim / 2;
  for (; count > 32; count = (count + 1) / 2) {
    rise(upper, angles, nodes, count, nodes);
    angles += count / 2;
  }
  return top(upper, angles, nodes, count);
}

}  // namespace ferres
FERRES_TARGET_END
#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#endif
