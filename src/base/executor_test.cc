// ManualExecutor: its order is the seed's. The thread pool is tested in executor_threads_test.cc.
#include "base/executor.h"

#include <numeric>
#include <vector>

#include <gtest/gtest.h>

namespace ferres {
namespace {

std::vector<int> order_of(uint64_t seed) {
  ManualExecutor executor(seed);
  std::vector<int> order;
  for (int i = 0; i < 20; i++)
    executor.submit([&order, i] { order.push_back(i); });
  EXPECT_TRUE(order.empty());
  executor.run_all();
  return order;
}

TEST(ManualExecutor, OrderIsTheSeeds) {
  EXPECT_EQ(order_of(1), order_of(1));
  EXPECT_NE(order_of(1), order_of(2));
  EXPECT_EQ(order_of(1).size(), 20u);
}

TEST(ManualExecutor, RunOneRunsOneTaskAndWhatItSubmitsWaits) {
  ManualExecutor executor(1);
  int ran = 0;
  executor.submit([&] {
    ran++;
    executor.submit([&] { ran++; });
  });
  EXPECT_TRUE(executor.run_one());
  EXPECT_EQ(ran, 1);
  EXPECT_TRUE(executor.run_one());
  EXPECT_EQ(ran, 2);
  EXPECT_FALSE(executor.run_one());
}

TEST(ManualExecutor, DelayedTasksWaitForTheirTime) {
  ManualExecutor executor(1);
  int ran = 0;
  executor.submit_after(100, [&] { ran++; });
  executor.submit_after(0, [&] { ran += 10; });
  executor.run_all();
  EXPECT_EQ(ran, 10);
  executor.advance_micros(99);
  EXPECT_FALSE(executor.run_one());
  executor.advance_micros(1);
  EXPECT_TRUE(executor.run_one());
  EXPECT_EQ(ran, 11);
}

TEST(ManualExecutor, DestructionRunsWhatIsReadyAndDropsWhatIsDelayed) {
  int ran = 0;
  {
    ManualExecutor executor(1);
    executor.submit([&] { ran++; });
    executor.submit_after(1, [&] { ran += 10; });
  }
  EXPECT_EQ(ran, 1);
}

TEST(ManualExecutor, ParallelForCallsEachIndexOnceInTheSeedsOrder) {
  std::vector<size_t> order;
  ManualExecutor executor(3);
  executor.parallel_for(50, [&](size_t i) { order.push_back(i); });
  std::vector<size_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  std::vector<size_t> expected(50);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(sorted, expected);
  EXPECT_NE(order, expected);
}

}  // namespace
}  // namespace ferres
