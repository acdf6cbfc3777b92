// The classes on disk.
#include "base/size_class.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

TEST(SizeClass, IsTheSmallestThatHoldsTheBytes) {
  for (uint64_t bytes = 1; bytes <= (4 << 20); bytes += bytes < 8192 ? 1 : 61) {
    const uint32_t size_class = size_class_of(bytes);
    ASSERT_GE(size_class_bytes(size_class), bytes);
    if (size_class > 0) {
      ASSERT_LT(size_class_bytes(size_class - 1), bytes);
    }
  }
}

TEST(SizeClass, IsWhatStoresHold) {
  EXPECT_EQ(size_class_of(0), 0u);
  EXPECT_EQ(size_class_of(1024), 63u);
  EXPECT_EQ(size_class_of(1025), 64u);
  EXPECT_EQ(size_class_bytes(64), 1280u);
  EXPECT_EQ(size_class_of(1 << 20), 103u);
  EXPECT_EQ(size_class_bytes(103), 1u << 20);
}

}  // namespace
}  // namespace ferres
