// PageStore and Arena against a shadow of plain bytes, on the real disk.
#include "storage/page_store.h"

#include <cstring>
#include <filesystem>
#include <map>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/random.h"
#include "storage/test_support.h"

namespace ferres {
namespace {

StoreManifest empty_store() {
  StoreManifest manifest;
  manifest.family = "points";
  return manifest;
}

std::unique_ptr<PageStore> open_store(const std::string& dir, const StoreManifest& manifest) {
  Result<std::unique_ptr<PageStore>> store = PageStore::open(posix_files(), dir, manifest);
  EXPECT_TRUE(store.ok()) << store.error().message();
  return store.ok() ? *std::move(store) : nullptr;
}

Arena* open_arena(PageStore& store, uint32_t id, bool huge = false) {
  ArenaSpec spec;
  spec.id = id;
  spec.name = "test";
  spec.huge_pages = huge;
  Result<Arena*> arena = store.arena(spec);
  EXPECT_TRUE(arena.ok()) << arena.error().message();
  return *arena;
}

StoreManifest checkpoint(PageStore& store) {
  store.begin_checkpoint();
  Result<StoreManifest> manifest = store.write_checkpoint();
  EXPECT_TRUE(manifest.ok()) << manifest.error().message();
  store.commit_checkpoint();
  return *std::move(manifest);
}

/// Random operations on one arena, and what it must contain.
class Shadow {
 public:
  Shadow(uint64_t seed, uint64_t bytes_max) : random_(seed), bytes_max_(bytes_max) {}

  void change(Arena& arena) {
    if (bytes_.empty() || random_.below(8) == 0) {
      const uint64_t more = 1 + random_.below(bytes_max_ / 8);
      bytes_.resize(std::min(bytes_max_, bytes_.size() + more));
      ASSERT_TRUE(arena.grow(bytes_.size()).ok());
    }
    const uint64_t offset = random_.below(bytes_.size());
    const uint64_t length = std::min(1 + random_.below(200'000), bytes_.size() - offset);
    std::byte* const to = arena.mutate(offset, length);
    const auto fill = static_cast<std::byte>(random_.below(256));
    for (uint64_t i = 0; i < length; i += 1 + random_.below(100)) {
      to[i] = fill;
      bytes_[offset + i] = fill;
    }
  }
  void expect_equal(const Arena& arena) const {
    const EpochGuard guard;
    const Arena::Range range = arena.range();
    ASSERT_EQ(range.bytes, bytes_.size());
    ASSERT_TRUE(arena.verify(0, range.bytes).ok());
    ASSERT_EQ(std::memcmp(range.base, bytes_.data(), bytes_.size()), 0);
  }

 private:
  Random random_;
  uint64_t bytes_max_;
  std::vector<std::byte> bytes_;
};

TEST(PageStore, ContentSurvivesCheckpointsAndReopening) {
  const std::string dir = fresh_dir("reopen");
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Shadow shadow(seed, seed % 2 == 0 ? 30'000 : 9'000'000);
    Shadow other(seed + 100, 5'000'000);
    StoreManifest manifest = empty_store();
    manifest.family = "points" + std::to_string(seed);
    for (int life = 0; life < 6; ++life) {
      const std::unique_ptr<PageStore> store = open_store(dir, manifest);
      Arena* const arena = open_arena(*store, 3, true);
      Arena* const second = open_arena(*store, 7);
      if (life > 0) {
        shadow.expect_equal(*arena);
        other.expect_equal(*second);
      }
      for (int round = 0; round < 6; ++round) {
        for (int i = 0; i < 20; ++i)
          shadow.change(*arena);
        other.change(*second);
        if (round == 3)
          while (store->scrub(1 << 20))
            continue;
        shadow.expect_equal(*arena);
        manifest = checkpoint(*store);
      }
      EXPECT_TRUE(store->all_verified());
    }
  }
}

}  // namespace
}  // namespace ferres
