// The kernels on codes with AVX-512 and VNNI (vpdpbusd: 64 byte products into 16 sums).
// Thread-safe: pure functions.
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

// g++ 12 takes the intrinsics' own undefined source operands for a mistake of the caller.
#if !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
FERRES_TARGET_BEGIN("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")
namespace ferres {
namespace {

constexpr size_t kBytes = 64;

__m512i load(const void* p) {
  return _mm512_load_si512(p);
}

__mmask64 first_bytes(size_t count) {
  return count >= kBytes ? ~__mmask64{0} : (__mmask64{1} << count) - 1;
}

/// The four totals of four registers of sixteen sums, in order.
__m128i totals(const __m512i* sums) {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(sums[0], sums[1]),
                                      _mm512_unpackhi_epi32(sums[0], sums[1]));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(sums[2], sums[3]),
                                      _mm512_unpackhi_epi32(sums[2], sums[3]));
  const __m512i abcd =
      _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half =
      _mm256_add_epi32(_mm512_castsi512_si256(abcd), _mm512_extracti64x4_epi64(abcd, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/// Calls sums(rows, out) for four rows at a time. A rest of one to three is filled up with the last
/// row: it costs no second cache miss.
template <class Sums>
void by_fours(const uint8_t* const* rows, size_t count, int32_t* out, Sums&& sums_of) {
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    __m512i sums[4];
    sums_of(rows + i, sums);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), totals(sums));
  }
  if (i == count) return;
  const uint8_t* const last = rows[count - 1];
  const uint8_t* const rest[4] = {rows[i], i + 1 < count ? rows[i + 1] : last,
                                  i + 2 < count ? rows[i + 2] : last, last};
  __m512i sums[4];
  sums_of(rest, sums);
  alignas(16) int32_t four[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(four), totals(sums));
  for (size_t j = 0; i + j < count; ++j)
    out[i + j] = four[j];
}

void dot_u8(const SplitQuery& query, const uint8_t* const* rows, size_t count, size_t dim,
            int32_t* out) {
  by_fours(rows, count, out, [&](const uint8_t* const* four, __m512i* sums) {
    __m512i upper[4];
    __m512i lower[4];
    for (size_t r = 0; r < 4; ++r)
      upper[r] = lower[r] = _mm512_setzero_si512();
    for (size_t j = 0; j < dim; j += kBytes) {
      const __m512i high = load(query.high + j);
      const __m512i low = load(query.low + j);
#pragma GCC unroll 4
      for (size_t r = 0; r < 4; ++r) {
        const __m512i codes = load(four[r] + j);
        upper[r] = _mm512_dpbusd_epi32(upper[r], codes, high);
        lower[r] = _mm512_dpbusd_epi32(lower[r], codes, low);
      }
    }
    for (size_t r = 0; r < 4; ++r)
      sums[r] = _mm512_add_epi32(_mm512_slli_epi32(upper[r], 7), lower[r]);
  });
}

void dot_u8_codes(const uint8_t* from, const uint8_t* const* rows, size_t count, size_t dim,
                  int32_t* out) {
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
  by_fours(rows, count, out, [&](const uint8_t* const* four, __m512i* sums) {
    for (size_t r = 0; r < 4; ++r)
      sums[r] = _mm512_setzero_si512();
    for (size_t j = 0; j < dim; j += kBytes) {
      // Beyond dim the row holds anything: `from` counts as zero there.
      const __m512i codes = _mm512_maskz_loadu_epi8(first_bytes(dim - j), from + j);
#pragma GCC unroll 4
      for (size_t r = 0; r < 4; ++r) {
        sums[r] = _mm512_dpbusd_epi32(sums[r], codes, _mm512_xor_si512(load(four[r] + j), flip));
      }
    }
  });
}

/// The components k of 64 bytes of a part of `width` bits.
template <uint32_t width>
__m512i components(__m512i codes, uint32_t k) {
  return _mm512_and_si512(_mm512_srli_epi16(codes, k * width), _mm512_set1_epi8((1 << width) - 1));
}

