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
    TRY_ASSIGN(const Slot slot, table_.allocate());
    table_.publish(slot, lsn, lsn * 4, {});
    if (index == living_.size()) {
      living_.push_back(slot);
      return {};
    }
    table_.kill(living_[index], lsn);
    dying_.push_back({living_[index], 0});
    living_[index] = slot;
    return {};
  }
  bool has_slot(Slot slots_max) const {
    const SlotTable::Header header = table_.header();
    return header.slots < slots_max || header.free_head != 0;
  }
  /// After the LSN was published.
  void reclaim() {
    if (!dying_.empty() && dying_.back().ticket == 0) {
      const uint64_t ticket = epoch_advance();
      for (auto at = dying_.rbegin(); at != dying_.rend() && at->ticket == 0; ++at)
        at->ticket = ticket;
    }
    for (; !dying_.empty() && epoch_passed(dying_.front().ticket); dying_.pop_front())
      table_.release(dying_.front().slot);
  }

 private:
  struct Waiting {
    Slot slot;
    uint64_t ticket;
  };
  SlotTable& table_;
  std::vector<Slot> living_;
  std::deque<Waiting> dying_;
};

/// How many scans saw another number of points than there were. Slots are used again all the time:
/// as soon as they can be (eager), or when none is left.
uint64_t wrong_counts(SlotTable& table, Slot slots, bool eager, uint64_t scans_wanted) {
  constexpr size_t kPoints = 20;
  Lane lane(table);
  std::atomic<Lsn> published{0};
  std::atomic<uint64_t> scans{0};
  std::atomic<uint64_t> wrong{0};
  for (Lsn lsn = 1; lsn <= kPoints; ++lsn) {
    EXPECT_TRUE(lane.replace(lsn, lsn - 1).ok());
    published = lsn;
  }
  std::vector<std::jthread> readers;
  for (int reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&] {
      while (scans < scans_wanted) {
        const EpochGuard guard;
        const Lsn pinned = published.load(std::memory_order_acquire);
        const SlotTable::View view = table.view();
        size_t seen = 0;
        for (Slot slot = 0; slot < slots; ++slot) {
          if (!view.visible(slot, pinned)) continue;
          ++seen;
          if (eager) continue;  // what follows would make the scans too slow to meet a release
          const Lsn born = view.born(slot);
          if (born > pinned || view.record(slot) != born * 4) ++wrong;
        }
        if (seen != kPoints) ++wrong;
        ++scans;
      }
    });
  }
  Random random(1);
  for (Lsn lsn = kPoints + 1; scans < scans_wanted; ++lsn) {
    EXPECT_TRUE(lane.replace(lsn, random.below(kPoints)).ok());
    published.store(lsn, std::memory_order_release);
    if (!eager && lane.has_slot(slots)) continue;
    do
      lane.reclaim();
    while (!lane.has_slot(slots));
  }
  readers.clear();
  return wrong;
}

/// Few slots: a reader gets through them while few change.
TEST_F(SlotTableThreads, ReadersSeeEachLsnAsItWas) {
  SlotTable table(arena(1), {});
  EXPECT_EQ(wrong_counts(table, 60, true, 1'000'000), 0u);
}

/// So many that the table of deaths grows and is made small again.
TEST_F(SlotTableThreads, ReadersSeeEachLsnAsItWasWhileManyDie) {
  SlotTable table(arena(1), {});
  EXPECT_EQ(wrong_counts(table, 400, false, 200'000), 0u);
}

}  // namespace
}  // namespace ferres
