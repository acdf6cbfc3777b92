// What is particular to sq8: the range that it learns.
#include "quant/sq8.h"

#include <algorithm>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "quant/test_support.h"

namespace ferres {
namespace {

constexpr uint32_t kDim = 16;

std::unique_ptr<Quantizer> sq8(float quantile) {
  QuantizerSpec spec;
  spec.kind = "sq8";
  spec.quantile = quantile;
  auto made = create_quantizer(spec, CodeMetric::kL2, kDim);
  EXPECT_TRUE(made.ok());
  return std::move(*made);
}

/// The range of each component: what the farthest vectors decode to.
std::pair<float, float> range(const Quantizer& quantizer, uint32_t component) {
  std::pair<float, float> ends;
  for (float* const end : {&ends.first, &ends.second}) {
    Floats v(kDim);
    Floats decoded(kDim);
    AlignedVector<std::byte> code(quantizer.code_bytes());
    for (uint32_t i = 0; i < kDim; ++i)
      v[i] = end == &ends.first ? -1e30f : 1e30f;
    quantizer.encode(v.data(), code.data());
    quantizer.decode(code.data(), decoded.data());
    *end = decoded[component];
  }
  return ends;
}

/// Component i of row r is 100 i + r, in a mixed order.
std::vector<float> rows(size_t count) {
  std::vector<float> all;
  for (size_t r = 0; r < count; ++r) {
    for (size_t i = 0; i < kDim; ++i)
      all.push_back(static_cast<float>(100 * i + r * 7919 % count));
  }
  return all;
}

TEST(Sq8, WholeRangeIsFromLeastToMost) {
  for (const float quantile : {100.0f, 1.0f}) {
    const auto quantizer = sq8(quantile);
    quantizer->train(rows(1001));
    for (uint32_t i = 0; i < kDim; ++i) {
      EXPECT_NEAR(range(*quantizer, i).first, 100 * i, 0.01);
      EXPECT_NEAR(range(*quantizer, i).second, 100 * i + 1000, 0.01);
    }
  }
}

TEST(Sq8, AQuantileCutsAsMuchAtEitherEndAndBelowOneIsAFraction) {
  for (const float quantile : {98.0f, 0.98f}) {
    const auto quantizer = sq8(quantile);
    quantizer->train(rows(1001));
    EXPECT_NEAR(range(*quantizer, 3).first, 310, 0.01);
    EXPECT_NEAR(range(*quantizer, 3).second, 1290, 0.01);
  }
}

TEST(Sq8, ASampleReachesOverAllRows) {
  const auto quantizer = sq8(100);
  quantizer->train(rows(50'000));
  EXPECT_LT(range(*quantizer, 0).first, 50);
  EXPECT_GT(range(*quantizer, 0).second, 49'950);
}

TEST(Sq8, WhatIsNoNumberIsNotLearntFrom) {
  std::vector<float> sample = rows(1001);
  for (size_t i = 0; i < sample.size(); i += 37)
    sample[i] = i % 2 == 0 ? std::numeric_limits<float>::quiet_NaN()
                           : std::numeric_limits<float>::infinity();
  const auto quantizer = sq8(100);
  quantizer->train(sample);
  for (uint32_t i = 0; i < kDim; ++i) {
    EXPECT_NEAR(range(*quantizer, i).first, 100 * i, 20);
    EXPECT_NEAR(range(*quantizer, i).second, 100 * i + 1000, 20);
  }
}

TEST(Sq8, AComponentThatIsAlwaysTheSameIsExact) {
  const auto quantizer = sq8(99.5f);
  const std::vector<float> same(size_t{20} * kDim, 4.25f);
  quantizer->train(same);
  EXPECT_EQ(range(*quantizer, 5), (std::pair{4.25f, 4.25f}));
}

TEST(Sq8, RefusesAQuantileThatIsNone) {
  for (const float quantile : {0.0f, -1.0f, 100.5f, std::numeric_limits<float>::quiet_NaN()}) {
    QuantizerSpec spec;
    spec.kind = "sq8";
    spec.quantile = quantile;
    EXPECT_EQ(create_quantizer(spec, CodeMetric::kL2, kDim).error().code(), Code::kInvalidArgument);
  }
}

}  // namespace
}  // namespace ferres