/// sums[r] * 2^width + the sums over a part of `width` bits that starts at `offset`.
template <uint32_t width>
void add_part(const int8_t* query, const uint8_t* const* four, size_t offset, size_t dim,
              __m512i* sums) {
  const size_t bytes = packed_bytes(dim, width);
#pragma GCC unroll 4
  for (size_t r = 0; r < 4; ++r)
    sums[r] = _mm512_slli_epi32(sums[r], width);
  for (size_t j = 0; j < bytes; j += kBytes) {
    const __mmask64 inside = first_bytes(bytes - j);
    __m512i codes[4];
#pragma GCC unroll 4
    for (size_t r = 0; r < 4; ++r)
      codes[r] = _mm512_maskz_loadu_epi8(inside, four[r] + offset + j);
#pragma GCC unroll 8
    for (uint32_t k = 0; k < 8 / width; ++k) {
      const __m512i part = _mm512_loadu_si512(query + k * bytes + j);
#pragma GCC unroll 4
      for (size_t r = 0; r < 4; ++r)
        sums[r] = _mm512_dpbusd_epi32(sums[r], components<width>(codes[r], k), part);
    }
  }
}

void dot_packed(const int8_t* query, const uint8_t* const* rows, size_t count, size_t dim,
                uint32_t bits, int32_t* out) {
  by_fours(rows, count, out, [&](const uint8_t* const* four, __m512i* sums) {
    for (size_t r = 0; r < 4; ++r)
      sums[r] = _mm512_setzero_si512();
    size_t offset = 0;
    if ((bits & 4) != 0) {
      add_part<4>(query, four, offset, dim, sums);
      offset += packed_bytes(dim, 4);
    }
    if ((bits & 2) != 0) {
      add_part<2>(query, four, offset, dim, sums);
      offset += packed_bytes(dim, 2);
    }
    if ((bits & 1) != 0) add_part<1>(query, four, offset, dim, sums);
  });
}

/// Shifts what is in `out` up and puts a part below it; the first part finds nothing there. Full
/// registers go without a mask: a load waits for a masked store before it to leave the core.
template <uint32_t width>
void unpack_part(const uint8_t* part, size_t dim, bool is_first, uint8_t* out) {
  const size_t bytes = packed_bytes(dim, width);
  for (size_t j = 0; j < bytes; j += kBytes) {
    const __mmask64 inside = first_bytes(bytes - j);
    const __m512i codes = _mm512_maskz_loadu_epi8(inside, part + j);
#pragma GCC unroll 8
    for (uint32_t k = 0; k < 8 / width; ++k) {
      uint8_t* const to = out + k * bytes + j;
      __m512i value = components<width>(codes, k);
      if (!is_first) {
        // No component has more than 8 bits: nothing moves into the byte above.
        const __m512i upper = _mm512_maskz_loadu_epi8(inside, to);
        value = _mm512_or_si512(_mm512_slli_epi16(upper, width), value);
      }
      if (bytes - j >= kBytes) {
        _mm512_storeu_si512(to, value);
      } else {
        _mm512_mask_storeu_epi8(to, inside, value);
      }
    }
  }
}

void unpack(const uint8_t* code, size_t dim, uint32_t bits, uint8_t* out) {
  if (bits == 8) {
    __builtin_memcpy(out, code, dim);
    return;
  }
  if ((bits & 4) != 0) {
    unpack_part<4>(code, dim, true, out);
    code += packed_bytes(dim, 4);
  }
  if ((bits & 2) != 0) {
    unpack_part<2>(code, dim, bits < 4, out);
    code += packed_bytes(dim, 2);
  }
  if ((bits & 1) != 0) unpack_part<1>(code, dim, bits == 1, out);
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

/// Sums of 16 bits for lanes 0-7 (in four copies) and 8-15 to sixteen floats.
__m512 lane_sums(__m512i even, __m512i odd) {
  const __m256i e =
      _mm256_add_epi16(_mm512_castsi512_si256(even), _mm512_extracti64x4_epi64(even, 1));
  const __m256i o =
      _mm256_add_epi16(_mm512_castsi512_si256(odd), _mm512_extracti64x4_epi64(odd, 1));
  const __m256i both = _mm256_add_epi16(_mm256_permute2x128_si256(e, o, 0x20),
                                        _mm256_permute2x128_si256(e, o, 0x31));
  return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(both));
}

FERRES_NO_TSAN uint32_t below(__m512 sums, const LaneBlock& block, const LaneQuery& query,
                              size_t first, const LaneLimit& limit, float* estimates) {
  const __m512 signs =
      _mm512_add_ps(_mm512_set1_ps(query.bias), _mm512_mul_ps(_mm512_set1_ps(query.scale), sums));
  const __m512 estimate =
      _mm512_add_ps(_mm512_set1_ps(limit.distance),
                    _mm512_add_ps(_mm512_loadu_ps(block.base + first),
                                  _mm512_mul_ps(_mm512_loadu_ps(block.slope + first), signs)));
  _mm512_storeu_ps(estimates + first, estimate);
  return uint32_t{_mm512_cmp_ps_mask(estimate, _mm512_set1_ps(limit.limit), _CMP_NGT_UQ)} << first;
}

