// System, manual and commit clocks.
#include "base/clock.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace ferres {
namespace {

TEST(Clock, SystemClocksAdvance) {
  const uint64_t before = system_clock().monotonic_nanos();
  EXPECT_GT(system_clock().unix_micros(), 1'600'000'000'000'000u);
  EXPECT_GE(system_clock().monotonic_nanos(), before);
}

TEST(Clock, CpuTimeGrowsWithWorkAndAThreadsIsPartOfTheProcess) {
  const uint64_t before = thread_cpu_nanos();
  volatile uint64_t work = 0;
  while (thread_cpu_nanos() < before + 1'000'000)
    work = work + 1;
  EXPECT_GE(process_cpu_nanos(), thread_cpu_nanos() - before);
  EXPECT_GE(process_cpu_nanos(::getpid()), thread_cpu_nanos() - before);
}

TEST(CommitClock, TimesRiseStrictlyWhileTheClockStands) {
  const ManualClock clock(1000);
  CommitClock commits(clock);
  EXPECT_EQ(commits.next_micros(), 1000u);
  EXPECT_EQ(commits.next_micros(), 1001u);
  EXPECT_EQ(commits.next_micros(), 1002u);
}

TEST(CommitClock, FollowsTheClockWhenItMovesOn) {
  ManualClock clock(1000);
  CommitClock commits(clock);
  (void)commits.next_micros();
  clock.advance_micros(500);
  EXPECT_EQ(commits.next_micros(), 1500u);
}

TEST(CommitClock, StartsAfterTheNewestTimeOfALog) {
  const ManualClock clock(1000);
  CommitClock commits(clock);
  commits.advance_past(5000);
  commits.advance_past(3000);
  EXPECT_EQ(commits.next_micros(), 5001u);
}

}  // namespace
}  // namespace ferres
