// The id map under readers: what was in it when a reader began is found, wherever it moves.
#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/random.h"
#include "collection/id_map.h"
#include "collection/test_store.h"

namespace ferres {
namespace {

using IdMapThreads = StoreTest;

/// Of slot's id; the bits that choose the bucket are spread by the multiplication.
uint64_t hash_of(Slot slot) {
  return (uint64_t{slot} + 1) * 0x9E3779B97F4A7C15;
}

/// The lane keeps adding and erasing others' entries among those that always stay: every move
/// within a chain, every split, every line that is freed and used again happens under the readers.
TEST_F(IdMapThreads, WhatStaysIsAlwaysFound) {
  constexpr Slot kStaying = 40;  // few: their chains change all the time
  constexpr uint64_t kLookups = 10'000'000;
  Arena& buckets = arena(1);
  Arena& overflow = arena(2);
  IdMap map(buckets, overflow, {}, [](Slot slot) -> Result<uint64_t> { return hash_of(slot); });
  for (Slot slot = 0; slot < kStaying; ++slot)
    ASSERT_TRUE(map.insert(hash_of(slot), slot).ok());
  std::atomic<uint64_t> lookups{0};
  std::atomic<Slot> newest{kStaying - 1};
  std::atomic<uint64_t> missed{0};
  std::vector<std::jthread> readers;
  for (uint64_t reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&, reader] {
      Random random(reader);
      for (uint64_t done = 1; lookups < kLookups; ++done) {
        if (done % 1000 == 0) lookups += 1000;  // seldom: the readers must not wait for each other
        const EpochGuard guard;
        const Slot last = newest.load(std::memory_order_acquire);
        const Slot wanted = random.one_in(2) ? static_cast<Slot>(random.below(kStaying)) : last;
        if (!map.find(hash_of(wanted), [&](Slot found) { return found == wanted; })) {
          // The newest may have been erased since.
          if (wanted < kStaying || newest.load(std::memory_order_acquire) == wanted) ++missed;
        }
      }
    });
  }
  Random random(1);
  std::vector<Slot> living;
  for (Slot slot = kStaying; lookups < kLookups; ++slot) {
    ASSERT_TRUE(map.insert(hash_of(slot), slot).ok());
    living.push_back(slot);
    newest.store(slot, std::memory_order_release);
    // Now and then nearly all go, and their lines with them.
    const size_t kept = slot % 400 < 200 ? slot % 400 : 10;
    while (living.size() > kept + 1) {
      const size_t index = random.below(living.size() - 1);
      map.erase(hash_of(living[index]), living[index]);
      living[index] = living[living.size() - 2];
      living[living.size() - 2] = living.back();
      living.pop_back();
    }
  }
  readers.clear();
  EXPECT_EQ(missed.load(), 0u);
}

}  // namespace
}  // namespace ferres
