// See row_format.h. Loops without branches, which compilers turn into vector code.
#include "index/row_format.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace ferres {
namespace {

constexpr uint32_t kSign = 0x80000000u;
constexpr uint32_t kF16Bias = 112u << 23;  // of an f32 exponent over an f16 one
// 0.5: adding it to a magnitude below 2^-14 leaves the f16 subnormal in the last bits.
constexpr uint32_t kHalf = 126u << 23;
constexpr uint32_t kF16Least = 113u << 23;  // 2^-14, the least normal f16
constexpr uint32_t kBf16Greatest = 0x7F7F;  // rounding up would make it infinite
constexpr float kSteps = 255;

uint16_t to_f16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const float size = std::min(std::fabs(value), kF16Max);
  const uint32_t magnitude = std::bit_cast<uint32_t>(size);
  const uint32_t normal = (magnitude - kF16Bias + 0xFFF + ((magnitude >> 13) & 1)) >> 13;
  const uint32_t subnormal = std::bit_cast<uint32_t>(size + std::bit_cast<float>(kHalf)) - kHalf;
  const uint32_t half = magnitude < kF16Least ? subnormal : normal;
  return static_cast<uint16_t>(half | (bits & kSign) >> 16);
}

float from_f16(uint16_t half) {
  constexpr float kScale = 0x1p112f;
  const uint32_t magnitude = (half & 0x7FFFu) << 13;
  const float size = std::bit_cast<float>(magnitude) * kScale;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(size) | (half & 0x8000u) << 16);
}

uint16_t to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t magnitude = bits & ~kSign;
  const uint32_t rounded = (magnitude + 0x7FFF + ((magnitude >> 16) & 1)) >> 16;
  return static_cast<uint16_t>(std::min(rounded, kBf16Greatest) | (bits & kSign) >> 16);
}

float from_bf16(uint16_t half) {
  return std::bit_cast<float>(uint32_t{half} << 16);
}

struct U8Range {
  float middle = 0;
  float step = 0;
};

void encode_u8(std::span<const float> vector, std::byte* row) {
  const auto [least, greatest] = std::minmax_element(vector.begin(), vector.end());
  U8Range range;
  range.middle = static_cast<float>((double{*least} + *greatest) / 2);
  range.step = static_cast<float>((double{*greatest} - *least) / double{kSteps});
  std::memcpy(row, &range, sizeof range);
  auto* const codes = reinterpret_cast<uint8_t*>(row + sizeof range);
  for (size_t i = 0; i < vector.size(); ++i) {
    const double steps =
        range.step > 0 ? (double{vector[i]} - double{range.middle}) / double{range.step} : 0;
    codes[i] = static_cast<uint8_t>(
        std::clamp(std::nearbyint(steps + double{kSteps} / 2), 0.0, double{kSteps}));
  }
}

void decode_u8(const std::byte* row, std::span<float> vector) {
  U8Range range;
  std::memcpy(&range, row, sizeof range);
  const auto* const codes = reinterpret_cast<const uint8_t*>(row + sizeof range);
  for (size_t i = 0; i < vector.size(); ++i)
    vector[i] = range.middle + (static_cast<float>(codes[i]) - kSteps / 2) * range.step;
}

template <class Encode>
void encode_halves(std::span<const float> vector, std::byte* row, Encode encode) {
  auto* const halves = reinterpret_cast<uint16_t*>(row);
  for (size_t i = 0; i < vector.size(); ++i)
    halves[i] = encode(vector[i]);
}

template <class Decode>
void decode_halves(const std::byte* row, std::span<float> vector, Decode decode) {
  const auto* const halves = reinterpret_cast<const uint16_t*>(row);
  for (size_t i = 0; i < vector.size(); ++i)
    vector[i] = decode(halves[i]);
}

}  // namespace

size_t row_bytes(RowFormat format, uint32_t dim) {
  switch (format) {
    case RowFormat::kF32:
      return size_t{dim} * sizeof(float);
    case RowFormat::kF16:
    case RowFormat::kBf16:
      return size_t{dim} * sizeof(uint16_t);
    case RowFormat::kU8:
      break;
  }
  return sizeof(U8Range) + dim;
}

void encode_row(RowFormat format, std::span<const float> vector, std::byte* row) {
  switch (format) {
    case RowFormat::kF32:
      std::memcpy(row, vector.data(), vector.size_bytes());
      return;
    case RowFormat::kF16:
      encode_halves(vector, row, to_f16);
      return;
    case RowFormat::kBf16:
      encode_halves(vector, row, to_bf16);
      return;
    case RowFormat::kU8:
      encode_u8(vector, row);
      return;
  }
}

void decode_row(RowFormat format, const std::byte* row, std::span<float> vector) {
  switch (format) {
    case RowFormat::kF32:
      std::memcpy(vector.data(), row, vector.size_bytes());
      return;
    case RowFormat::kF16:
      decode_halves(row, vector, from_f16);
      return;
    case RowFormat::kBf16:
      decode_halves(row, vector, from_bf16);
      return;
    case RowFormat::kU8:
      decode_u8(row, vector);
      return;
  }
}

}  // namespace ferres
