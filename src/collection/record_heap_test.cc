// Tests of collection/record_heap.h.
#include "collection/record_heap.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/random.h"
#include "collection/test_store.h"

namespace ferres {
namespace {

using RecordHeapTest = StoreTest;

/// A record that owns its texts.
struct Written {
  std::string ns;
  std::string id;
  std::string metadata;
  uint64_t created_seconds = 0;
  uint64_t expires_micros = 0;
  bool has_vector = false;

  Record view() const { return {ns, id, metadata, created_seconds, expires_micros, has_vector}; }
};

std::string text_of(Random& random, size_t bytes_max) {
  return std::string(random.below(bytes_max + 1), static_cast<char>('a' + random.below(26)));
}

Written random_record(Random& random) {
  Written record;
  if (random.one_in(3)) record.ns = text_of(random, 200);
  record.id = "i" + text_of(random, random.one_in(5) ? 400 : 12);
  record.metadata = random.one_in(3) ? "{}" : text_of(random, random.one_in(10) ? 200'000 : 300);
  record.created_seconds = random.below(uint64_t{1} << 36);
  if (random.one_in(3)) record.expires_micros = 1 + random.below(~uint64_t{0} - 1);
  record.has_vector = random.one_in(2);
  return record;
}

void expect_same(const Record& read, const Written& wanted) {
  ASSERT_EQ(read.ns, wanted.ns);
  ASSERT_EQ(read.id, wanted.id);
  ASSERT_EQ(read.metadata_json, wanted.metadata);
  ASSERT_EQ(read.created_seconds, wanted.created_seconds);
  ASSERT_EQ(read.expires_micros, wanted.expires_micros);
  ASSERT_EQ(read.has_vector, wanted.has_vector);
}

TEST_F(RecordHeapTest, ReturnsWhatWasWritten) {
  RecordHeap heap(arena(1), {});
  const Written record{"tenant", "id-1", std::string(300'000, 'm'), 11, 22, true};
  const uint64_t offset = *heap.write(record.view());
  const EpochGuard guard;
  expect_same(*heap.read(offset), record);
}

TEST_F(RecordHeapTest, ShortPointTakesLittleMoreThanItsId) {
  RecordHeap heap(arena(1), {});
  const uint64_t first = *heap.write({"", "word-0000001", "{}", 1'700'000'000, 0, true});
  EXPECT_EQ(*heap.write({"", "word-0000002", "{}", 1'700'000'000, 0, true}) - first, 18u);
}

TEST_F(RecordHeapTest, TimesBeyondTheLayoutAreKeptAsTheLastOne) {
  RecordHeap heap(arena(1), {});
  const uint64_t offset = *heap.write({"", "a", "{}", ~uint64_t{0}, 0, false});
  const EpochGuard guard;
  EXPECT_EQ(heap.read(offset)->created_seconds, (uint64_t{1} << 36) - 1);
}

TEST_F(RecordHeapTest, RefusesOffsetsThatHoldNoRecord) {
  RecordHeap heap(arena(1), {});
  const uint64_t offset = *heap.write({"", "a", "{}", 1, 0, false});
  const EpochGuard guard;
  EXPECT_EQ(heap.read(0).error().code(), Code::kCorruption);
  EXPECT_EQ(heap.read(offset + 1).error().code(), Code::kCorruption);
  EXPECT_EQ(heap.read(~uint64_t{0} - 7).error().code(), Code::kCorruption);
}

TEST_F(RecordHeapTest, FlippedBitsNeverLeadOutOfTheHeap) {
  const uint64_t seed = random_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  Arena& blocks = arena(1);
  RecordHeap heap(blocks, {});
  std::vector<uint64_t> offsets;
  for (int i = 0; i < 200; ++i)
    offsets.push_back(*heap.write(random_record(random).view()));
  for (int round = 0; round < 20'000; ++round) {
    const uint64_t offset = offsets[random.below(offsets.size())];
    const uint64_t at = offset + random.below(24);
    if (at >= blocks.bytes()) continue;
    *blocks.mutate(at, 1) ^= static_cast<std::byte>(1u << random.below(8));
    const EpochGuard guard;
    const auto record = heap.read(offset);
    if (!record.ok()) {
      ASSERT_EQ(record.error().code(), Code::kCorruption);
      continue;
    }
    const Arena::Range range = blocks.range();
    const auto end = reinterpret_cast<const char*>(range.base + range.bytes);
    ASSERT_LE(record->id.data() + record->id.size(), end);
    if (record->metadata_json != "{}") {
      ASSERT_LE(record->metadata_json.data() + record->metadata_json.size(), end);
    }
  }
}

TEST_F(RecordHeapTest, RefusesAFreeBlockThatNamesNone) {
  Arena& blocks = arena(1);
  RecordHeap heap(blocks, {});
  const Record record{"", "a", "{}", 1, 0, false};
  const uint64_t offset = *heap.write(record);
  heap.free(offset);
  const uint64_t wild = uint64_t{1} << 40;
  std::memcpy(blocks.mutate(offset, sizeof wild), &wild, sizeof wild);
  EXPECT_EQ(heap.write(record).error().code(), Code::kCorruption);
}

TEST_F(RecordHeapTest, HoldsWhatAMapHolds) {
  const uint64_t seed = random_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  RecordHeap heap(arena(1), {});
  std::map<uint64_t, Written> living;
  for (int round = 0; round < 20; ++round) {
    while (living.size() < 500) {
      Written record = random_record(random);
      const uint64_t offset = *heap.write(record.view());
      EXPECT_EQ(offset % RecordHeap::kAlignment, 0u);
      ASSERT_TRUE(living.emplace(offset, std::move(record)).second) << "given out twice";
    }
    {
      const EpochGuard guard;
      for (const auto& [offset, record] : living)
        expect_same(*heap.read(offset), record);
    }
    std::erase_if(living, [&](const auto& entry) {
      if (random.one_in(2)) return false;
      heap.free(entry.first);
      return true;
    });
  }
}

TEST_F(RecordHeapTest, FreedBlocksAreGivenOutAgain) {
  const uint64_t seed = random_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  RecordHeap heap(arena(1), {});
  std::vector<uint64_t> living;
  uint64_t end_after_first_fill = 0;
  for (int round = 0; round < 20; ++round) {
    while (living.size() < 500) {
      const std::string text = text_of(random, 5000);
      living.push_back(*heap.write({"", "id", text, 1, 0, false}));
    }
    if (round == 0) end_after_first_fill = heap.header().end;
    std::erase_if(living, [&](uint64_t offset) {
      if (random.one_in(2)) return false;
      heap.free(offset);
      return true;
    });
  }
  EXPECT_LT(heap.header().end, end_after_first_fill * 3);
  for (const uint64_t offset : living)
    heap.free(offset);
  EXPECT_EQ(heap.header().free_bytes, heap.header().end - RecordHeap::Header{}.end);
}

}  // namespace
}  // namespace ferres