FERRES_NO_TSAN uint32_t filter_lanes(const LaneBlock& block, const LaneQuery& query, size_t dim,
                                     const LaneLimit& limit, float* estimates) {
  const __m512i nibble = _mm512_set1_epi8(15);
  __m512i low_all = _mm512_setzero_si512();  // even bytes plus 256 times the odd ones
  __m512i low_odd = low_all;
  __m512i high_all = low_all;
  __m512i high_odd = low_all;
  for (size_t i = 0; i < 4 * dim; i += kBytes) {
    const __m512i codes = _mm512_loadu_si512(block.codes + i);
    const __m512i table = load(query.tables + i);
    const __m512i low = _mm512_shuffle_epi8(table, _mm512_and_si512(codes, nibble));
    const __m512i high =
        _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(codes, 4), nibble));
    low_all = _mm512_add_epi16(low_all, low);
    low_odd = _mm512_add_epi16(low_odd, _mm512_srli_epi16(low, 8));
    high_all = _mm512_add_epi16(high_all, high);
    high_odd = _mm512_add_epi16(high_odd, _mm512_srli_epi16(high, 8));
  }
  const __m512i low_even = _mm512_sub_epi16(low_all, _mm512_slli_epi16(low_odd, 8));
  const __m512i high_even = _mm512_sub_epi16(high_all, _mm512_slli_epi16(high_odd, 8));
  return below(lane_sums(low_even, low_odd), block, query, 0, limit, estimates) |
         below(lane_sums(high_even, high_odd), block, query, 16, limit, estimates);
}

FERRES_NO_TSAN uint32_t score_lanes(const LaneValues& lanes, const float* query, size_t dim,
                                    float limit, float* distances) {
  __m512 low = _mm512_loadu_ps(lanes.base);
  __m512 high = _mm512_loadu_ps(lanes.base + 16);
  for (size_t j = 0; j < dim; ++j) {
    const __m512 component = _mm512_set1_ps(query[j]);
    const float* const row = lanes.values + kLaneGroup * j;
    low = _mm512_sub_ps(low, _mm512_mul_ps(component, _mm512_loadu_ps(row)));
    high = _mm512_sub_ps(high, _mm512_mul_ps(component, _mm512_loadu_ps(row + 16)));
  }
  _mm512_storeu_ps(distances, low);
  _mm512_storeu_ps(distances + 16, high);
  const __m512 most = _mm512_set1_ps(limit);
  return uint32_t{_mm512_cmp_ps_mask(low, most, _CMP_NGT_UQ)} |
         uint32_t{_mm512_cmp_ps_mask(high, most, _CMP_NGT_UQ)} << 16;
}

