// The generator's promises: repeatable, spread, within limits.
#include "base/random.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

TEST(Random, SameSeedGivesTheSameNumbersOnEveryMachine) {
  Random random(42);
  // Computed from the authors' reference code; a change here would break recorded seeds.
  EXPECT_EQ(random.next(), 0x15780B2E0C2EC716u);
  EXPECT_EQ(random.next(), 0x6104D9866D113A7Eu);
  EXPECT_EQ(random.next(), 0xAE17533239E499A1u);
}

TEST(Random, BelowCoversItsRangeEvenly) {
  Random random(1);
  std::array<int, 10> seen{};
  for (int i = 0; i < 10000; i++)
    seen.at(random.below(10))++;
  for (const int count : seen) {
    EXPECT_GT(count, 800);
    EXPECT_LT(count, 1200);
  }
  EXPECT_EQ(random.below(1), 0u);
  EXPECT_EQ(random.below(0), 0u);
}

TEST(Random, UnitStaysBelowOne) {
  Random random(2);
  double sum = 0;
  for (int i = 0; i < 10000; i++) {
    const double value = random.unit();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

TEST(Random, KernelBytesDiffer) {
  EXPECT_NE(random_seed(), random_seed());
  std::vector<std::byte> bytes(1000);
  random_bytes(bytes);
  EXPECT_NE(bytes, std::vector<std::byte>(1000));
}

TEST(Random, UuidHasTheRightForm) {
  const std::string uuid = random_uuid();
  ASSERT_EQ(uuid.size(), 36u);
  EXPECT_EQ(uuid[8], '-');
  EXPECT_EQ(uuid[14], '4');
  EXPECT_NE(std::string("89ab").find(uuid[19]), std::string::npos);
  EXPECT_NE(uuid, random_uuid());
}

TEST(Random, HexIsLowerCase) {
  EXPECT_EQ(to_hex(as_bytes(std::string_view("\x00\xff\x1a", 3))), "00ff1a");
}

}  // namespace
}  // namespace ferres
