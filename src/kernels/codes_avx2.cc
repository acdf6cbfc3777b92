// The kernels on codes with AVX2: codes are widened to 16 bits, because the byte products of AVX2
// saturate; nibbles are small enough for them. Thread-safe: pure functions.
#if defined(__x86_64__)
#include <cstddef>
#include <cstdint>

#include <immintrin.h>

#include "kernels/codes.h"
#include "kernels/tables.h"
#include "kernels/target.h"

#if defined(__SANITIZE_THREAD__)
#define FERRES_NO_TSAN __attribute__((no_sanitize("thread")))
#else
#define FERRES_NO_TSAN
#endif

FERRES_TARGET_BEGIN("avx2,fma")
namespace ferres {
namespace {

const __m256i* wide(const void* p) {
  return static_cast<const __m256i*>(p);
}

int32_t total(__m256i sums) {
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xB1));
  return _mm_cvtsi128_si32(four);
}

__m256i widen_u8(const uint8_t* p) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

void dot_u8(const SplitQuery& query, const uint8_t* const* rows, size_t count, size_t dim,
            int32_t* out) {
  for (size_t i = 0; i < count; ++i) {
    __m256i s0 = _mm256_setzero_si256();
    __m256i s1 = s0;
    const uint8_t* const row = rows[i];
    size_t j = 0;
    for (; j + 32 <= dim; j += 32) {
      s0 = _mm256_add_epi32(
          s0, _mm256_madd_epi16(_mm256_load_si256(wide(query.whole + j)), widen_u8(row + j)));
      s1 = _mm256_add_epi32(s1, _mm256_madd_epi16(_mm256_load_si256(wide(query.whole + j + 16)),
                                                  widen_u8(row + j + 16)));
    }
    if (j < dim) {
      s0 = _mm256_add_epi32(
          s0, _mm256_madd_epi16(_mm256_load_si256(wide(query.whole + j)), widen_u8(row + j)));
    }
    out[i] = total(_mm256_add_epi32(s0, s1));
  }
}

void dot_u8_codes(const uint8_t* from, const uint8_t* const* rows, size_t count, size_t dim,
                  int32_t* out) {
  const __m256i middle = _mm256_set1_epi16(128);
  for (size_t i = 0; i < count; ++i) {
    __m256i sum = _mm256_setzero_si256();
    for (size_t j = 0; j < dim; j += 16) {
      sum = _mm256_add_epi32(
          sum,
          _mm256_madd_epi16(widen_u8(from + j), _mm256_sub_epi16(widen_u8(rows[i] + j), middle)));
    }
    out[i] = total(sum);
  }
}

/// `count` < 32 bytes, an even number of them, and zero.
__m256i first_bytes(const uint8_t* p, size_t count) {
  alignas(32) uint8_t bytes[32];
  _mm256_store_si256(reinterpret_cast<__m256i*>(bytes), _mm256_setzero_si256());
  size_t i = 0;
  if ((count & 16) != 0) {
    __builtin_memcpy(bytes, p, 16);
    i = 16;
  }
  if ((count & 8) != 0) {
    __builtin_memcpy(bytes + i, p + i, 8);
    i += 8;
  }
  for (; i < count; i += 2)
    __builtin_memcpy(bytes + i, p + i, 2);
  return _mm256_load_si256(wide(bytes));
}

/// The components k of 32 bytes of a part of `width` bits.
template <uint32_t width>
__m256i components(__m256i codes, uint32_t k) {
  const __m256i mask = _mm256_set1_epi8((1 << width) - 1);
  return _mm256_and_si256(_mm256_srli_epi16(codes, static_cast<int>(k * width)), mask);
}

template <uint32_t width>
__m256i sums_of_part(const int8_t* query, const uint8_t* part, size_t dim) {
  const size_t bytes = packed_bytes(dim, width);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sum = _mm256_setzero_si256();
  for (size_t j = 0; j < bytes; j += 32) {
    const __m256i codes =
        bytes - j >= 32 ? _mm256_loadu_si256(wide(part + j)) : first_bytes(part + j, bytes - j);
    // At most 2 * 2 products of 15 * 128 each: nothing saturates.
    __m256i pairs = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (uint32_t k = 0; k < 8 / width; ++k) {
      pairs = _mm256_add_epi16(
          pairs, _mm256_maddubs_epi16(components<width>(codes, k),
                                      _mm256_loadu_si256(wide(query + k * bytes + j))));
    }
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
  }
  return sum;
}

