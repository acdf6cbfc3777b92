// Tests of collection/id_map.h.
#include "collection/id_map.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/random.h"
#include "collection/test_store.h"

namespace ferres {
namespace {

/// A map and the hashes under which its slots were inserted.
class IdMapTest : public StoreTest {
 protected:
  IdMap make(const IdMap::Header& header) {
    return {buckets_, overflow_, header, [this](Slot slot) -> Result<uint64_t> {
              const auto found = hashes_.find(slot);
              if (found == hashes_.end()) return Status(Code::kCorruption, "no such slot");
              return found->second;
            }};
  }
  Status insert(IdMap& map, uint64_t hash, Slot slot) {
    hashes_[slot] = hash;
    return map.insert(hash, slot);
  }
  void erase(IdMap& map, Slot slot) {
    map.erase(hashes_.at(slot), slot);
    hashes_.erase(slot);
  }
  bool has(const IdMap& map, uint64_t hash, Slot slot) {
    return map.find(hash, [&](Slot found) { return found == slot; });
  }
  double bytes_per_entry(const IdMap& map) const {
    const IdMap::Header& header = map.header();
    return 64.0 * (header.buckets + header.overflow_used) / static_cast<double>(header.living);
  }

  Arena& buckets_ = arena(1);
  Arena& overflow_ = arena(2);
  std::map<Slot, uint64_t> hashes_;
};

TEST_F(IdMapTest, HoldsWhatAMultimapHolds) {
  const uint64_t seed = random_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  IdMap map = make({});
  std::vector<Slot> living;
  const auto random_hash = [&] {
    // Some hashes are met again and again: chains that no split divides.
    const uint64_t hash = random.one_in(10) ? random.below(20) : random.below(~uint64_t{0});
    return hash * 0x9E3779B97F4A7C15;
  };
  for (Slot slot = 0; slot < 60'000; ++slot) {
    // Grows, shrinks to little, grows again.
    const bool growing = slot % 40'000 < 25'000;
    if (living.empty() || random.below(100) < (growing ? 70 : 20)) {
      ASSERT_TRUE(insert(map, random_hash(), slot).ok());
      living.push_back(slot);
    } else {
      const size_t index = random.below(living.size());
      erase(map, living[index]);
      living[index] = living.back();
      living.pop_back();
    }
    ASSERT_EQ(map.header().living, living.size());
  }
  const IdMap reopened = make(map.header());
  const EpochGuard guard;
  for (const auto& [slot, hash] : hashes_)
    ASSERT_TRUE(has(reopened, hash, slot));
  std::multiset<Slot> visited;
  std::set<uint64_t> hashes;
  for (const auto& [slot, hash] : hashes_)
    hashes.insert(hash);
  for (const uint64_t hash : hashes) {
    reopened.find(hash, [&](Slot slot) {
      if (hashes_.at(slot) == hash) visited.insert(slot);
      return false;
    });
  }
  EXPECT_EQ(visited.size(), hashes_.size());
  EXPECT_EQ(std::set<Slot>(visited.begin(), visited.end()).size(), hashes_.size());
}

TEST_F(IdMapTest, NeverTakesMoreThanSevenBytesAnEntryWhileItGrows) {
  Random random(1);
  IdMap map = make({});
  for (Slot slot = 0; slot < 100'000; ++slot) {
    ASSERT_TRUE(insert(map, random.below(~uint64_t{0}), slot).ok());
    if (slot > 1000) {
      ASSERT_LT(bytes_per_entry(map), 7) << slot;
    }
  }
  EXPECT_LT(static_cast<double>(map.memory_bytes()) / 100'000, 7);
}

TEST_F(IdMapTest, LookupMeetsFewOthers) {
  Random random(1);
  IdMap map = make({});
  for (Slot slot = 0; slot < 50'000; ++slot)
    ASSERT_TRUE(insert(map, random.below(~uint64_t{0}), slot).ok());
  const EpochGuard guard;
  size_t met = 0;
  for (int i = 0; i < 50'000; ++i) {
    map.find(random.below(~uint64_t{0}), [&](Slot) {
      ++met;
      return false;
    });
  }
  EXPECT_LT(met, 50'000 / 4);
}

TEST_F(IdMapTest, LinesOfErasedEntriesAreUsedAgain) {
  IdMap map = make({});
  uint32_t lines = 0;
  for (int round = 0; round < 20; ++round) {
    // All of one hash: one chain of 84 lines.
    for (Slot slot = 0; slot < 1000; ++slot)
      ASSERT_TRUE(insert(map, 7, slot).ok());
    if (round == 0) lines = map.header().overflow_end;
    for (Slot slot = 0; slot < 1000; ++slot)
      erase(map, slot);
    EXPECT_EQ(map.header().overflow_used, 0u);
  }
  EXPECT_LE(map.header().overflow_end, lines + 1);
}

TEST_F(IdMapTest, ErasingWhatIsNotThereChangesNothing) {
  IdMap map = make({});
  map.erase(1, 1);
  ASSERT_TRUE(insert(map, 1, 1).ok());
  map.erase(1, 2);
  map.erase(uint64_t{1} << 56 | 1, 1);
  const EpochGuard guard;
  EXPECT_TRUE(has(map, 1, 1));
}

/// What a lane on another thread could do while a reader is on its way along a chain.
TEST_F(IdMapTest, EntryThatMovesBehindAReaderIsFound) {
  IdMap map = make({});
  constexpr Slot kWanted = 29;
  for (Slot slot = 0; slot <= kWanted; ++slot)
    ASSERT_TRUE(insert(map, 7, slot).ok());
  const EpochGuard guard;
  bool moved = false;
  EXPECT_TRUE(map.find(7, [&](Slot slot) {
    if (slot == 15 && !moved) {
      erase(map, 0);  // the last entry takes the place of the first
      moved = true;
    }
    return slot == kWanted;
  }));
}

TEST_F(IdMapTest, EntryThatMovesToANewBucketIsFound) {
  IdMap map = make({});
  constexpr uint64_t kHash = 1;  // moves when the first bucket is divided
  ASSERT_TRUE(insert(map, 0, 0).ok());
  ASSERT_TRUE(insert(map, kHash, 1).ok());
  ASSERT_EQ(map.header().buckets, 1u);
  const EpochGuard guard;
  EXPECT_TRUE(map.find(kHash, [&](Slot slot) {
    for (Slot more = 2; map.header().buckets == 1; ++more)
      EXPECT_TRUE(insert(map, 0, more).ok());
    return slot == 1;
  }));
}

TEST_F(IdMapTest, SplitThatCannotLearnAHashFails) {
  IdMap map = make({});
  Status status;
  for (Slot slot = 0; slot < 1000 && status.ok(); ++slot) {
    status = insert(map, slot, slot);
    if (slot == 500) hashes_.erase(250);
  }
  EXPECT_EQ(status.code(), Code::kCorruption);
}

TEST_F(IdMapTest, FlippedBitsNeverLeadOutOfTheMap) {
  const uint64_t seed = random_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  IdMap map = make({});
  for (Slot slot = 0; slot < 5000; ++slot)
    ASSERT_TRUE(insert(map, random.below(~uint64_t{0}), slot).ok());
  for (int round = 0; round < 5000; ++round) {
    Arena& damaged = random.one_in(2) ? buckets_ : overflow_;
    const uint64_t at = random.below(damaged.bytes());
    *damaged.mutate(at, 1) ^= static_cast<std::byte>(1u << random.below(8));
    const EpochGuard guard;
    (void)map.find(random.below(~uint64_t{0}), [](Slot) { return false; });
  }
}

}  // namespace
}  // namespace ferres
