// The thread pool under real threads; also run under TSan.
#include <atomic>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/executor.h"
#include "base/mutex.h"

namespace ferres {
namespace {

/// Opens once; tasks and tests wait at it instead of sleeping.
class Gate {
 public:
  void open() {
    const MutexLock lock(mutex_);
    open_ = true;
    cv_.signal_all();
  }
  void wait() {
    const MutexLock lock(mutex_);
    while (!open_)
      cv_.wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar cv_;
  bool open_ = false;
};

TEST(ThreadPool, DestructionRunsEverythingQueuedAndWhatThatSubmits) {
  std::atomic<int> ran = 0;
  {
    const auto pool = make_thread_pool(3);
    EXPECT_EQ(pool->workers(), 3u);
    for (int i = 0; i < 1000; i++) {
      pool->submit([&] {
        ran++;
        pool->submit([&] { ran++; });
      });
    }
  }
  EXPECT_EQ(ran, 2000);
}

TEST(ThreadPool, ZeroThreadsMeansOne) {
  EXPECT_EQ(make_thread_pool(0)->workers(), 1u);
}

TEST(ThreadPool, DelayedTasksRunInOrderOfTheirTimeAndNotBefore) {
  const auto pool = make_thread_pool(1);
  std::vector<int> order;
  Gate done;
  const uint64_t start = system_clock().monotonic_nanos();
  uint64_t ran_at = 0;
  pool->submit_after(8000, [&] {
    order.push_back(3);
    done.open();
  });
  pool->submit_after(2000, [&] {
    order.push_back(1);
    ran_at = system_clock().monotonic_nanos();
  });
  pool->submit_after(4000, [&] { order.push_back(2); });
  done.wait();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  EXPECT_GE(ran_at - start, 2'000'000u);
}

TEST(ThreadPool, TimersFireWhileOtherWorkersAreIdleOrBusy) {
  const auto pool = make_thread_pool(4);
  Gate release;
  Gate fired;
  pool->submit([&] { release.wait(); });
  pool->submit_after(1000, [&] { fired.open(); });
  pool->submit([&] { release.wait(); });
  fired.wait();
  release.open();
}

TEST(ThreadPool, EveryTimerOfManyFires) {
  const auto pool = make_thread_pool(3);
  std::atomic<int> left = 200;
  Gate done;
  for (int i = 0; i < 200; i++) {
    pool->submit_after(static_cast<uint64_t>(i * 37 % 3000), [&] {
      if (--left == 0) done.open();
    });
    pool->submit([] {});
  }
  done.wait();
}

TEST(ThreadPool, DestructionDropsDelayedTasks) {
  auto kept = std::make_shared<int>(1);
  {
    const auto pool = make_thread_pool(2);
    pool->submit_after(3600ull * 1000 * 1000, [kept] { FAIL(); });
    EXPECT_EQ(kept.use_count(), 2);
  }
  EXPECT_EQ(kept.use_count(), 1);
}

TEST(ThreadPool, ParallelForCallsEachIndexOnce) {
  const auto pool = make_thread_pool(3);
  for (const size_t count : {0, 1, 2, 3, 7, 1000}) {
    std::vector<std::atomic<int>> calls(count);
    pool->parallel_for(count, [&](size_t i) { calls[i]++; });
    for (const auto& called : calls)
      EXPECT_EQ(called, 1) << "count " << count;
  }
}

TEST(ThreadPool, ParallelForWritesAreSeenByTheCaller) {
  const auto pool = make_thread_pool(3);
  for (int round = 0; round < 200; round++) {
    std::vector<int> plain(16);  // not atomic: TSan checks the hand-over
    pool->parallel_for(plain.size(), [&](size_t i) { plain[i] = static_cast<int>(i) + round; });
    for (size_t i = 0; i < plain.size(); i++)
      ASSERT_EQ(plain[i], static_cast<int>(i) + round);
  }
}

TEST(ThreadPool, FreeWorkersHelp) {
  const auto pool = make_thread_pool(2);
  // Ends only when two calls of body are inside at once.
  std::atomic<int> inside = 0;
  Gate both;
  pool->parallel_for(2, [&](size_t) {
    if (++inside == 2) both.open();
    both.wait();
  });
  EXPECT_EQ(inside, 2);
}

TEST(ThreadPool, ParallelForEndsWhenAllWorkersAreBusy) {
  const auto pool = make_thread_pool(2);
  Gate release;
  for (int i = 0; i < 2; i++)
    pool->submit([&] { release.wait(); });
  std::atomic<int> calls = 0;
  pool->parallel_for(100, [&](size_t) { calls++; });
  EXPECT_EQ(calls, 100);
  release.open();
}

TEST(ThreadPool, ParallelForNestsInsideTasks) {
  std::atomic<int> calls = 0;
  {
    const auto pool = make_thread_pool(2);
    for (int task = 0; task < 20; task++) {
      pool->submit([&] {
        pool->parallel_for(5, [&](size_t) { pool->parallel_for(5, [&](size_t) { calls++; }); });
      });
    }
  }
  EXPECT_EQ(calls, 500);
}

TEST(ThreadPool, ManyCallersShareTheWorkers) {
  const auto pool = make_thread_pool(2);
  const auto callers = make_thread_pool(4);
  std::atomic<int> calls = 0;
  callers->parallel_for(8, [&](size_t) {
    for (int i = 0; i < 50; i++)
      pool->parallel_for(3, [&](size_t) { calls++; });
  });
  EXPECT_EQ(calls, 8 * 50 * 3);
}

}  // namespace
}  // namespace ferres