float fold(__m512 sixteen) {
  const __m256 eight =
      _mm256_add_ps(_mm512_castps512_ps256(sixteen), _mm512_extractf32x8_ps(sixteen, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

LaneSums encode_lane(const float* from, const float* to, size_t dim, uint32_t lane,
                     uint8_t* codes) {
  const uint32_t half = lane & 15;
  const size_t byte = half < 8 ? 2 * half : 2 * (half - 8) + 1;
  const uint32_t shift = (lane & 16) != 0 ? 4 : 0;
  const auto keep = static_cast<uint8_t>(~(15u << shift));
  __m512 absolute = _mm512_setzero_ps();
  __m512 squared = absolute;
  __m512 from_signed = absolute;
  for (size_t i = 0; i < dim; i += 16) {
    const __m512 c = _mm512_loadu_ps(from + i);
    const __m512 d = _mm512_sub_ps(_mm512_loadu_ps(to + i), c);
    const __mmask16 up = _mm512_cmp_ps_mask(d, _mm512_setzero_ps(), _CMP_GE_OQ);
    absolute = _mm512_add_ps(absolute, _mm512_abs_ps(d));
    squared = _mm512_add_ps(squared, _mm512_mul_ps(d, d));
    from_signed = _mm512_mask_sub_ps(_mm512_add_ps(from_signed, c), static_cast<__mmask16>(~up),
                                     from_signed, c);
    const uint32_t signs = up;
    for (size_t g = 0; g < 4; ++g) {
      uint8_t& code = codes[(i / 4 + g) * 16 + byte];
      code = static_cast<uint8_t>((code & keep) | (((signs >> (4 * g)) & 15) << shift));
    }
  }
  return {fold(absolute), fold(squared), fold(from_signed)};
}

/// sums[g] = the magnitudes of the four components of group g, one after another, for 16 groups.
void sums_of_fours(const float* q, float* sums) {
  __m512 rows[4];
  for (size_t r = 0; r < 4; ++r)
    rows[r] = _mm512_abs_ps(_mm512_loadu_ps(q + 16 * r));
  const __m512 low01 = _mm512_unpacklo_ps(rows[0], rows[1]);
  const __m512 high01 = _mm512_unpackhi_ps(rows[0], rows[1]);
  const __m512 low23 = _mm512_unpacklo_ps(rows[2], rows[3]);
  const __m512 high23 = _mm512_unpackhi_ps(rows[2], rows[3]);
  // Component k of row r's group in lane l, at place 4 l + r.
  __m512 sum =
      _mm512_add_ps(_mm512_shuffle_ps(low01, low23, 0x44), _mm512_shuffle_ps(low01, low23, 0xEE));
  sum = _mm512_add_ps(sum, _mm512_shuffle_ps(high01, high23, 0x44));
  sum = _mm512_add_ps(sum, _mm512_shuffle_ps(high01, high23, 0xEE));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  _mm512_storeu_ps(sums, _mm512_permutexvar_ps(order, sum));
}

void lane_tables(const float* query, size_t dim, float scale, uint8_t* tables) {
  constexpr uint32_t kSign = 0x80000000u;
  // Component k is taken away where bit k of the place is not set.
  __m512 minus[4];
  constexpr __mmask16 kMinus[4] = {0x5555, 0x3333, 0x0F0F, 0x00FF};
  for (size_t k = 0; k < 4; ++k)
    minus[k] = _mm512_castsi512_ps(_mm512_maskz_set1_epi32(kMinus[k], static_cast<int32_t>(kSign)));
  const __m512 factor = _mm512_set1_ps(scale);
  for (size_t first = 0; first < dim / 4; first += 16) {
    const size_t groups = dim / 4 - first < 16 ? dim / 4 - first : 16;
    alignas(64) float padded[64] = {};
    const float* q = query + 4 * first;
    if (groups < 16) {
      __builtin_memcpy(padded, q, groups * 4 * sizeof(float));
      q = padded;
    }
    alignas(64) float sums[16];
    sums_of_fours(q, sums);
    for (size_t group = 0; group < groups; ++group) {
      __m512 sum = _mm512_set1_ps(sums[group]);
#pragma GCC unroll 4
      for (size_t k = 0; k < 4; ++k)
        sum = _mm512_add_ps(sum, _mm512_xor_ps(_mm512_set1_ps(q[4 * group + k]), minus[k]));
      const __m512i whole =
          _mm512_max_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(sum, factor)), _mm512_setzero_si512());
      _mm_storeu_si128(reinterpret_cast<__m128i*>(tables + 16 * (first + group)),
                       _mm512_cvtusepi32_epi8(whole));
    }
  }
}

void split(const float* query, size_t dim, float factor, int16_t* whole, int8_t* high,
           int8_t* low) {
  for (size_t i = 0; i < dim; i += 16) {
    const __m512i value =
        _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(query + i), _mm512_set1_ps(factor)));
    const __m512i upper = _mm512_srai_epi32(_mm512_add_epi32(value, _mm512_set1_epi32(64)), 7);
    const __m512i lower = _mm512_sub_epi32(value, _mm512_slli_epi32(upper, 7));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(whole + i), _mm512_cvtepi32_epi16(value));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(high + i), _mm512_cvtepi32_epi8(upper));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(low + i), _mm512_cvtepi32_epi8(lower));
  }
}

struct Grid {
  __m512 inverse;
  __m512 half;
  __m512 most;
};
Grid grid(float inverse, uint32_t bits) {
  return {_mm512_set1_ps(inverse), _mm512_set1_ps(static_cast<float>(1 << (bits - 1))),
          _mm512_set1_ps(static_cast<float>((1 << bits) - 1))};
}
__m512i grid_code(__m512 scaled, const Grid& g) {
  // max gives its second operand for NaN.
  const __m512 value = _mm512_max_ps(_mm512_add_ps(scaled, g.half), _mm512_setzero_ps());
  return _mm512_cvttps_epi32(_mm512_min_ps(value, g.most));
}

