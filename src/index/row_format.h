// How a full vector is kept: as it was sent, with half the bits of a component, or with 8 bits of
// the vector's own range. Pure functions, any thread.
//   f32   4 bytes a component, exact
//   f16   IEEE 754 binary16: 11 significant bits, magnitudes up to 65504
//   bf16  the upper half of an f32: 8 significant bits, every magnitude
//   u8    256 steps from the vector's least to its greatest component; two floats before them (the
//         middle of the range and the step)
// All round to nearest, ties to even.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace ferres {

enum class RowFormat : uint8_t { kF32, kF16, kBf16, kU8 };

/// Greatest magnitude that f16 can hold.
inline constexpr float kF16Max = 65504.0f;

/// Bytes of a row of `dim` components.
size_t row_bytes(RowFormat format, uint32_t dim);
/// Writes row_bytes() bytes. Components are finite; in f16 those beyond kF16Max become that.
void encode_row(RowFormat format, std::span<const float> vector, std::byte* row);
/// Every component it gives is finite.
void decode_row(RowFormat format, const std::byte* row, std::span<float> vector);

}  // namespace ferres
