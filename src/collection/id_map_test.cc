// Tests of collection/id_map.h.
#include "collection/id_map.h"

#include <map>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/random.h"
#include "collection/test_store.h"

namespace ferres {
namespace {

using IdMapTest = StoreTest;

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