void dot_packed(const int8_t* query, const uint8_t* const* rows, size_t count, size_t dim,
                uint32_t bits, int32_t* out) {
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* part = rows[i];
    __m256i sum = _mm256_setzero_si256();
    if ((bits & 4) != 0) {
      sum = sums_of_part<4>(query, part, dim);
      part += packed_bytes(dim, 4);
    }
    if ((bits & 2) != 0) {
      sum = _mm256_add_epi32(_mm256_slli_epi32(sum, 2), sums_of_part<2>(query, part, dim));
      part += packed_bytes(dim, 2);
    }
    if ((bits & 1) != 0)
      sum = _mm256_add_epi32(_mm256_slli_epi32(sum, 1), sums_of_part<1>(query, part, dim));
    out[i] = total(sum);
  }
}

/// Shifts what is in `out` up and puts a part below it.
template <uint32_t width>
void unpack_part(const uint8_t* part, size_t dim, uint8_t* out) {
  const size_t bytes = packed_bytes(dim, width);
  for (size_t k = 0; k < 8 / width; ++k) {
    uint8_t* const to = out + k * bytes;
    size_t j = 0;
    for (; j + 32 <= bytes; j += 32) {
      const __m256i value =
          components<width>(_mm256_loadu_si256(wide(part + j)), static_cast<uint32_t>(k));
      // No component has more than 8 bits: nothing moves into the byte above.
      const __m256i upper = _mm256_slli_epi16(_mm256_loadu_si256(wide(to + j)), width);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + j), _mm256_or_si256(upper, value));
    }
    for (; j < bytes; ++j) {
      to[j] = static_cast<uint8_t>(to[j] << width | (part[j] >> (k * width) & ((1 << width) - 1)));
    }
  }
}

void unpack(const uint8_t* code, size_t dim, uint32_t bits, uint8_t* out) {
  for (size_t i = 0; i < dim; i += 16) {
    const __m128i value = bits == 8 ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(code + i))
                                    : _mm_setzero_si128();
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), value);
  }
  if ((bits & 4) != 0) {
    unpack_part<4>(code, dim, out);
    code += packed_bytes(dim, 4);
  }
  if ((bits & 2) != 0) {
    unpack_part<2>(code, dim, out);
    code += packed_bytes(dim, 2);
  }
  if ((bits & 1) != 0) unpack_part<1>(code, dim, out);
}

int32_t unpack_centred(const uint8_t* code, size_t dim, uint32_t bits, int8_t* out) {
  unpack(code, dim, bits, reinterpret_cast<uint8_t*>(out));
  const int most = (1 << bits) - 1;
  __m128i sums = _mm_setzero_si128();
  for (size_t i = 0; i < dim; i += 16) {
    auto* const at = reinterpret_cast<__m128i*>(out + i);
    const __m128i value = _mm_loadu_si128(at);
    sums = _mm_add_epi64(sums, _mm_sad_epu8(value, _mm_setzero_si128()));
    _mm_storeu_si128(
        at, _mm_sub_epi8(_mm_add_epi8(value, value), _mm_set1_epi8(static_cast<char>(most))));
  }
  const int sum = _mm_cvtsi128_si32(sums) + _mm_extract_epi32(sums, 2);
  return 2 * sum - static_cast<int32_t>(dim) * most;
}

