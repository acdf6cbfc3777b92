// Tests of collection/relations.h.
#include "collection/relations.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/random.h"
#include "collection/test_store.h"

namespace ferres {
namespace {

class RelationsTest : public StoreTest {
 protected:
  RelationsTest() { relations_ = *Relations::open(*store_, 5); }

  std::vector<Slot> neighbours(Slot slot) const {
    const EpochGuard guard;
    const Relations::View view(*relations_);
    std::vector<Slot> found;
    const Relations::Node node = view.node_of(slot);
    if (node == 0) return found;
    for (const Relations::Node other : view.neighbours(node))
      found.push_back(view.slot_of(other));
    EXPECT_TRUE(view.damage().ok());
    std::sort(found.begin(), found.end());
    return found;
  }
  std::set<std::string> elsewhere(Slot slot) const {
    const EpochGuard guard;
    const Relations::View view(*relations_);
    std::set<std::string> found;
    const Relations::Node node = view.node_of(slot);
    if (node == 0) return found;
    for (const Relations::Node other : view.neighbours(node))
      if (view.slot_of(other) == kNoSlot) found.emplace(view.elsewhere(other));
    return found;
  }

  std::unique_ptr<Relations> relations_;
};

TEST_F(RelationsTest, ALinkIsKnownAtBothEndsAndOnlyOnce) {
  EXPECT_TRUE(relations_->empty());
  EXPECT_TRUE(*relations_->link(3, 9));
  EXPECT_FALSE(*relations_->link(9, 3));
  EXPECT_EQ(relations_->links(), 1u);
  EXPECT_EQ(neighbours(3), std::vector<Slot>{9});
  EXPECT_EQ(neighbours(9), std::vector<Slot>{3});
  EXPECT_TRUE(*relations_->unlink(9, 3));
  EXPECT_FALSE(*relations_->unlink(9, 3));
  EXPECT_TRUE(neighbours(3).empty());
  EXPECT_TRUE(relations_->empty());
}

TEST_F(RelationsTest, LinksFollowAPointIntoItsNextSlot) {
  ASSERT_TRUE(*relations_->link(1, 2));
  ASSERT_TRUE(relations_->follow(1, 7).ok());
  EXPECT_EQ(neighbours(7), std::vector<Slot>{2});
  EXPECT_EQ(neighbours(2), std::vector<Slot>{7});
  EXPECT_EQ(neighbours(1), std::vector<Slot>{2}) << "for who still sees the point there";
  // The old slot goes to a point without links.
  ASSERT_TRUE(relations_->follow(kNoSlot, 1).ok());
  EXPECT_TRUE(neighbours(1).empty());
  EXPECT_EQ(neighbours(7), std::vector<Slot>{2});
}

TEST_F(RelationsTest, APointsDeathEndsItsLinksAndNoOthers) {
  for (Slot other = 1; other <= 1000; ++other)
    ASSERT_TRUE(*relations_->link(0, other));
  ASSERT_TRUE(*relations_->link(1, 2));
  ASSERT_TRUE(*relations_->link(0, "other\0id"));
  ASSERT_TRUE(relations_->remove(0).ok());
  EXPECT_EQ(relations_->links(), 1u);
  EXPECT_EQ(neighbours(1), std::vector<Slot>{2});
  EXPECT_TRUE(neighbours(3).empty());
  EXPECT_TRUE(elsewhere(0).empty());
  ASSERT_TRUE(relations_->remove(2).ok());
  EXPECT_TRUE(relations_->empty());
}

TEST_F(RelationsTest, PointsElsewhereAreKnownByTheirIds) {
  ASSERT_TRUE(*relations_->link(1, "tenant"));
  ASSERT_TRUE(*relations_->link(2, "tenant"));
  ASSERT_TRUE(*relations_->link(1, "another"));
  EXPECT_EQ(elsewhere(1), (std::set<std::string>{"another", "tenant"}));
  EXPECT_EQ(elsewhere(2), std::set<std::string>{"tenant"});
  {
    const EpochGuard guard;
    const Relations::View view(*relations_);
    EXPECT_TRUE(view.linked(view.node_of("tenant"), view.node_of(Slot{2})));
    EXPECT_FALSE(view.linked(view.node_of("another"), view.node_of(Slot{2})));
    EXPECT_EQ(view.node_of("nobody"), 0u);
  }
  EXPECT_TRUE(*relations_->unlink(1, "tenant"));
  EXPECT_EQ(elsewhere(1), std::set<std::string>{"another"});
  EXPECT_EQ(elsewhere(2), std::set<std::string>{"tenant"});
}

TEST_F(RelationsTest, AgreesWithAPlainModelThroughItsLife) {
  Random random(7);
  std::map<Slot, std::set<Slot>> model;
  const auto remove = [&](Slot slot) {
    for (const Slot other : model[slot])
      model[other].erase(slot);
    model[slot].clear();
  };
  constexpr Slot kSlots = 400;
  for (int i = 0; i < 60'000; ++i) {
    const auto a = static_cast<Slot>(random.one_in(4) ? random.below(3) : random.below(kSlots));
    const auto b = static_cast<Slot>(random.below(kSlots));
    if (a == b) continue;
    switch (random.below(40)) {
      case 0:
        ASSERT_TRUE(relations_->remove(b).ok());
        remove(b);
        break;
      case 1:
        if (!random.one_in(20)) break;
        ASSERT_TRUE(relations_->remove(a).ok());
        remove(a);
        break;
      case 2:
      case 3:
      case 4: {
        ASSERT_EQ(*relations_->unlink(a, b), model[a].contains(b));
        model[a].erase(b);
        model[b].erase(a);
        break;
      }
      default:
        ASSERT_EQ(*relations_->link(a, b), model[a].insert(b).second);
        model[b].insert(a);
    }
    if (random.one_in(16)) relations_->seal();
  }
  uint64_t halves = 0;
  for (Slot slot = 0; slot < kSlots; ++slot) {
    EXPECT_EQ(neighbours(slot), std::vector<Slot>(model[slot].begin(), model[slot].end()));
    halves += model[slot].size();
  }
  EXPECT_EQ(relations_->links(), halves / 2);
}

TEST_F(RelationsTest, MemoryOfEndedLinksIsUsedAgain) {
  const auto fill_and_empty = [&] {
    for (Slot a = 0; a < 300; ++a)
      for (Slot b = a + 1; b < a + 20; ++b)
        ASSERT_TRUE(relations_->link(a, b).ok());
    for (Slot a = 0; a < 320; ++a)
      ASSERT_TRUE(relations_->remove(a).ok());
    relations_->seal();
    relations_->seal();
  };
  for (int i = 0; i < 30; ++i)
    fill_and_empty();
  const uint64_t before = relations_->memory_bytes();
  for (int i = 0; i < 200; ++i)
    fill_and_empty();
  EXPECT_EQ(relations_->memory_bytes(), before);
}

}  // namespace
}  // namespace ferres
