// Slot sets against std::set, over every pair of container kinds.
#include "base/slot_set.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "base/random.h"

namespace ferres {
namespace {

struct Both {
  SlotSet set;
  std::set<Slot> model;
  void add(Slot slot) {
    set.add(slot);
    model.insert(slot);
  }
};

void expect_same(const SlotSet& set, const std::set<Slot>& model) {
  ASSERT_EQ(set.size(), model.size());
  EXPECT_EQ(set.empty(), model.empty());
  std::vector<Slot> found;
  set.for_each([&](Slot slot) { found.push_back(slot); });
  EXPECT_TRUE(std::equal(found.begin(), found.end(), model.begin(), model.end()));
}

/// Chunks of every density, in and out of order.
Both random_set(Random& random) {
  Both both;
  const uint32_t chunks = 1 + random.below(3);
  for (uint32_t chunk = 0; chunk < chunks; ++chunk) {
    constexpr uint32_t kCounts[] = {0, 1, 40, 300, 3000, 9000};
    const uint32_t count = kCounts[random.below(6)];
    const uint32_t spread = random.one_in(2) ? SlotSet::kChunkSlots : count + count / 2 + 1;
    std::vector<Slot> slots;
    for (uint32_t i = 0; i < count; ++i)
      slots.push_back(chunk * SlotSet::kChunkSlots + random.below(spread));
    if (random.one_in(2)) std::sort(slots.begin(), slots.end());
    for (const Slot slot : slots)
      both.add(slot);
  }
  return both;
}

TEST(SlotSet, HoldsWhatWasAdded) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Both both = random_set(random);
    expect_same(both.set, both.model);
    for (int i = 0; i < 2000; ++i) {
      const Slot slot = random.below(4 * SlotSet::kChunkSlots);
      ASSERT_EQ(both.set.contains(slot), both.model.contains(slot)) << slot;
    }
  }
}

TEST(SlotSet, AlgebraAgreesWithStdSet) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Both a = random_set(random);
    const Both b = random_set(random);
    std::set<Slot> expected;
    SlotSet result = a.set;
    switch (random.below(3)) {
      case 0:
        result |= b.set;
        std::set_union(a.model.begin(), a.model.end(), b.model.begin(), b.model.end(),
                       std::inserter(expected, expected.end()));
        break;
      case 1:
        result &= b.set;
        std::set_intersection(a.model.begin(), a.model.end(), b.model.begin(), b.model.end(),
                              std::inserter(expected, expected.end()));
        break;
      default:
        result -= b.set;
        std::set_difference(a.model.begin(), a.model.end(), b.model.begin(), b.model.end(),
                            std::inserter(expected, expected.end()));
    }
    expect_same(result, expected);
    EXPECT_EQ(result == a.set, expected == a.model);
  }
}

TEST(SlotSet, TakesWholeChunks) {
  SlotSet set;
  set.add_words(1, [](uint32_t i) { return i == 3 ? uint64_t{5} : uint64_t{0}; });
  const uint16_t members[] = {1, 194, 700};
  set.add_list(1, members);
  std::vector<Slot> found;
  set.for_each([&](Slot slot) { found.push_back(slot - SlotSet::kChunkSlots); });
  EXPECT_EQ(found, (std::vector<Slot>{1, 192, 194, 700}));
  set.add_words(0, [](uint32_t) { return ~uint64_t{0}; });
  EXPECT_EQ(set.size(), SlotSet::kChunkSlots + 4u);
}

}  // namespace
}  // namespace ferres
