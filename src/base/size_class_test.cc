// The classes on disk.
#include "base/size_class.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

template <class Classes>
void expect_smallest() {
  for (uint64_t bytes = 1; bytes <= (4 << 20); bytes += bytes < 8192 ? 1 : 61) {
    const uint32_t size_class = Classes::of(bytes);
    ASSERT_GE(Classes::bytes(size_class), bytes);
    if (size_class > 0) {
      ASSERT_LT(Classes::bytes(size_class - 1), bytes);
    }
  }
}

TEST(SizeClass, IsTheSmallestThatHoldsTheBytes) {
  expect_smallest<SizeClasses<16, 1024, 4>>();
  expect_smallest<SizeClasses<2, 512, 16>>();
}

TEST(SizeClass, IsWhatStoresHold) {
  EXPECT_EQ(size_class_of(0), 0u);
  EXPECT_EQ(size_class_of(1024), 63u);
  EXPECT_EQ(size_class_of(1025), 64u);
  EXPECT_EQ(size_class_bytes(64), 1280u);
  EXPECT_EQ(size_class_of(1 << 20), 103u);
  EXPECT_EQ(size_class_bytes(103), 1u << 20);
  using Records = SizeClasses<2, 512, 16>;
  EXPECT_EQ(Records::of(8), 3u);
  EXPECT_EQ(Records::of(512), 255u);
  EXPECT_EQ(Records::of(513), 256u);
  EXPECT_EQ(Records::bytes(256), 544u);
  EXPECT_EQ(Records::of(1 << 20), 431u);
}

}  // namespace
}  // namespace ferres
