// Tests of base/hash.h.
#include "base/hash.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

TEST(Hash, IsTheSameInEveryRelease) {
  // XXH3 with seed 0 of "" and "a", from the specification's reference implementation.
  EXPECT_EQ(hash_bytes(as_bytes(""), 0), 0x2D06800538D394C2ull);
  EXPECT_EQ(hash_bytes(as_bytes("a"), 0), 0xE6C632B61E964E1Full);
}

TEST(Hash, WideIsTheSameInEveryRelease) {
  EXPECT_EQ(hash_bytes_128(as_bytes(""), 0).high, 0x99AA06D3014798D8ull);
  EXPECT_EQ(hash_bytes_128(as_bytes(""), 0).low, 0x6001C324468D497Full);
  EXPECT_NE(hash_bytes_128(as_bytes("a"), 0).high, hash_bytes_128(as_bytes("a"), 1).high);
}

TEST(Hash, DependsOnTheSeed) {
  EXPECT_NE(hash_bytes(as_bytes("point"), 1), hash_bytes(as_bytes("point"), 2));
}

}  // namespace
}  // namespace ferres