GridSums grid_sums(const float* v, size_t dim, float inverse, uint32_t bits) {
  const Grid g = grid(inverse, bits);
  const __m512 middle = _mm512_mul_ps(g.most, _mm512_set1_ps(0.5f));
  __m512 along = _mm512_setzero_ps();
  __m512 squared = along;
  for (size_t i = 0; i < dim; i += 16) {
    const __m512 scaled = _mm512_mul_ps(_mm512_loadu_ps(v + i), g.inverse);
    const __m512 code = _mm512_sub_ps(_mm512_cvtepi32_ps(grid_code(scaled, g)), middle);
    along = _mm512_add_ps(along, _mm512_mul_ps(scaled, code));
    squared = _mm512_add_ps(squared, _mm512_mul_ps(code, code));
  }
  return {fold(along), fold(squared)};
}

void grid_codes(const float* v, size_t dim, float inverse, uint32_t bits, uint8_t* codes) {
  const Grid g = grid(inverse, bits);
  for (size_t i = 0; i < dim; i += 16) {
    const __m512i words = grid_code(_mm512_mul_ps(_mm512_loadu_ps(v + i), g.inverse), g);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + i), _mm512_cvtepi32_epi8(words));
  }
}

void decode_u8(const uint8_t* code, size_t dim, float scale, float middle, float* out) {
  for (size_t i = 0; i < dim; i += 16) {
    const __m512 value = _mm512_cvtepi32_ps(
        _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(code + i))));
    _mm512_storeu_ps(out + i, _mm512_mul_ps(_mm512_set1_ps(scale),
                                            _mm512_sub_ps(value, _mm512_set1_ps(middle))));
  }
}

void hadamard(float* x, const float* signs, size_t n, float scale) {
  for (size_t i = 0; i < n; i += 16) {
    __m512 v = _mm512_mul_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(signs + i));
    // Where the mask is set the partner comes first: partner - v, else partner + v.
    const auto step = [&v](__m512 partner, __mmask16 second) {
      v = _mm512_mask_sub_ps(_mm512_add_ps(partner, v), second, partner, v);
    };
    step(_mm512_permute_ps(v, 0xB1), 0xAAAA);
    step(_mm512_permute_ps(v, 0x4E), 0xCCCC);
    step(_mm512_shuffle_f32x4(v, v, 0xB1), 0xF0F0);
    step(_mm512_shuffle_f32x4(v, v, 0x4E), 0xFF00);
    _mm512_storeu_ps(x + i, v);
  }
  // Two steps at once: half the way through memory.
  size_t h = 16;
  for (; 4 * h <= n; h *= 4) {
    for (size_t i = 0; i < n; i += 4 * h) {
      for (size_t j = i; j < i + h; j += 16) {
        const __m512 a = _mm512_loadu_ps(x + j);
        const __m512 b = _mm512_loadu_ps(x + j + h);
        const __m512 c = _mm512_loadu_ps(x + j + 2 * h);
        const __m512 d = _mm512_loadu_ps(x + j + 3 * h);
        const __m512 plus_ab = _mm512_add_ps(a, b);
        const __m512 minus_ab = _mm512_sub_ps(a, b);
        const __m512 plus_cd = _mm512_add_ps(c, d);
        const __m512 minus_cd = _mm512_sub_ps(c, d);
        _mm512_storeu_ps(x + j, _mm512_add_ps(plus_ab, plus_cd));
        _mm512_storeu_ps(x + j + h, _mm512_add_ps(minus_ab, minus_cd));
        _mm512_storeu_ps(x + j + 2 * h, _mm512_sub_ps(plus_ab, plus_cd));
        _mm512_storeu_ps(x + j + 3 * h, _mm512_sub_ps(minus_ab, minus_cd));
      }
    }
  }
  const __m512 factor = _mm512_set1_ps(scale);
  if (h < n) {
    for (size_t j = 0; j < h; j += 16) {
      const __m512 a = _mm512_loadu_ps(x + j);
      const __m512 b = _mm512_loadu_ps(x + j + h);
      _mm512_storeu_ps(x + j, _mm512_mul_ps(_mm512_add_ps(a, b), factor));
      _mm512_storeu_ps(x + j + h, _mm512_mul_ps(_mm512_sub_ps(a, b), factor));
    }
    return;
  }
  for (size_t i = 0; i < n; i += 16)
    _mm512_storeu_ps(x + i, _mm512_mul_ps(_mm512_loadu_ps(x + i), factor));
}

}  // namespace

const CodeKernels kAvx512CodeKernels = {dot_u8,         dot_u8_codes, dot_packed,      unpack,
                                        unpack_centred, filter_lanes, score_lanes,     encode_lane,
                                        lane_tables,    split,        grid_sums,       grid_codes,
                                        decode_u8,      hadamard,     polar_dot_avx512};

}  // namespace ferres
FERRES_TARGET_END
#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#endif
