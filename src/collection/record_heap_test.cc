// Tests of collection/record_heap.h.
#include "collection/record_heap.h"

#include <map>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/random.h"
#include "collection/test_store.h"

namespace ferres {
namespace {

using RecordHeapTest = StoreTest;

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

}  // namespace
}  // namespace ferres
