// Kernels read whole lines: what stands beyond the last element matters.
#include "base/aligned.h"

#include <cstdint>
#include <utility>

#include <gtest/gtest.h>

namespace ferres {
namespace {

TEST(AlignedVector, StartsOnALineAndIsZeroUpToTheNext) {
  AlignedVector<int16_t> v(5);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(v.data()) % 64, 0u);
  for (size_t i = 0; i < 32; ++i)
    EXPECT_EQ(v.data()[i], 0);
}

TEST(AlignedVector, WhatALongerUseLeftBehindIsNotSeenBeyondAShorterOne) {
  AlignedVector<uint8_t> v(200);
  for (size_t i = 0; i < 200; ++i)
    v[i] = 9;
  v.resize(80);
  EXPECT_EQ(v.size(), 80u);
  for (size_t i = 80; i < 128; ++i)
    EXPECT_EQ(v.data()[i], 0) << i;
}

TEST(AlignedVector, OneMovedFromCanBeUsedAgain) {
  AlignedVector<float> v(7);
  const AlignedVector<float> other = std::move(v);
  v.resize(3);  // NOLINT(bugprone-use-after-move): that is the point
  EXPECT_NE(v.data(), nullptr);
  EXPECT_EQ(v[2], 0);
}

}  // namespace
}  // namespace ferres
