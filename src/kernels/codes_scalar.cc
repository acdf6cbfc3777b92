// The kernels on codes in plain C++: for CPUs without AVX2, and the form that the others are tested
// against. Thread-safe: pure functions.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/codes.h"
#include "kernels/tables.h"

#if defined(__SANITIZE_THREAD__)
#define FERRES_NO_TSAN __attribute__((no_sanitize("thread")))
#else
#define FERRES_NO_TSAN
#endif

namespace ferres {
namespace {

constexpr size_t kGroupBytes = 16;  // of codes and of a table, for four dimensions

void dot_u8(const SplitQuery& query, const uint8_t* const* rows, size_t count, size_t dim,
            int32_t* out) {
  for (size_t i = 0; i < count; ++i) {
    uint32_t sum = 0;  // may go round
    for (size_t j = 0; j < dim; ++j)
      sum += static_cast<uint32_t>(query.whole[j] * rows[i][j]);
    out[i] = static_cast<int32_t>(sum);
  }
}

void dot_u8_codes(const uint8_t* from, const uint8_t* const* rows, size_t count, size_t dim,
                  int32_t* out) {
  for (size_t i = 0; i < count; ++i) {
    int32_t sum = 0;
    for (size_t j = 0; j < dim; ++j)
      sum += from[j] * (rows[i][j] - 128);
    out[i] = sum;
  }
}

/// Calls take(component, value of these `width` bits) over one part of a packed code.
template <class Take>
void over_part(const uint8_t* part, size_t dim, uint32_t width, Take&& take) {
  const size_t bytes = packed_bytes(dim, width);
  const uint32_t mask = (1u << width) - 1;
  for (size_t j = 0; j < bytes; ++j) {
    for (size_t k = 0; k < 8 / width; ++k)
      take(k * bytes + j, static_cast<int32_t>(part[j] >> (k * width) & mask));
  }
}

void dot_packed(const int8_t* query, const uint8_t* const* rows, size_t count, size_t dim,
                uint32_t bits, int32_t* out) {
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* part = rows[i];
    int32_t sum = 0;
    for (uint32_t width = 4; width > 0; width /= 2) {
      if ((bits & width) == 0) continue;
      sum *= 1 << width;
      over_part(part, dim, width, [&](size_t j, int32_t value) { sum += query[j] * value; });
      part += packed_bytes(dim, width);
    }
    out[i] = sum;
  }
}

void unpack(const uint8_t* code, size_t dim, uint32_t bits, uint8_t* out) {
  if (bits == 8) {
    std::memcpy(out, code, dim);
    return;
  }
  std::memset(out, 0, dim);
  for (uint32_t width = 4; width > 0; width /= 2) {
    if ((bits & width) == 0) continue;
    over_part(code, dim, width, [&](size_t j, int32_t value) {
      out[j] = static_cast<uint8_t>(out[j] << width | value);
    });
    code += packed_bytes(dim, width);
  }
}

int32_t unpack_centred(const uint8_t* code, size_t dim, uint32_t bits, int8_t* out) {
  unpack(code, dim, bits, reinterpret_cast<uint8_t*>(out));
  int32_t sum = 0;
  for (size_t j = 0; j < dim; ++j) {
    out[j] = static_cast<int8_t>(2 * out[j] - ((1 << bits) - 1));
    sum += out[j];
  }
  return sum;
}

/// The lane of a byte of a group: even bytes are lanes 0-7, odd ones 8-15.
constexpr size_t lane_of_byte(size_t byte) {
  return byte / 2 + (byte % 2) * 8;
}

FERRES_NO_TSAN uint32_t filter_lanes(const LaneBlock& block, const LaneQuery& query, size_t dim,
                                     const LaneLimit& limit, float* estimates) {
  std::array<uint16_t, kLaneGroup> sums{};
  for (size_t group = 0; group < dim / 4; ++group) {
    const uint8_t* const codes = block.codes + group * kGroupBytes;
    const uint8_t* const table = query.tables + group * kGroupBytes;
    for (size_t byte = 0; byte < kGroupBytes; ++byte) {
      sums[lane_of_byte(byte)] += table[codes[byte] & 15];
      sums[lane_of_byte(byte) + 16] += table[codes[byte] >> 4];
    }
  }
  uint32_t mask = 0;
  for (size_t lane = 0; lane < kLaneGroup; ++lane) {
    const float signs = query.bias + query.scale * static_cast<float>(sums[lane]);
    estimates[lane] = limit.distance + (block.base[lane] + block.slope[lane] * signs);
    mask |= static_cast<uint32_t>(!(estimates[lane] > limit.limit)) << lane;
  }
  return mask;
}

FERRES_NO_TSAN uint32_t score_lanes(const LaneValues& lanes, const float* query, size_t dim,
                                    float limit, float* distances) {
  for (size_t lane = 0; lane < kLaneGroup; ++lane)
    distances[lane] = lanes.base[lane];
  for (size_t j = 0; j < dim; ++j) {
    for (size_t lane = 0; lane < kLaneGroup; ++lane)
      distances[lane] -= query[j] * lanes.values[kLaneGroup * j + lane];
  }
  uint32_t mask = 0;
  for (size_t lane = 0; lane < kLaneGroup; ++lane)
    mask |= static_cast<uint32_t>(!(distances[lane] > limit)) << lane;
  return mask;
}

/// Adds sixteen sums in the order in which a vector register is folded.
float fold(const std::array<float, 16>& sums) {
  std::array<float, 8> eight{};
  for (size_t i = 0; i < 8; ++i)
    eight[i] = sums[i] + sums[i + 8];
  return ((eight[0] + eight[4]) + (eight[2] + eight[6])) +
         ((eight[1] + eight[5]) + (eight[3] + eight[7]));
}

LaneSums encode_lane(const float* from, const float* to, size_t dim, uint32_t lane,
                     uint8_t* codes) {
  const uint32_t half = lane & 15;
  const size_t byte = half < 8 ? 2 * half : 2 * (half - 8) + 1;
  const uint32_t shift = (lane & 16) != 0 ? 4 : 0;
  const auto keep = static_cast<uint8_t>(~(15u << shift));
  std::array<float, 16> absolute{};
  std::array<float, 16> squared{};
  std::array<float, 16> from_signed{};
  for (size_t i = 0; i < dim; i += 16) {
    uint32_t signs = 0;
    for (size_t j = 0; j < 16; ++j) {
      const float d = to[i + j] - from[i + j];
      const bool up = d >= 0;
      signs |= static_cast<uint32_t>(up) << j;
      absolute[j] = absolute[j] + std::fabs(d);
      squared[j] = squared[j] + d * d;
      from_signed[j] = up ? from_signed[j] + from[i + j] : from_signed[j] - from[i + j];
    }
    for (size_t g = 0; g < 4; ++g) {
      uint8_t& code = codes[(i / 4 + g) * kGroupBytes + byte];
      code = static_cast<uint8_t>((code & keep) | (((signs >> (4 * g)) & 15) << shift));
    }
  }
  return {fold(absolute), fold(squared), fold(from_signed)};
}

void lane_tables(const float* query, size_t dim, float scale, uint8_t* tables) {
  for (size_t group = 0; group < dim / 4; ++group) {
    const float* const q = query + group * 4;
    const float magnitude = std::fabs(q[0]) + std::fabs(q[1]) + std::fabs(q[2]) + std::fabs(q[3]);
    for (uint32_t bits = 0; bits < 16; ++bits) {
      float sum = magnitude;
      for (uint32_t k = 0; k < 4; ++k)
        sum = (bits >> k & 1) != 0 ? sum + q[k] : sum - q[k];
      // What is no number is a large negative one here.
      const long whole = std::clamp(std::lrintf(sum * scale), 0L, 255L);
      tables[group * kGroupBytes + bits] = static_cast<uint8_t>(whole);
    }
  }
}

void split(const float* query, size_t dim, float factor, int16_t* whole, int8_t* high,
           int8_t* low) {
  for (size_t i = 0; i < dim; ++i) {
    const auto value = static_cast<int32_t>(std::lrintf(query[i] * factor));
    const int32_t upper = (value + 64) >> 7;
    whole[i] = static_cast<int16_t>(value);
    high[i] = static_cast<int8_t>(upper);
    low[i] = static_cast<int8_t>(value - 128 * upper);
  }
}

int32_t grid_code(float v, float inverse, uint32_t bits) {
  const float value = v * inverse + static_cast<float>(1 << (bits - 1));
  const float least = value > 0 ? value : 0.0f;  // NaN too
  const auto most = static_cast<float>((1 << bits) - 1);
  return static_cast<int32_t>(least < most ? least : most);
}

GridSums grid_sums(const float* v, size_t dim, float inverse, uint32_t bits) {
  const float middle = static_cast<float>((1 << bits) - 1) / 2;
  std::array<float, 16> along{};
  std::array<float, 16> squared{};
  for (size_t i = 0; i < dim; i += 16) {
    for (size_t j = 0; j < 16; ++j) {
      const float code = static_cast<float>(grid_code(v[i + j], inverse, bits)) - middle;
      along[j] = along[j] + v[i + j] * inverse * code;
      squared[j] = squared[j] + code * code;
    }
  }
  return {fold(along), fold(squared)};
}

void grid_codes(const float* v, size_t dim, float inverse, uint32_t bits, uint8_t* codes) {
  for (size_t i = 0; i < dim; ++i)
    codes[i] = static_cast<uint8_t>(grid_code(v[i], inverse, bits));
}

void decode_u8(const uint8_t* code, size_t dim, float scale, float middle, float* out) {
  for (size_t i = 0; i < dim; ++i)
    out[i] = scale * (static_cast<float>(code[i]) - middle);
}

void hadamard(float* x, const float* signs, size_t n, float scale) {
  for (size_t i = 0; i < n; ++i)
    x[i] = x[i] * signs[i];
  for (size_t h = 1; h < n; h *= 2) {
    for (size_t i = 0; i < n; i += 2 * h) {
      for (size_t j = i; j < i + h; ++j) {
        const float a = x[j];
        const float b = x[j + h];
        x[j] = a + b;
        x[j + h] = a - b;
      }
    }
  }
  for (size_t i = 0; i < n; ++i)
    x[i] = x[i] * scale;
}

}  // namespace

const CodeKernels kScalarCodeKernels = {dot_u8,         dot_u8_codes, dot_packed,      unpack,
                                        unpack_centred, filter_lanes, score_lanes,     encode_lane,
                                        lane_tables,    split,        grid_sums,       grid_codes,
                                        decode_u8,      hadamard,     polar_dot_scalar};

}  // namespace ferres
