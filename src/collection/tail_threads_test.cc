// Tests of collection/tail.h, with a reader beside the lane.
#include <algorithm>
#include <atomic>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/executor.h"
#include "collection/tail.h"

namespace ferres {
namespace {

TEST(Tail, PopsInTheOrderOfPushes) {
  Tail tail;
  for (Slot i = 0; i < 20'000; ++i)
    tail.push(i);
  EXPECT_EQ(tail.size(), 20'000u);
  EXPECT_EQ(tail.front(3), (std::vector<Slot>{0, 1, 2}));
  tail.pop(10'001);
  EXPECT_EQ(tail.front(2), (std::vector<Slot>{10'001, 10'002}));
  std::vector<Slot> slots;
  const EpochGuard guard;
  tail.snapshot(slots);
  EXPECT_EQ(slots.size(), 9'999u);
  EXPECT_EQ(slots.back(), 19'999u);
}

TEST(Tail, HoldsASlotOnce) {
  Tail tail;
  for (int i = 0; i < 100; ++i) {
    tail.push(7);
    tail.push(9);
  }
  EXPECT_EQ(tail.front(5), (std::vector<Slot>{7, 9}));
  tail.pop(1);
  tail.push(7);
  EXPECT_EQ(tail.front(5), (std::vector<Slot>{9, 7}));
}

TEST(TailThreads, SnapshotIsAlwaysARunOfPushes) {
  Tail tail;
  std::atomic<bool> done{false};
  const auto pool = make_thread_pool(2);
  pool->parallel_for(2, [&](size_t role) {
    if (role == 0) {
      for (Slot i = 1; i <= 200'000; ++i) {
        tail.push(i);
        if (i % 3 == 0) tail.pop(std::min<uint64_t>(tail.size(), 4));
      }
      done = true;
      return;
    }
    std::vector<Slot> slots;
    do {
      const EpochGuard guard;
      tail.snapshot(slots);
      for (size_t i = 1; i < slots.size(); ++i)
        ASSERT_EQ(slots[i], slots[i - 1] + 1);
    } while (!done);
  });
}

}  // namespace
}  // namespace ferres
