// Tests of collection/slot_table.h.
#include "collection/slot_table.h"

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "collection/test_store.h"

namespace ferres {
namespace {

using SlotTableTest = StoreTest;

TEST_F(SlotTableTest, SlotIsVisibleFromItsBirthToItsDeath) {
  SlotTable table(arena(1));
  SlotTable::Header header;
  const Slot slot = *table.allocate(header);
  const EpochGuard guard;
  EXPECT_FALSE(table.view().visible(slot, 100));
  table.publish(slot, 5, {4096, 77, true});
  EXPECT_FALSE(table.view().visible(slot, 4));
  EXPECT_TRUE(table.view().visible(slot, 5));
  table.kill(slot, 9);
  EXPECT_TRUE(table.view().visible(slot, 8));
  EXPECT_FALSE(table.view().visible(slot, 9));
  EXPECT_FALSE(table.view().visible(slot + 1'000'000, 9));
  const RecordRef ref = table.view().ref(slot);
  EXPECT_EQ(ref.offset, 4096u);
  EXPECT_EQ(ref.ns_tag, 77u);
  EXPECT_TRUE(ref.has_ttl);
}

TEST_F(SlotTableTest, ReleasedSlotsComeBackLastFirst) {
  SlotTable table(arena(1));
  SlotTable::Header header;
  for (Slot i = 0; i < 5000; ++i) {
    ASSERT_EQ(*table.allocate(header), i);
    table.publish(i, 1, {});
  }
  table.release(7, header);
  table.release(4999, header);
  EXPECT_FALSE(table.view().visible(7, 100));
  EXPECT_EQ(*table.allocate(header), 4999u);
  EXPECT_EQ(*table.allocate(header), 7u);
  EXPECT_EQ(*table.allocate(header), 5000u);
}

}  // namespace
}  // namespace ferres
