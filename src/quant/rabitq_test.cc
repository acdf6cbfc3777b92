// What is particular to RaBitQ: the factor makes the estimate unbiased, and the grid's step is
// nearly the best one.
#include "quant/rabitq.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "quant/test_support.h"

namespace ferres {
namespace {

constexpr uint64_t kSeed = 33;

std::unique_ptr<Quantizer> rabitq(uint32_t bits, uint32_t dim) {
  QuantizerSpec spec;
  spec.kind = "rabitq";
  spec.bits = bits;
  auto made = create_quantizer(spec, CodeMetric::kDot, dim);
  EXPECT_TRUE(made.ok());
  return std::move(*made);
}

class RabitqTest : public testing::TestWithParam<uint32_t> {};

TEST_P(RabitqTest, DecodedProjectsOnTheVectorItself) {
  // v.decoded = |v|^2: the estimate of v against itself is exact, which is what unbiased means.
  Random random(kSeed);
  for (const uint32_t dim : {16u, 112u, 384u, 768u}) {
    const auto quantizer = rabitq(GetParam(), dim);
    AlignedVector<std::byte> code(quantizer->code_bytes());
    for (int i = 0; i < 20; ++i) {
      const Floats v = normals(dim, 0.1f, random);
      Floats decoded(dim);
      quantizer->encode(v.data(), code.data());
      quantizer->decode(code.data(), decoded.data());
      EXPECT_NEAR(exact_dot(v, decoded) / exact_dot(v, v), 1, 2e-5) << dim;
    }
  }
}

TEST_P(RabitqTest, EstimatesAreUnbiased) {
  Random random(kSeed);
  constexpr uint32_t kDim = 128;
  constexpr int kCount = 4000;
  const auto quantizer = rabitq(GetParam(), kDim);
  AlignedVector<std::byte> code(quantizer->code_bytes());
  CodeQuery query;
  double sum = 0;
  double squared = 0;
  for (int i = 0; i < kCount; ++i) {
    query.values = normals(kDim, 1, random);
    quantizer->prepare(query);
    // Along the query, where a factor that is off by a share would show.
    Floats v = normals(kDim, 1, random);
    for (uint32_t j = 0; j < kDim; ++j)
      v[j] += query.values[j];
    quantizer->encode(v.data(), code.data());
    const std::byte* const one = code.data();
    float distance = 0;
    quantizer->distances(query, &one, 1, &distance);
    const double miss = -double{distance} - exact_dot(query.values, v);
    sum += miss;
    squared += miss * miss;
  }
  const double deviation = std::sqrt(squared / kCount);
  EXPECT_LT(std::fabs(sum / kCount), 4 * deviation / std::sqrt(kCount));
}

INSTANTIATE_TEST_SUITE_P(Bits, RabitqTest, testing::Range(1u, 9u));

/// Squared share of v that is across the code on a grid of `step`.
double across(const Floats& v, uint32_t bits, double step) {
  const double most = (std::ldexp(1, static_cast<int>(bits)) - 1) / 2;
  double along = 0;
  double squared = 0;
  for (size_t i = 0; i < v.size(); ++i) {
    const double code = std::clamp(std::floor(v[i] / step) + 0.5, -most, most);
    along += code * v[i];
    squared += code * code;
  }
  return 1 - along * along / squared / exact_dot(v, v);
}

TEST_P(RabitqTest, TheStepIsNearlyTheBestOne) {
  const uint32_t bits = GetParam();
  if (bits == 1 || bits == 8) return;  // one bit has no step, eight take the largest
  Random random(kSeed);
  for (const uint32_t dim : {112u, 384u, 768u}) {
    const auto quantizer = rabitq(bits, dim);
    AlignedVector<std::byte> code(quantizer->code_bytes());
    double found = 0;
    double best = 0;
    for (int i = 0; i < 30; ++i) {
      const Floats v = normals(dim, 1, random);
      Floats decoded(dim);
      quantizer->encode(v.data(), code.data());
      quantizer->decode(code.data(), decoded.data());
      const double along = exact_dot(v, decoded);
      found += 1 - along * along / exact_dot(v, v) / exact_dot(decoded, decoded);
      double least = 1;
      const double usual = 4.0 / (1 << bits);
      for (double step = 0.3 * usual; step < 3 * usual; step *= 1.005)
        least = std::min(least, across(v, bits, step));
      best += least;
    }
    EXPECT_LT(found, (bits < 6 ? 1.02 : 1.04) * best)
        << dim << ": " << found / 30 << " of " << best / 30;
  }
}

TEST(Rabitq, CodesAreAsLongAsTheySay) {
  for (const uint32_t dim : {112u, 384u, 768u}) {
    for (uint32_t bits = 1; bits <= 7; ++bits)
      EXPECT_EQ(rabitq(bits, dim)->code_bytes(), dim * bits / 8 + 8);
    EXPECT_EQ(rabitq(8, dim)->code_bytes(), dim + 16);
  }
}

}  // namespace
}  // namespace ferres
