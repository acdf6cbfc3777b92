// What a bucket lets through, and that it never starves.
#include "base/token_bucket.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

TEST(TokenBucket, LetsABurstThroughAndThenItsRate) {
  TokenBucket bucket(2, 5, 0);
  for (int i = 0; i < 5; ++i)
    EXPECT_TRUE(bucket.take(0));
  EXPECT_FALSE(bucket.take(0));
  EXPECT_DOUBLE_EQ(bucket.seconds_to_next(), 0.5);
  EXPECT_FALSE(bucket.take(kSecond / 4));
  EXPECT_TRUE(bucket.take(kSecond / 2));
  EXPECT_FALSE(bucket.take(kSecond / 2));
}

TEST(TokenBucket, GoesOnAtItsRateAfterTheBurst) {
  TokenBucket bucket(100, 1000, 0);
  uint64_t taken = 0;
  for (uint64_t ms = 0; ms < 60'000; ++ms) {
    for (int i = 0; i < 3; ++i)
      taken += bucket.take(ms * 1'000'000) ? 1 : 0;
  }
  EXPECT_GE(taken, 1000 + 100 * 59);
  EXPECT_LE(taken, 1000 + 100 * 60);
}

TEST(TokenBucket, IsFullAgainAndNeverMore) {
  TokenBucket bucket(1, 2, 0);
  EXPECT_TRUE(bucket.take(0));
  EXPECT_FALSE(bucket.full(kSecond / 2));
  EXPECT_TRUE(bucket.full(10 * kSecond));
  EXPECT_TRUE(bucket.take(10 * kSecond));
  EXPECT_TRUE(bucket.take(10 * kSecond));
  EXPECT_FALSE(bucket.take(10 * kSecond));
  EXPECT_FALSE(bucket.take(5 * kSecond));  // time that goes back gives nothing
}

}  // namespace
}  // namespace ferres
