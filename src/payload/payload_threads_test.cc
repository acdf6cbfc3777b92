// Queries beside the lane. Every document carries its own number in three fields, so a query that
// saw a point half indexed, a block reused too early or a set that lost a member finds a slot that
// disagrees with the others. Slots of a stable half never change: they must always be found.
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

TEST(PayloadThreads, QueriesBesideTheLane) {
  auto store = *PageStore::open(posix_files(), ::testing::TempDir(), {.family = "index"});
  auto index = *PayloadIndex::open(*store, 4);
  for (Slot slot = 0; slot < kStable; ++slot)
    index->add(slot, "", document(slot));
  std::atomic<bool> done{false};
  std::atomic<uint64_t> queries{0};
  const auto threads = make_thread_pool(4);
  threads->parallel_for(4, [&](size_t role) {
    Random random(role + 1);
    if (role == 0) {
      std::vector<std::string> held(kSlots);
      for (int i = 0; i < 12'000 || queries < 300; ++i) {
        const Slot slot = kStable + random.below(kSlots - kStable);
        if (!held[slot].empty()) index->remove(slot, "", held[slot]);
        held[slot] = random.one_in(3) ? "" : document(random.below(100'000));
        if (!held[slot].empty()) index->add(slot, "", held[slot]);
      }
      done = true;
      return;
    }
    while (!done) {
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
      const auto answer = index->evaluate(&filter, "");
      ASSERT_TRUE(answer.has_value());
      for (Slot slot = 0; slot < kStable; slot += 1 + random.below(40)) {
        if (answer->matches.unsure.contains(slot)) continue;
        ASSERT_EQ(answer->matches.slots.contains(slot), filter.matches(document(slot))) << slot;
      }
      ++queries;
    }
  });
}

}  // namespace
}  // namespace ferres
