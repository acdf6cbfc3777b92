// Rounding and ranges of the forms that a full vector is kept in.
#include "index/row_format.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"

namespace ferres {
namespace {

std::vector<float> through(RowFormat format, const std::vector<float>& vector) {
  std::vector<std::byte> row(row_bytes(format, static_cast<uint32_t>(vector.size())));
  encode_row(format, vector, row.data());
  std::vector<float> back(vector.size());
  decode_row(format, row.data(), back);
  return back;
}

float once(RowFormat format, float value) {
  return through(format, {value})[0];
}

TEST(RowFormat, F32ComesBackAsItWas) {
  const std::vector<float> vector = {0, -0.0f, 1e-40f, -3.4e38f, 0.1f};
  EXPECT_EQ(through(RowFormat::kF32, vector), vector);
  EXPECT_EQ(row_bytes(RowFormat::kF32, 5), 20u);
}

// _Float16 is the compiler's own binary16: slow here, and right.
TEST(RowFormat, F16RoundsAsTheStandardSays) {
  Random random(20261126);
  const auto check = [](float value) {
    const auto expected = static_cast<float>(static_cast<_Float16>(value));
    ASSERT_EQ(std::bit_cast<uint32_t>(once(RowFormat::kF16, value)),
              std::bit_cast<uint32_t>(expected))
        << value;
  };
  for (int i = 0; i < 1'000'000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<uint32_t>(random.next()));
    if (std::fabs(value) <= kF16Max) check(value);
    check(static_cast<float>(random.unit() * 2 - 1));
    check(static_cast<float>((random.unit() * 2 - 1) * 1e-6));
  }
  for (const float value : {0.0f, -0.0f, kF16Max, -kF16Max, 0x1p-24f, 0x1p-25f, 0x1p-14f,
                            std::nextafter(0x1p-14f, 0.0f), 1 + 0x1p-11f, 1 + 0x1.8p-10f}) {
    check(value);
  }
}

TEST(RowFormat, EveryF16ComesBackAsItself) {
  for (uint32_t bits = 0; bits < 0x7C00; ++bits) {
    const auto value = static_cast<float>(std::bit_cast<_Float16>(static_cast<uint16_t>(bits)));
    EXPECT_EQ(once(RowFormat::kF16, value), value);
    EXPECT_EQ(once(RowFormat::kF16, -value), -value);
  }
}

TEST(RowFormat, BeyondTheGreatestF16IsTheGreatest) {
  EXPECT_EQ(once(RowFormat::kF16, 65519.0f), kF16Max);
  EXPECT_EQ(once(RowFormat::kF16, 1e30f), kF16Max);
  EXPECT_EQ(once(RowFormat::kF16, -1e30f), -kF16Max);
}

TEST(RowFormat, Bf16RoundsToNearestAndStaysFinite) {
  EXPECT_EQ(once(RowFormat::kBf16, 1.0f), 1.0f);
  EXPECT_EQ(once(RowFormat::kBf16, 1 + 0x1p-8f), 1.0f);            // a tie goes to the even one
  EXPECT_EQ(once(RowFormat::kBf16, 1 + 0x1.8p-7f), 1 + 0x1p-6f);   // here upwards
  EXPECT_EQ(once(RowFormat::kBf16, 1 + 0x1.01p-8f), 1 + 0x1p-7f);  // just above a tie
  const float greatest = std::numeric_limits<float>::max();
  EXPECT_TRUE(std::isfinite(once(RowFormat::kBf16, greatest)));
  EXPECT_TRUE(std::isfinite(once(RowFormat::kBf16, -greatest)));
  Random random(7);
  for (int i = 0; i < 1'000'000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<uint32_t>(random.next()));
    if (!std::isfinite(value) || std::fabs(value) < 1e-37f) continue;
    ASSERT_LE(std::fabs(once(RowFormat::kBf16, value) - value), std::fabs(value) * 0x1p-8f);
  }
}

TEST(RowFormat, U8IsOffByHalfAStepAtMost) {
  Random random(8);
  for (const uint32_t dim : {1u, 2u, 17u, 384u}) {
    for (const double scale : {1e-30, 1.0, 1e30}) {
      std::vector<float> vector(dim);
      for (float& value : vector)
        value = static_cast<float>((random.unit() * 2 - 0.5) * scale);
      const std::vector<float> back = through(RowFormat::kU8, vector);
      const auto [least, greatest] = std::minmax_element(vector.begin(), vector.end());
      const double step = (double{*greatest} - *least) / 255;
      for (uint32_t i = 0; i < dim; ++i)
        EXPECT_NEAR(back[i], vector[i], step * 0.5001 + std::fabs(vector[i]) * 1e-6);
    }
  }
}

TEST(RowFormat, U8HoldsOneValueManyTimesAndTheWidestRange) {
  EXPECT_EQ(through(RowFormat::kU8, {3.5f, 3.5f}), (std::vector<float>{3.5f, 3.5f}));
  const float greatest = std::numeric_limits<float>::max();
  const std::vector<float> back = through(RowFormat::kU8, {greatest, -greatest, 0});
  EXPECT_NEAR(back[0] / greatest, 1, 1e-5);
  EXPECT_NEAR(back[1] / greatest, -1, 1e-5);
}

}  // namespace
}  // namespace ferres
