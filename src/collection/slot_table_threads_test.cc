// The slot table under readers: collection/slot_table.h says what they may see.
#include <atomic>
#include <deque>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/random.h"
#include "collection/slot_table.h"
#include "collection/test_store.h"

namespace ferres {
namespace {

using SlotTableThreads = StoreTest;

/// The lane as collection/apply.cc is: each LSN puts a new point in the place of another one.
class Lane {
 public:
  explicit Lane(SlotTable& table) : table_(table) {}

  Status replace(Lsn lsn, size_t index) {
    TRY_ASSIGN(const Slot slot, table_.allocate(header_));
    table_.publish(slot, lsn, {.offset = lsn * 16});
    if (index == living_.size()) {
      living_.push_back(slot);
      return {};
    }
    table_.kill(living_[index], lsn);
    dying_.push_back({living_[index], 0});
    living_[index] = slot;
    return {};
  }
  /// After the LSN was published.
  void reclaim() {
    if (!dying_.empty() && dying_.back().ticket == 0) {
      const uint64_t ticket = epoch_advance();
      for (auto at = dying_.rbegin(); at != dying_.rend() && at->ticket == 0; ++at)
        at->ticket = ticket;
    }
    for (; !dying_.empty() && epoch_passed(dying_.front().ticket); dying_.pop_front())
      table_.release(dying_.front().slot, header_);
  }
  const SlotTable::Header& header() const { return header_; }

 private:
  struct Waiting {
    Slot slot;
    uint64_t ticket;
  };
  SlotTable& table_;
  SlotTable::Header header_;
  std::vector<Slot> living_;
  std::deque<Waiting> dying_;
};

/// Slots are used again all the time.
TEST_F(SlotTableThreads, ReadersSeeEachLsnAsItWas) {
  constexpr size_t kPoints = 20;
  constexpr Slot kSlots = 60;  // a reader gets through them while few change
  constexpr uint64_t kScans = 1'000'000;
  SlotTable table(arena(1));
  Lane lane(table);
  std::atomic<Lsn> published{0};
  std::atomic<uint64_t> scans{0};
  std::atomic<uint64_t> wrong_counts{0};
  for (Lsn lsn = 1; lsn <= kPoints; ++lsn) {
    ASSERT_TRUE(lane.replace(lsn, lsn - 1).ok());
    published = lsn;
  }
  std::vector<std::jthread> readers;
  for (int reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&] {
      while (scans < kScans) {
        const EpochGuard guard;
        const Lsn pinned = published.load(std::memory_order_acquire);
        const SlotTable::View view = table.view();
        size_t seen = 0;
        for (Slot slot = 0; slot < kSlots; ++slot)
          seen += view.visible(slot, pinned);
        if (seen != kPoints) ++wrong_counts;
        ++scans;
      }
    });
  }
  Random random(1);
  for (Lsn lsn = kPoints + 1; scans < kScans; ++lsn) {
    ASSERT_TRUE(lane.replace(lsn, random.below(kPoints)).ok());
    published.store(lsn, std::memory_order_release);
    do
      lane.reclaim();
    while (lane.header().slots >= kSlots && lane.header().free_head == 0);
  }
  readers.clear();
  EXPECT_EQ(wrong_counts.load(), 0u);
}

}  // namespace
}  // namespace ferres
