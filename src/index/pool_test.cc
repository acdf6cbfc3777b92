// The small structures of a walk against plain ones: pool, marks, distance memo, incoming lists.
#include "index/pool.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "index/slot_map.h"
#include "index/visited.h"

namespace ferres {
namespace {

TEST(CandidateKey, SortsByDistanceThenSlot) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> distances = {-inf, -2.5f, -1e-30f, 0.0f, 1e-30f, 0.5f, 3e38f, inf};
  for (size_t i = 0; i < distances.size(); ++i) {
    EXPECT_EQ(key_distance(candidate_key(distances[i], 7)), distances[i]);
    EXPECT_EQ(key_slot(candidate_key(distances[i], 7)), 7u);
    EXPECT_LT(candidate_key(distances[i], 7), candidate_key(distances[i], 8));
    if (i > 0) {
      EXPECT_LT(candidate_key(distances[i - 1], 0x7FFFFFFE), candidate_key(distances[i], 0));
    }
  }
}

TEST(Pool, KeepsTheNearestInOrder) {
  Random random(3);
  for (const uint32_t capacity : {1u, 2u, 7u, 64u}) {
    Pool pool;
    pool.reset(capacity);
    std::set<uint64_t> all;
    for (Slot slot = 0; slot < 300; ++slot) {
      const auto distance = static_cast<float>(random.below(100)) - 50;
      pool.insert(distance, slot);
      all.insert(candidate_key(distance, slot));
      ASSERT_EQ(pool.size(), std::min<size_t>(capacity, all.size()));
      auto expected = all.begin();
      for (uint32_t i = 0; i < pool.size(); ++i, ++expected) {
        ASSERT_EQ(candidate_key(pool.distance(i), pool.slot(i)), *expected);
      }
    }
    EXPECT_TRUE(pool.full());
  }
}

TEST(Pool, TakesEachCandidateOnceNearestFirst) {
  Random random(4);
  Pool pool;
  pool.reset(50);
  std::map<Slot, float> untaken;
  Slot next = 0;
  for (int step = 0; step < 200; ++step) {
    for (int i = 0; i < 3 && next < 300; ++i, ++next) {
      const auto distance = static_cast<float>(random.unit());
      pool.insert(distance, next);
      untaken[next] = distance;
    }
    uint64_t key = 0;
    key = pool.nearest(50);
    if (key == Pool::kNone) continue;
    pool.take();
    const Slot taken = key_slot(key);
    ASSERT_EQ(untaken.count(taken), 1u);
    const float distance = untaken[taken];
    untaken.erase(taken);
    for (uint32_t i = 0; i < pool.size(); ++i) {
      if (untaken.count(pool.slot(i)) != 0) {
        EXPECT_LE(distance, pool.distance(i));
      }
    }
  }
  for (uint32_t i = 0; i < pool.size(); ++i)
    EXPECT_EQ(untaken.count(pool.slot(i)), 0u);
}

TEST(Pool, TakesOnlyWithinTheGivenFront) {
  Pool pool;
  pool.reset(8);
  for (Slot slot = 0; slot < 8; ++slot)
    pool.insert(static_cast<float>(slot), slot);
  uint64_t key = 0;
  for (Slot slot = 0; slot < 3; ++slot) {
    key = pool.nearest(3);
    ASSERT_NE(key, Pool::kNone);
    pool.take();
    EXPECT_EQ(key_slot(key), slot);
    EXPECT_EQ(key_distance(key), static_cast<float>(slot));
  }
  EXPECT_EQ(pool.nearest(3), Pool::kNone);
}

TEST(Visited, MeetsEachSlotOncePerWalk) {
  Visited visited;
  // More walks than a mark can count.
  for (uint32_t walk = 0; walk < 70000; ++walk) {
    visited.begin(40);
    EXPECT_TRUE(visited.meet(walk % 40));
    EXPECT_FALSE(visited.meet(walk % 40));
  }
  visited.begin(40);
  const std::vector<Slot> slots = {5, 6, 5, 40, kNoSlot, 39};
  std::vector<Slot> fresh(slots.size());
  ASSERT_EQ(visited.meet_all(slots.data(), slots.size(), 40, fresh.data()), 3u);
  fresh.resize(3);
  EXPECT_EQ(fresh, (std::vector<Slot>{5, 6, 39}));
}

TEST(SlotMap, FindsWhatWasPutLast) {
  Random random(5);
  SlotMap map;
  float found = 0;
  EXPECT_FALSE(map.find(1, found));
  map.reset(4);
  std::map<Slot, float> shadow;
  for (int i = 0; i < 5000; ++i) {
    const auto slot = static_cast<Slot>(random.below(2000));
    const auto distance = static_cast<float>(random.unit());
    map.put(slot, distance);
    shadow[slot] = distance;
  }
  EXPECT_EQ(map.size(), shadow.size());
  for (Slot slot = 0; slot < 2500; ++slot) {
    const auto expected = shadow.find(slot);
    ASSERT_EQ(map.find(slot, found), expected != shadow.end());
    if (expected != shadow.end()) {
      EXPECT_EQ(found, expected->second);
    }
  }
}

}  // namespace
}  // namespace ferres
