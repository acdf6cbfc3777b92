// The choice between a scan and a walk: its limits, and what it learns.
#include "collection/planner.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

TEST(Planner, AFewMatchesAreScanned) {
  const Planner planner;
  EXPECT_TRUE(planner.scan_is_cheaper(0, 1'000'000, 10));
  EXPECT_TRUE(planner.scan_is_cheaper(256, 1'000'000, 1));
}

TEST(Planner, HalfOfAMillionIsWalked) {
  const Planner planner;
  EXPECT_FALSE(planner.scan_is_cheaper(500'000, 1'000'000, 100));
}

TEST(Planner, WalksThatCostMoreThanScansAreGivenUp) {
  Planner planner;
  constexpr uint64_t kMatches = 20'000;
  constexpr uint64_t kPoints = 100'000;
  ASSERT_FALSE(planner.scan_is_cheaper(kMatches, kPoints, 50));
  for (int i = 0; i < 200; ++i)
    planner.learn_walk(kMatches, kPoints, 50, 5'000'000);
  EXPECT_TRUE(planner.scan_is_cheaper(kMatches, kPoints, 50));
  // Of other shares nothing was learnt.
  EXPECT_FALSE(planner.scan_is_cheaper(4 * kMatches, kPoints, 50));
}

TEST(Planner, WalksAreTriedAgain) {
  Planner planner;
  const auto scans = [&] { return planner.scan_is_cheaper(20'000, 100'000, 50); };
  for (int i = 0; i < 200; ++i)
    planner.learn_walk(20'000, 100'000, 50, 5'000'000);
  ASSERT_TRUE(scans());
  for (int i = 0; i < 1000 && scans(); ++i)
    planner.learn_scan(20'000, 100'000, 500'000);
  EXPECT_FALSE(scans());
}

TEST(Planner, OneSlowSearchTurnsNothingRound) {
  Planner planner;
  ASSERT_FALSE(planner.scan_is_cheaper(20'000, 100'000, 50));
  planner.learn_walk(20'000, 100'000, 50, 10'000'000'000);
  EXPECT_FALSE(planner.scan_is_cheaper(20'000, 100'000, 50));
}

TEST(Planner, AClockThatStandsStillTeachesNothing) {
  Planner planner;
  for (int i = 0; i < 1000; ++i)
    planner.learn_scan(50'000, 100'000, 0);
  EXPECT_FALSE(planner.scan_is_cheaper(50'000, 100'000, 50));
}

}  // namespace
}  // namespace ferres