/// Eight sums of sixteen lanes (two halves of a register) to floats and to bits of the mask.
FERRES_NO_TSAN uint32_t below(__m256i sums16, const LaneBlock& block, const LaneQuery& query,
                              size_t first, const LaneLimit& limit, float* estimates) {
  const __m128i half =
      _mm_add_epi16(_mm256_castsi256_si128(sums16), _mm256_extracti128_si256(sums16, 1));
  const __m256 sums = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(half));
  const __m256 signs =
      _mm256_add_ps(_mm256_set1_ps(query.bias), _mm256_mul_ps(_mm256_set1_ps(query.scale), sums));
  const __m256 estimate =
      _mm256_add_ps(_mm256_set1_ps(limit.distance),
                    _mm256_add_ps(_mm256_loadu_ps(block.base + first),
                                  _mm256_mul_ps(_mm256_loadu_ps(block.slope + first), signs)));
  _mm256_storeu_ps(estimates + first, estimate);
  return static_cast<uint32_t>(
             _mm256_movemask_ps(_mm256_cmp_ps(estimate, _mm256_set1_ps(limit.limit), _CMP_NGT_UQ)))
         << first;
}

FERRES_NO_TSAN uint32_t filter_lanes(const LaneBlock& block, const LaneQuery& query, size_t dim,
                                     const LaneLimit& limit, float* estimates) {
  const __m256i nibble = _mm256_set1_epi8(15);
  __m256i low_all = _mm256_setzero_si256();  // even bytes plus 256 times the odd ones
  __m256i low_odd = low_all;
  __m256i high_all = low_all;
  __m256i high_odd = low_all;
  for (size_t i = 0; i < 4 * dim; i += 32) {
    const __m256i codes = _mm256_loadu_si256(wide(block.codes + i));
    const __m256i table = _mm256_load_si256(wide(query.tables + i));
    const __m256i low = _mm256_shuffle_epi8(table, _mm256_and_si256(codes, nibble));
    const __m256i high =
        _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(codes, 4), nibble));
    low_all = _mm256_add_epi16(low_all, low);
    low_odd = _mm256_add_epi16(low_odd, _mm256_srli_epi16(low, 8));
    high_all = _mm256_add_epi16(high_all, high);
    high_odd = _mm256_add_epi16(high_odd, _mm256_srli_epi16(high, 8));
  }
  const __m256i low_even = _mm256_sub_epi16(low_all, _mm256_slli_epi16(low_odd, 8));
  const __m256i high_even = _mm256_sub_epi16(high_all, _mm256_slli_epi16(high_odd, 8));
  return below(low_even, block, query, 0, limit, estimates) |
         below(low_odd, block, query, 8, limit, estimates) |
         below(high_even, block, query, 16, limit, estimates) |
         below(high_odd, block, query, 24, limit, estimates);
}

FERRES_NO_TSAN uint32_t score_lanes(const LaneValues& lanes, const float* query, size_t dim,
                                    float limit, float* distances) {
  __m256 sums[4];
  for (size_t i = 0; i < 4; ++i)
    sums[i] = _mm256_loadu_ps(lanes.base + 8 * i);
  for (size_t j = 0; j < dim; ++j) {
    const __m256 component = _mm256_set1_ps(query[j]);
    const float* const row = lanes.values + kLaneGroup * j;
    for (size_t i = 0; i < 4; ++i) {
      sums[i] = _mm256_sub_ps(sums[i], _mm256_mul_ps(component, _mm256_loadu_ps(row + 8 * i)));
    }
  }
  uint32_t mask = 0;
  for (size_t i = 0; i < 4; ++i) {
    _mm256_storeu_ps(distances + 8 * i, sums[i]);
    const __m256 near = _mm256_cmp_ps(sums[i], _mm256_set1_ps(limit), _CMP_NGT_UQ);
    mask |= static_cast<uint32_t>(_mm256_movemask_ps(near)) << 8 * i;
  }
  return mask;
}

