// Tests of collection/record_heap.h, slot_table.h and id_map.h on one page store.
#include "collection/record_heap.h"

#include <map>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/random.h"
#include "collection/id_map.h"
#include "collection/slot_table.h"
#include "storage/page_store.h"

namespace ferres {
namespace {

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() {
    StoreManifest manifest;
    manifest.family = "points";
    store_ = *PageStore::open(posix_files(), ::testing::TempDir(), manifest);
  }
  Arena& arena(uint32_t id) { return **store_->arena({.id = id, .name = "test"}); }
  std::unique_ptr<PageStore> store_;
};

using RecordHeapTest = StoreTest;
using SlotTableTest = StoreTest;
using IdMapTest = StoreTest;

TEST_F(RecordHeapTest, ReturnsWhatWasWritten) {
  RecordHeap heap(arena(1), {});
  const std::string long_text(300'000, 'm');
  const Record record{"tenant", "id-1", long_text, 11, 22, true};
  const uint64_t offset = *heap.write(record);
  const EpochGuard guard;
  const Record read = *heap.read(offset);
  EXPECT_EQ(read.ns, "tenant");
  EXPECT_EQ(read.id, "id-1");
  EXPECT_EQ(read.metadata_json, long_text);
  EXPECT_EQ(read.created_micros, 11u);
  EXPECT_EQ(read.expires_micros, 22u);
  EXPECT_TRUE(read.has_vector);
}

TEST_F(RecordHeapTest, RefusesOffsetsThatHoldNoRecord) {
  RecordHeap heap(arena(1), {});
  (void)*heap.write({"", "a", "{}", 1, 0, false});
  const EpochGuard guard;
  EXPECT_EQ(heap.read(0).error().code(), Code::kCorruption);
  EXPECT_EQ(heap.read(~uint64_t{0} - 7).error().code(), Code::kCorruption);
}

TEST_F(RecordHeapTest, FreedBlocksAreGivenOutAgain) {
  const uint64_t seed = random_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  RecordHeap heap(arena(1), {});
  std::map<uint64_t, std::string> living;
  uint64_t end_after_first_fill = 0;
  for (int round = 0; round < 20; ++round) {
    while (living.size() < 500) {
      std::string text(random.below(5000), static_cast<char>('a' + random.below(26)));
      const uint64_t offset = *heap.write({"", "id", text, 1, 0, false});
      EXPECT_EQ(offset % 16, 0u);
      ASSERT_TRUE(living.emplace(offset, std::move(text)).second) << "given out twice";
    }
    if (round == 0) end_after_first_fill = heap.header().end;
    {
      const EpochGuard guard;
      for (const auto& [offset, text] : living) {
        ASSERT_EQ(heap.read(offset)->metadata_json, text);
      }
    }
    std::erase_if(living, [&](const auto& entry) {
      if (random.one_in(2)) return false;
      heap.free(entry.first);
      return true;
    });
  }
  EXPECT_LT(heap.header().end, end_after_first_fill * 3);
}

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

TEST_F(IdMapTest, HoldsWhatAMultimapHolds) {
  const uint64_t seed = random_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  Arena& entries = arena(1);
  IdMap map(entries, {});
  std::multimap<uint32_t, Slot> expected;
  for (int i = 0; i < 60'000; ++i) {
    // Few distinct hashes, bunched at both ends: long probes that wrap around.
    const auto hash = static_cast<uint32_t>(random.below(3000) * (random.one_in(2) ? 1 : 1431655));
    if (random.below(100) < 55) {
      ASSERT_TRUE(map.insert(hash, static_cast<Slot>(i)).ok());
      expected.emplace(hash, static_cast<Slot>(i));
    } else if (const auto found = expected.lower_bound(hash); found != expected.end()) {
      map.erase(found->first, found->second);
      expected.erase(found);
    }
  }
  EXPECT_EQ(map.header().living, expected.size());
  IdMap reopened(entries, map.header());
  const EpochGuard guard;
  for (const auto& [hash, slot] : expected) {
    EXPECT_TRUE(reopened.find(hash, [wanted = slot](Slot found) { return found == wanted; }));
  }
  size_t visited = 0;
  uint32_t previous = 0;
  for (const auto& [hash, slot] : expected) {
    if (visited != 0 && hash == previous) continue;
    previous = hash;
    reopened.find(hash, [&](Slot) {
      ++visited;
      return false;
    });
  }
  EXPECT_EQ(visited, expected.size());
}

}  // namespace
}  // namespace ferres
