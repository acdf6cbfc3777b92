// Tests of collection/slot_table.h.
#include "collection/slot_table.h"

#include <deque>
#include <vector>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/random.h"
#include "collection/test_store.h"

namespace ferres {
namespace {

using SlotTableTest = StoreTest;

TEST_F(SlotTableTest, SlotIsVisibleFromItsBirthToItsDeath) {
  SlotTable table(arena(1), {});
  const Slot slot = *table.allocate();
  const EpochGuard guard;
  EXPECT_FALSE(table.view().visible(slot, 100));
  EXPECT_FALSE(table.view().used(slot));
  table.publish(slot, 5, 4096, {77, true, false});
  EXPECT_FALSE(table.view().visible(slot, 4));
  EXPECT_TRUE(table.view().visible(slot, 5));
  EXPECT_TRUE(table.view().living(slot));
  table.kill(slot, 9);
  EXPECT_FALSE(table.view().visible(slot, 4));
  EXPECT_TRUE(table.view().visible(slot, 8));
  EXPECT_FALSE(table.view().visible(slot, 9));
  EXPECT_FALSE(table.view().visible(slot + 1'000'000, 9));
  EXPECT_TRUE(table.view().used(slot));
  EXPECT_FALSE(table.view().living(slot));
  EXPECT_EQ(table.view().born(slot), 5u);
}

TEST_F(SlotTableTest, RowHoldsTheLargestOfEachField) {
  SlotTable table(arena(1), {});
  constexpr uint64_t kRecord = SlotTable::kRecordOffsetEnd - SlotTable::kRecordAlignment;
  constexpr uint32_t kTag = (1u << SlotTraits::kTagBits) - 1;
  for (const bool flag : {false, true}) {
    const Slot slot = *table.allocate();
    table.publish(slot, SlotTable::kLsnMax, kRecord, {kTag, flag, !flag});
    table.kill(slot, SlotTable::kLsnMax);
    const EpochGuard guard;
    EXPECT_EQ(table.view().born(slot), SlotTable::kLsnMax);
    EXPECT_EQ(table.view().record(slot), kRecord);
    EXPECT_EQ(table.view().traits(slot).ns_tag, kTag);
    EXPECT_EQ(table.view().traits(slot).has_ttl, flag);
    EXPECT_EQ(table.view().traits(slot).has_vector, !flag);
  }
}

TEST_F(SlotTableTest, ReleasedSlotsComeBackLastFirst) {
  SlotTable table(arena(1), {});
  for (Slot i = 0; i < 5000; ++i) {
    ASSERT_EQ(*table.allocate(), i);
    table.publish(i, 1, 0, {});
  }
  for (const Slot slot : {Slot{7}, Slot{4999}}) {
    table.kill(slot, 2);
    table.release(slot);
  }
  EXPECT_FALSE(table.view().visible(7, 100));
  EXPECT_EQ(*table.allocate(), 4999u);
  EXPECT_EQ(*table.allocate(), 7u);
  EXPECT_EQ(*table.allocate(), 5000u);
}

TEST_F(SlotTableTest, ListOfFreeSlotsThatLeadsOutsideIsDamage) {
  SlotTable table(arena(1), {.slots = 10, .free_head = 12});
  EXPECT_EQ(table.allocate().error().code(), Code::kCorruption);
}

TEST_F(SlotTableTest, TwelveBytesAPoint) {
  SlotTable table(arena(1), {});
  for (Slot i = 0; i < 200'000; ++i)
    table.publish(*table.allocate(), 1, 0, {});
  EXPECT_LT(table.memory_bytes(), 200'000 * 12 + 2 * kPageBytes);
}

TEST_F(SlotTableTest, DeathsFromBeforeAStartAreNobodysToSee) {
  Arena& rows = arena(1);
  SlotTable::Header header;
  {
    SlotTable table(rows, {});
    for (Slot slot = 0; slot < 100; ++slot) {
      table.publish(*table.allocate(), slot + 1, 4 * slot, {});
      if (slot % 2 == 0) table.kill(slot, slot + 2);
    }
    header = table.header();
  }
  SlotTable table(rows, header);
  const EpochGuard guard;
  table.kill(1, 200);  // its number must be no old one's
  for (Slot slot = 0; slot < 100; slot += 2) {
    EXPECT_TRUE(table.view().used(slot));
    EXPECT_FALSE(table.view().living(slot));
    EXPECT_FALSE(table.view().visible(slot, slot + 1));
    EXPECT_FALSE(table.view().visible(slot, 1000));
    EXPECT_EQ(table.view().record(slot), 4 * slot);
  }
  EXPECT_TRUE(table.view().visible(1, 199));
  for (Slot slot = 0; slot < 100; slot += 2)
    table.release(slot);
  EXPECT_TRUE(table.view().visible(1, 199));
  EXPECT_EQ(*table.allocate(), 98u);
}

/// A reader that found the row of a dead point in a range that the arena has left since: the row
/// there never changes, the place of its death does.
TEST_F(SlotTableTest, RowsThatAnArenaLeftBehindStayDead) {
  Arena& rows = arena(1);
  SlotTable table(rows, {});
  constexpr Slot kSlots = 200;
  for (Slot slot = 0; slot < kSlots; ++slot)
    table.publish(*table.allocate(), 1, 0, {});
  table.kill(0, 2);
  const EpochGuard guard;
  constexpr Lsn kPinned = 2;
  const SlotTable::View view = table.view();
  ASSERT_TRUE(rows.grow(100 << 20).ok());  // moves: more than the smallest reservation
  table.release(0);
  for (Slot slot = 1; slot < kSlots; ++slot) {
    table.kill(slot, 3);
    EXPECT_FALSE(view.visible(0, kPinned));
  }
}

TEST_F(SlotTableTest, AnswersAsAListOfLivesDoes) {
  struct Life {
    Lsn born;
    Lsn died;
    uint64_t record;
  };
  const uint64_t seed = random_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  SlotTable table(arena(1), {});
  std::vector<Life> lives;  // by slot; born 0: free
  std::vector<Slot> living;
  std::deque<Slot> dead;
  const EpochGuard guard;
  for (Lsn lsn = 1; lsn <= 20'000; ++lsn) {
    const uint64_t turn = random.below(10);
    if (turn < 5 || living.empty()) {
      const Slot slot = *table.allocate();
      if (slot >= lives.size()) lives.resize(slot + 1);
      ASSERT_EQ(lives[slot].born, 0u);
      lives[slot] = {lsn, kNoLsn, random.below(SlotTable::kRecordOffsetEnd / 4) * 4};
      table.publish(slot, lsn, lives[slot].record, {});
      living.push_back(slot);
    } else if (turn < 8) {
      const size_t index = random.below(living.size());
      const Slot slot = living[index];
      living[index] = living.back();
      living.pop_back();
      table.kill(slot, lsn);
      lives[slot].died = lsn;
      dead.push_back(slot);
    } else if (dead.size() > 20) {
      // Mostly the oldest: a rebuilt index makes the order another one.
      const size_t index = random.one_in(10) ? random.below(dead.size()) : 0;
      const Slot slot = dead[index];
      dead.erase(dead.begin() + static_cast<ptrdiff_t>(index));
      table.release(slot);
      lives[slot] = {};
    }
    const auto slot = static_cast<Slot>(random.below(lives.size()));
    const Life& life = lives[slot];
    const SlotTable::View view = table.view();
    ASSERT_EQ(view.used(slot), life.born != 0);
    ASSERT_EQ(view.living(slot), life.born != 0 && life.died == kNoLsn);
    for (const Lsn pinned : {life.born - 1, life.born, life.died - 1, life.died}) {
      if (life.born == 0 || pinned == kNoLsn || pinned == 0) continue;
      ASSERT_EQ(view.visible(slot, pinned), life.born <= pinned && pinned < life.died);
    }
    ASSERT_EQ(view.visible(slot, lsn), life.born != 0 && life.died == kNoLsn);
    if (life.born != 0) {
      ASSERT_EQ(view.born(slot), life.born);
      ASSERT_EQ(view.record(slot), life.record);
    }
  }
}

}  // namespace
}  // namespace ferres