float fold(__m256 first, __m256 second) {
  const __m256 eight = _mm256_add_ps(first, second);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

LaneSums encode_lane(const float* from, const float* to, size_t dim, uint32_t lane,
                     uint8_t* codes) {
  const uint32_t in_half = lane & 15;
  const size_t byte = in_half < 8 ? 2 * in_half : 2 * (in_half - 8) + 1;
  const uint32_t shift = (lane & 16) != 0 ? 4 : 0;
  const auto keep = static_cast<uint8_t>(~(15u << shift));
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 absolute[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  __m256 squared[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  __m256 from_signed[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  for (size_t i = 0; i < dim; i += 16) {
    for (size_t half = 0; half < 2; ++half) {
      const __m256 c = _mm256_loadu_ps(from + i + 8 * half);
      const __m256 d = _mm256_sub_ps(_mm256_loadu_ps(to + i + 8 * half), c);
      const __m256 up = _mm256_cmp_ps(d, _mm256_setzero_ps(), _CMP_GE_OQ);
      absolute[half] = _mm256_add_ps(absolute[half], _mm256_andnot_ps(sign, d));
      squared[half] = _mm256_add_ps(squared[half], _mm256_mul_ps(d, d));
      from_signed[half] =
          _mm256_add_ps(from_signed[half], _mm256_xor_ps(c, _mm256_andnot_ps(up, sign)));
      const auto signs = static_cast<uint32_t>(_mm256_movemask_ps(up));
      for (size_t g = 0; g < 2; ++g) {
        uint8_t& code = codes[(i / 4 + 2 * half + g) * 16 + byte];
        code = static_cast<uint8_t>((code & keep) | (((signs >> (4 * g)) & 15) << shift));
      }
    }
  }
  return {fold(absolute[0], absolute[1]), fold(squared[0], squared[1]),
          fold(from_signed[0], from_signed[1])};
}

void lane_tables(const float* query, size_t dim, float scale, uint8_t* tables) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  const __m256i bits = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  for (size_t group = 0; group < dim / 4; ++group) {
    const float* const q = query + 4 * group;
    __m256 magnitude = _mm256_setzero_ps();
    for (size_t k = 0; k < 4; ++k) {
      magnitude = _mm256_add_ps(magnitude, _mm256_andnot_ps(sign, _mm256_set1_ps(q[k])));
    }
    __m256 sums[2] = {magnitude, magnitude};
    for (size_t k = 0; k < 4; ++k) {
      for (size_t half = 0; half < 2; ++half) {
        const __m256i pattern =
            _mm256_add_epi32(bits, _mm256_set1_epi32(static_cast<int>(8 * half)));
        // The bit moved to the sign's place: set means plus.
        const __m256i minus = _mm256_andnot_si256(
            _mm256_slli_epi32(pattern, static_cast<int>(31 - k)), _mm256_castps_si256(sign));
        sums[half] = _mm256_add_ps(sums[half],
                                   _mm256_xor_ps(_mm256_set1_ps(q[k]), _mm256_castsi256_ps(minus)));
      }
    }
    const __m256i first = _mm256_cvtps_epi32(_mm256_mul_ps(sums[0], _mm256_set1_ps(scale)));
    const __m256i second = _mm256_cvtps_epi32(_mm256_mul_ps(sums[1], _mm256_set1_ps(scale)));
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(first, second), 0xD8);
    const __m128i bytes =
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(tables + 16 * group), bytes);
  }
}

void split(const float* query, size_t dim, float factor, int16_t* whole, int8_t* high,
           int8_t* low) {
  for (size_t i = 0; i < dim; i += 8) {
    const __m256i value =
        _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(query + i), _mm256_set1_ps(factor)));
    const __m256i upper = _mm256_srai_epi32(_mm256_add_epi32(value, _mm256_set1_epi32(64)), 7);
    const __m256i lower = _mm256_sub_epi32(value, _mm256_slli_epi32(upper, 7));
    alignas(32) int32_t values[3][8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(values[0]), value);
    _mm256_store_si256(reinterpret_cast<__m256i*>(values[1]), upper);
    _mm256_store_si256(reinterpret_cast<__m256i*>(values[2]), lower);
    for (size_t j = 0; j < 8; ++j) {
      whole[i + j] = static_cast<int16_t>(values[0][j]);
      high[i + j] = static_cast<int8_t>(values[1][j]);
      low[i + j] = static_cast<int8_t>(values[2][j]);
    }
  }
}

struct Grid {
  __m256 inverse;
  __m256 half;
  __m256 most;
};
Grid grid(float inverse, uint32_t bits) {
  return {_mm256_set1_ps(inverse), _mm256_set1_ps(static_cast<float>(1 << (bits - 1))),
          _mm256_set1_ps(static_cast<float>((1 << bits) - 1))};
}
__m256i grid_code(__m256 scaled, const Grid& g) {
  // max gives its second operand for NaN.
  const __m256 value = _mm256_max_ps(_mm256_add_ps(scaled, g.half), _mm256_setzero_ps());
  return _mm256_cvttps_epi32(_mm256_min_ps(value, g.most));
}

