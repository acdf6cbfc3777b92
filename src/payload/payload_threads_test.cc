// Queries beside a lane that adds and removes half of the slots. The other half never changes: a
// query that met a block reused too early, a node half written or a set that lost a member answers
// wrongly for one of them.
#include <atomic>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/executor.h"
#include "base/files.h"
#include "base/random.h"
#include "payload/payload_index.h"

namespace ferres {
namespace {

constexpr Slot kStable = 3000;
constexpr Slot kSlots = 6000;

std::string document(uint64_t number) {
  return fmt::format(R"({{"n":{},"even":{},"name":"name{}","tags":["t{}","all"],)"
                     R"("at":{{"lat":{},"lon":{}}}}})",
                     number % 500, number % 2 == 0, number, number % 7,
                     static_cast<double>(number % 90), static_cast<double>(number % 180));
}

Predicate parse(const std::string& text) {
  return *Predicate::parse(text);
}

class PayloadThreads : public ::testing::Test {
 protected:
  PayloadThreads() {
    store_ = *PageStore::open(posix_files(), ::testing::TempDir(), {.family = "index"});
    index_ = *PayloadIndex::open(*store_, 4);
    for (Slot slot = 0; slot < kStable; ++slot)
      index_->add(slot, "", document(slot));
  }

  /// One lane and three readers, until each has done some.
  void run() {
    const auto threads = make_thread_pool(4);
    threads->parallel_for(4, [&](size_t role) {
      Random random(role + 1);
      if (role != 0) {
        while (!done_ && !HasFatalFailure())
          query(random);
        return;
      }
      std::vector<std::string> held(kSlots);
      for (int i = 0; i < 12'000 || (queries_ < 300 && !HasFatalFailure()); ++i) {
        const Slot slot = kStable + random.below(kSlots - kStable);
        if (!held[slot].empty()) index_->remove(slot, "", held[slot]);
        held[slot] = random.one_in(3) ? "" : document(random.below(100'000));
        if (!held[slot].empty()) index_->add(slot, "", held[slot]);
      }
      done_ = true;
    });
  }

  void query(Random& random) {
    const uint64_t number = random.below(500);
    const uint64_t high = number + random.below(100);
    const Predicate filters[] = {
        parse(fmt::format(R"({{"n":{}}})", number)),
        parse(fmt::format(R"({{"n":{{"$gte":{},"$lt":{}}},"even":true}})", number, high)),
        parse(fmt::format(R"({{"$not":{{"tags":"t{}"}}}})", number % 7)),
        parse(fmt::format(R"({{"name":"name{}","tags":{{"$contains":"all"}}}})", number)),
        parse(fmt::format(R"({{"at":{{"$geo_radius":{{"lat":{},"lon":30,"meters":900000}}}}}})",
                          number % 90)),
    };
    const Predicate& filter = filters[random.below(5)];
    const EpochGuard guard;
    const auto answer = index_->evaluate(&filter, "");
    ASSERT_NE(answer, nullptr);
    for (Slot slot = 0; slot < kStable; slot += 1 + random.below(40)) {
      const bool found = answer->matches.slots.contains(slot);
      if (answer->matches.unsure.contains(slot)) {
        ASSERT_TRUE(found) << slot;
      } else {
        ASSERT_EQ(found, filter.matches(document(slot))) << slot;
      }
    }
    ++queries_;
  }

  std::unique_ptr<PageStore> store_;
  std::unique_ptr<PayloadIndex> index_;
  std::atomic<bool> done_{false};
  std::atomic<uint64_t> queries_{0};
};

TEST_F(PayloadThreads, QueriesBesideTheLane) {
  run();
  EXPECT_EQ(index_->dropped(), 0u);
}

TEST_F(PayloadThreads, QueriesWhileValuesOutgrowTheLimit) {
  index_->set_limit(180'000);
  run();
  EXPECT_GT(index_->dropped(), 0u);
}

}  // namespace
}  // namespace ferres
