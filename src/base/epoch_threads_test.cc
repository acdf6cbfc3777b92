// Epochs under real threads; also run under TSan, which sees a use of freed memory or a missing
// happens-before edge.
#include <atomic>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/epoch.h"

namespace ferres {
namespace {

TEST(Epoch, PassesAtOnceWithoutReaders) {
  EXPECT_TRUE(epoch_passed(epoch_advance()));
}

TEST(Epoch, WaitsForTheGuardThatWasThereBefore) {
  uint64_t ticket = 0;
  {
    const EpochGuard guard;
    ticket = epoch_advance();
    EXPECT_FALSE(epoch_passed(ticket));
  }
  EXPECT_TRUE(epoch_passed(ticket));
}

TEST(Epoch, DoesNotWaitForGuardsThatCameLater) {
  const uint64_t ticket = epoch_advance();
  const EpochGuard guard;
  EXPECT_TRUE(epoch_passed(ticket));
}

TEST(Epoch, NestedGuardsCountAsTheOutermost) {
  const auto outer = std::make_unique<EpochGuard>();
  const uint64_t ticket = epoch_advance();
  {
    const EpochGuard inner;
    EXPECT_FALSE(epoch_passed(ticket));
  }
  EXPECT_FALSE(epoch_passed(ticket));
  (void)outer;
}

TEST(Epoch, GuardOfAnotherThreadHoldsTheTicketBack) {
  std::atomic<int> stage = 0;
  std::thread reader([&] {
    const EpochGuard guard;
    stage = 1;
    stage.notify_all();
    stage.wait(1);
  });
  stage.wait(0);
  const uint64_t ticket = epoch_advance();
  EXPECT_FALSE(epoch_passed(ticket));
  stage = 2;
  stage.notify_all();
  epoch_wait(ticket);
  EXPECT_TRUE(epoch_passed(ticket));
  reader.join();
}

TEST(Epoch, EndedThreadsGiveTheirPlaceBack) {
  for (size_t i = 0; i < kEpochMaxThreads + 50; i++) {
    std::thread([] { const EpochGuard guard; }).join();
  }
  EXPECT_TRUE(epoch_passed(epoch_advance()));
}

TEST(Epoch, NothingIsFreedUnderAReader) {
  struct Node {
    uint64_t value;
    uint64_t copy;
  };
  std::atomic<Node*> current = new Node{0, 0};
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> torn = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; i++) {
    readers.emplace_back([&] {
      while (!stop) {
        const EpochGuard guard;
        const Node* const node = current.load(std::memory_order_acquire);
        if (node->value != node->copy) torn++;
      }
    });
  }
  std::deque<std::pair<uint64_t, std::unique_ptr<Node>>> retired;
  for (uint64_t i = 1; i <= 20000; i++) {
    auto next = std::make_unique<Node>(Node{i, i});
    std::unique_ptr<Node> old(current.exchange(next.release(), std::memory_order_acq_rel));
    retired.emplace_back(epoch_advance(), std::move(old));
    while (!retired.empty() && epoch_passed(retired.front().first)) {
      // A reader that still looked would see a torn node (and TSan a race) before the free.
      retired.front().second->value = ~i;
      retired.pop_front();
    }
  }
  stop = true;
  for (std::thread& reader : readers)
    reader.join();
  EXPECT_EQ(torn, 0u);
  delete current.load();
}

}  // namespace
}  // namespace ferres
