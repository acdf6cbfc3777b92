// Readers beside pages that move between tiers, change and are checkpointed. Not for TSan, like the
// readers of residency_test.cc: it takes a mapping that replaces another of the same bytes for a
// write.
#include <atomic>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/executor.h"
#include "base/random.h"
#include "storage/page_store.h"
#include "storage/test_support.h"

namespace ferres {
namespace {

constexpr uint64_t kPages = 24;

/// Page 0 changes; the others hold their number in every byte.
void read_pages(const Arena& arena, uint64_t seed, const std::atomic<bool>& stop,
                std::atomic<uint64_t>& wrong) {
  Random random(seed);
  while (!stop.load()) {
    const EpochGuard guard;
    const uint64_t page = 1 + random.below(kPages - 1);
    if (random.below(3) == 0)
      arena.use(page * kPageBytes, 1, static_cast<uint32_t>(1 + random.below(100)));
    arena.will_need(page * kPageBytes, kPageBytes);
    const std::byte* const at = arena.base() + page * kPageBytes;
    wrong += at[0] != std::byte(page) || std::memcmp(at, at + 1, kPageBytes - 1) != 0;
  }
}

TEST(TiersReaders, ReadersSeeTheSameBytesInEveryTier) {
  const std::string dir = fresh_dir("tiers_threads");
  auto store = PageStore::open(posix_files(), dir, {.family = "points"});
  ASSERT_TRUE(store.ok());
  Arena& arena = **(*store)->arena({.id = 1, .name = "test", .residency = Residency::kTiered});
  ASSERT_TRUE(arena.grow(kPages * kPageBytes).ok());
  for (uint64_t page = 0; page < kPages; ++page)
    std::memset(arena.mutate(page * kPageBytes, kPageBytes), static_cast<int>(page), kPageBytes);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> wrong{0};
  uint64_t moved = 0;
  {
    const std::unique_ptr<Executor> pool = make_thread_pool(3);
    for (uint64_t reader = 0; reader < 2; ++reader)
      pool->submit([&, reader] { read_pages(arena, 100 + reader, stop, wrong); });
    Random random(1);
    for (int round = 0; round < 300; ++round) {
      std::memset(arena.mutate(0, 100), round, 100);
      (*store)->begin_checkpoint();
      EXPECT_TRUE((*store)->write_checkpoint().ok());
      (*store)->commit_checkpoint();
      const auto warm = static_cast<uint32_t>(random.below(100));
      arena.begin_moves({.hot_minutes = warm / 2, .warm_minutes = warm}, 100);
      while (arena.move_some(3 * kPageBytes)) {
        const TierBytes bytes = arena.tier_bytes();
        moved += bytes.hot != 0 && bytes.cold != 0;
      }
      if (random.below(4) == 0) (*store)->release_mapped();
    }
    stop.store(true);
  }
  EXPECT_EQ(wrong.load(), 0u);
  EXPECT_GT(moved, 0u);
  store->reset();
  EXPECT_TRUE(posix_files().remove_tree(dir).ok());
}

}  // namespace
}  // namespace ferres