GridSums grid_sums(const float* v, size_t dim, float inverse, uint32_t bits) {
  const Grid g = grid(inverse, bits);
  const __m256 middle = _mm256_mul_ps(g.most, _mm256_set1_ps(0.5f));
  __m256 along[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  __m256 squared[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  for (size_t i = 0; i < dim; i += 16) {
    for (size_t half = 0; half < 2; ++half) {
      const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(v + i + 8 * half), g.inverse);
      const __m256 code = _mm256_sub_ps(_mm256_cvtepi32_ps(grid_code(scaled, g)), middle);
      along[half] = _mm256_add_ps(along[half], _mm256_mul_ps(scaled, code));
      squared[half] = _mm256_add_ps(squared[half], _mm256_mul_ps(code, code));
    }
  }
  return {fold(along[0], along[1]), fold(squared[0], squared[1])};
}

void grid_codes(const float* v, size_t dim, float inverse, uint32_t bits, uint8_t* codes) {
  const Grid g = grid(inverse, bits);
  for (size_t i = 0; i < dim; i += 8) {
    const __m256i words = grid_code(_mm256_mul_ps(_mm256_loadu_ps(v + i), g.inverse), g);
    const __m128i shorts =
        _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(codes + i), _mm_packus_epi16(shorts, shorts));
  }
}

void decode_u8(const uint8_t* code, size_t dim, float scale, float middle, float* out) {
  for (size_t i = 0; i < dim; i += 8) {
    const __m256 value = _mm256_cvtepi32_ps(
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(code + i))));
    _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_set1_ps(scale),
                                            _mm256_sub_ps(value, _mm256_set1_ps(middle))));
  }
}

/// The first three steps, inside one register: a + b where the mask is 0, b' - a' where it is set.
__m256 butterfly(__m256 x, __m256 swapped, __m256 minus) {
  return _mm256_add_ps(swapped, _mm256_xor_ps(x, minus));
}

void hadamard(float* x, const float* signs, size_t n, float scale) {
  const float m = -0.0f;
  const __m256 minus1 = _mm256_setr_ps(0, m, 0, m, 0, m, 0, m);
  const __m256 minus2 = _mm256_setr_ps(0, 0, m, m, 0, 0, m, m);
  const __m256 minus4 = _mm256_setr_ps(0, 0, 0, 0, m, m, m, m);
  for (size_t i = 0; i < n; i += 8) {
    __m256 v = _mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(signs + i));
    v = butterfly(v, _mm256_permute_ps(v, 0xB1), minus1);
    v = butterfly(v, _mm256_permute_ps(v, 0x4E), minus2);
    v = butterfly(v, _mm256_permute2f128_ps(v, v, 0x01), minus4);
    _mm256_storeu_ps(x + i, v);
  }
  for (size_t h = 8; h < n; h *= 2) {
    for (size_t i = 0; i < n; i += 2 * h) {
      for (size_t j = i; j < i + h; j += 8) {
        const __m256 a = _mm256_loadu_ps(x + j);
        const __m256 b = _mm256_loadu_ps(x + j + h);
        _mm256_storeu_ps(x + j, _mm256_add_ps(a, b));
        _mm256_storeu_ps(x + j + h, _mm256_sub_ps(a, b));
      }
    }
  }
  for (size_t i = 0; i < n; i += 8) {
    _mm256_storeu_ps(x + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_set1_ps(scale)));
  }
}

}  // namespace

const CodeKernels kAvx2CodeKernels = {dot_u8,         dot_u8_codes, dot_packed,    unpack,
                                      unpack_centred, filter_lanes, score_lanes,   encode_lane,
                                      lane_tables,    split,        grid_sums,     grid_codes,
                                      decode_u8,      hadamard,     polar_dot_avx2};

}  // namespace ferres
FERRES_TARGET_END
#endif
