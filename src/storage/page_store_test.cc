// PageStore and Arena against a shadow of plain bytes, on the real disk.
#include "storage/page_store.h"

#include <cstring>
#include <filesystem>
#include <fstream>
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

TEST(PageStore, FilesOfSupersededPagesLeave) {
  const std::string dir = fresh_dir("garbage");
  StoreManifest manifest = empty_store();
  constexpr uint64_t kPages = 200;
  constexpr uint64_t kLive = kPages * kPageBytes;
  Random random(9);
  uint64_t written = 0;
  for (int life = 0; life < 4; ++life) {
    const std::unique_ptr<PageStore> store = open_store(dir, manifest);
    Arena* const arena = open_arena(*store, 1);
    ASSERT_TRUE(arena->grow(kLive).ok());
    for (uint64_t page = 0; page < kPages && life == 0; ++page)
      *arena->mutate(page * kPageBytes, 1) = std::byte{1};
    for (int round = 0; round < 60; ++round) {
      for (int i = 0; i < 4; ++i)
        *arena->mutate(random.below(kLive), 1) = std::byte{2};
      const uint64_t before = store->disk_bytes();
      manifest = checkpoint(*store);
      written += manifest.files.back().bytes;
      EXPECT_LE(manifest.files.size(), 65u);
      EXPECT_LE(store->disk_bytes(), 2 * kLive + kLive / 5) << before;
    }
  }
  // 240 checkpoints of 4 pages; what is merged is written again, a few times at most.
  EXPECT_LT(written, 240 * 4 * kPageBytes * 6);
}

TEST(PageStore, ManySmallCheckpointsAreMerged) {
  const std::string dir = fresh_dir("merge");
  const std::unique_ptr<PageStore> store = open_store(dir, empty_store());
  Arena* const arena = open_arena(*store, 1);
  constexpr uint64_t kRounds = 300;
  ASSERT_TRUE(arena->grow(kRounds * kPageBytes).ok());
  uint64_t written = 0;
  StoreManifest manifest;
  for (uint64_t page = 0; page < kRounds; ++page) {
    *arena->mutate(page * kPageBytes, 1) = std::byte{1};
    manifest = checkpoint(*store);
    written += manifest.files.back().bytes;
    ASSERT_LE(manifest.files.size(), 64u);
  }
  EXPECT_LT(written, kRounds * kPageBytes * 4);
  const std::unique_ptr<PageStore> again = open_store(dir, manifest);
  const Arena* const found = open_arena(*again, 1);
  ASSERT_TRUE(found->verify(0, found->bytes()).ok());
  for (uint64_t page = 0; page < kRounds; ++page)
    ASSERT_EQ(found->base()[page * kPageBytes], std::byte{1});
}

TEST(PageStore, FragmentedArenaIsWrittenTogether) {
  const std::string dir = fresh_dir("fragments");
  constexpr uint64_t kPages = 2200;
  const std::unique_ptr<PageStore> store = open_store(dir, empty_store());
  Arena* const arena = open_arena(*store, 1);
  ASSERT_TRUE(arena->grow(kPages * kPageBytes).ok());
  const auto change = [&](uint64_t step, std::byte value) {
    for (uint64_t page = 0; page < kPages; page += step)
      *arena->mutate(page * kPageBytes, 1) = value;
    return checkpoint(*store).files.back().bytes;
  };
  EXPECT_GT(change(1, std::byte{1}), kPages * kPageBytes);
  // Every fourth page is then alone in its file: more runs than an open should map.
  EXPECT_LT(change(4, std::byte{2}), kPages * kPageBytes / 3);
  EXPECT_GT(change(kPages, std::byte{3}), kPages * kPageBytes);
  EXPECT_LT(change(kPages, std::byte{4}), 2 * kPageBytes);
}

TEST(PageStore, NothingChangedWritesNoFile) {
  const std::string dir = fresh_dir("nothing");
  const std::unique_ptr<PageStore> store = open_store(dir, empty_store());
  Arena* const arena = open_arena(*store, 1);
  ASSERT_TRUE(arena->grow(100).ok());
  *arena->mutate(5, 1) = std::byte{7};
  EXPECT_EQ(checkpoint(*store).files.size(), 1u);
  ASSERT_TRUE(arena->grow(300'000).ok());
  const StoreManifest manifest = checkpoint(*store);
  EXPECT_EQ(manifest.files.size(), 1u);
  EXPECT_EQ(posix_files().list(dir)->size(), 1u);
  const std::unique_ptr<PageStore> again = open_store(dir, manifest);
  const Arena* const found = open_arena(*again, 1);
  ASSERT_EQ(found->bytes(), 300'000u);
  ASSERT_TRUE(found->verify(0, 300'000).ok());
  EXPECT_EQ(found->base()[5], std::byte{7});
  EXPECT_TRUE(std::all_of(found->base() + 6, found->base() + 300'000,
                          [](std::byte b) { return b == std::byte{0}; }));
}

void flip_byte(const std::string& path, uint64_t offset) {
  const Result<std::unique_ptr<File>> file = posix_files().open(path, OpenMode::kReadWrite);
  std::byte value[1];
  ASSERT_EQ(*(*file)->read(offset, value), 1u);
  value[0] ^= std::byte{1};
  ASSERT_TRUE((*file)->write(offset, value).ok());
}

/// A store of 40 pages in one file; returns its manifest.
StoreManifest make_pages(const std::string& dir) {
  const std::unique_ptr<PageStore> store = open_store(dir, empty_store());
  Arena* const arena = open_arena(*store, 1);
  EXPECT_TRUE(arena->grow(40 * kPageBytes).ok());
  for (uint64_t page = 0; page < 40; ++page)
    *arena->mutate(page * kPageBytes, 1) = std::byte{3};
  return checkpoint(*store);
}

TEST(PageStore, DamageIsFoundByReadersScrubAndLane) {
  const std::string dir = fresh_dir("damage");
  const StoreManifest manifest = make_pages(dir);
  flip_byte(dir + "/points-1.bin", 7 * kPageBytes + 1234);
  for (const int way : {0, 1, 2}) {
    SCOPED_TRACE(way);
    const std::unique_ptr<PageStore> store = open_store(dir, manifest);
    Arena* const arena = open_arena(*store, 1, true);
    EXPECT_TRUE(store->damage().ok());
    EXPECT_FALSE(store->all_verified());
    EXPECT_TRUE(arena->verify(6 * kPageBytes, kPageBytes).ok());
    if (way == 0) {
      EXPECT_EQ(arena->verify(7 * kPageBytes + 5, 1).code(), Code::kCorruption);
    } else if (way == 1) {
      while (store->scrub(kPageBytes))
        continue;
    } else {
      *arena->mutate(7 * kPageBytes, 1) = std::byte{4};
    }
    EXPECT_EQ(store->damage().code(), Code::kCorruption);
    EXPECT_NE(store->damage().message().find("points-1.bin: byte 458752"), std::string::npos)
        << store->damage().message();
    EXPECT_FALSE(store->all_verified());
    EXPECT_EQ(arena->verify(7 * kPageBytes, 1).code(), Code::kCorruption);
    EXPECT_TRUE(arena->verify(8 * kPageBytes, kPageBytes).ok());
    store->begin_checkpoint();
    EXPECT_EQ(store->write_checkpoint().error().code(), Code::kCorruption);
    store->abort_checkpoint();
  }
}

TEST(PageStore, DamageIsNotWrittenAgainWithAGoodChecksum) {
  const std::string dir = fresh_dir("damage");
  const StoreManifest manifest = make_pages(dir);
  const std::unique_ptr<PageStore> store = open_store(dir, manifest);
  Arena* const arena = open_arena(*store, 1);
  flip_byte(dir + "/points-1.bin", 39 * kPageBytes + 99);
  // Most of the file superseded: the rest is to be written again.
  for (uint64_t page = 0; page < 30; ++page)
    *arena->mutate(page * kPageBytes, 1) = std::byte{4};
  store->begin_checkpoint();
  EXPECT_EQ(store->write_checkpoint().error().code(), Code::kCorruption);
  store->abort_checkpoint();
  EXPECT_EQ(store->changed_bytes(), 30 * kPageBytes);
}

TEST(PageStore, MissingShortAndForeignFilesAreRefused) {
  const std::string dir = fresh_dir("refused");
  const StoreManifest manifest = make_pages(dir);
  const auto refused = [&](const StoreManifest& changed) {
    return PageStore::open(posix_files(), dir, changed).error().code() == Code::kCorruption;
  };
  StoreManifest other = manifest;
  other.files[0].bytes += 1;
  EXPECT_TRUE(refused(other));
  other = manifest;
  other.files[0].table_crc ^= 1;
  EXPECT_TRUE(refused(other));
  other = manifest;
  other.arenas[0].id = 2;
  EXPECT_TRUE(refused(other));
  other = manifest;
  other.arenas[0].bytes = kPageBytes;
  EXPECT_TRUE(refused(other));
  other = manifest;
  other.arenas.push_back(other.arenas[0]);
  EXPECT_TRUE(refused(other));
  other = manifest;
  other.files.push_back(other.files[0]);
  EXPECT_TRUE(refused(other));
  other = manifest;
  std::filesystem::copy_file(dir + "/points-1.bin", dir + "/points-2.bin");
  other.files[0].name = "points-2.bin";
  other.next_file = 3;
  EXPECT_TRUE(refused(other));
  std::filesystem::remove(dir + "/points-1.bin");
  EXPECT_TRUE(refused(manifest));
}

TEST(PageStore, AbortedCheckpointIsPartOfTheNext) {
  const std::string dir = fresh_dir("abort");
  const std::unique_ptr<PageStore> store = open_store(dir, empty_store());
  Arena* const arena = open_arena(*store, 1);
  Shadow shadow(5, 3'000'000);
  for (int i = 0; i < 30; ++i)
    shadow.change(*arena);
  const uint64_t changed = store->changed_bytes();
  store->begin_checkpoint();
  EXPECT_EQ(store->changed_bytes(), 0u);
  shadow.change(*arena);
  ASSERT_TRUE(store->write_checkpoint().ok());
  store->abort_checkpoint();
  EXPECT_GE(store->changed_bytes(), changed);
  const StoreManifest manifest = checkpoint(*store);
  ASSERT_EQ(manifest.files.size(), 1u);
  EXPECT_EQ(manifest.files[0].name, "points-2.bin");
  const std::unique_ptr<PageStore> again = open_store(dir, manifest);
  shadow.expect_equal(*open_arena(*again, 1));
}

TEST(PageStore, UnknownArenasStayInTheStore) {
  const std::string dir = fresh_dir("unknown");
  StoreManifest manifest = empty_store();
  Shadow shadow(6, 400'000);
  {
    const std::unique_ptr<PageStore> store = open_store(dir, manifest);
    Arena* const arena = open_arena(*store, 5);
    for (int i = 0; i < 10; ++i)
      shadow.change(*arena);
    manifest = checkpoint(*store);
  }
  for (int life = 0; life < 3; ++life) {
    const std::unique_ptr<PageStore> store = open_store(dir, manifest);
    Arena* const arena = open_arena(*store, 9);
    ASSERT_TRUE(arena->grow(1000).ok());
    *arena->mutate(0, 1000) = std::byte{1};
    manifest = checkpoint(*store);
  }
  const std::unique_ptr<PageStore> store = open_store(dir, manifest);
  shadow.expect_equal(*open_arena(*store, 5));
}

TEST(PageStore, GrowsToItsLimitAndNoFurther) {
  const std::unique_ptr<PageStore> store = open_store(fresh_dir("limit"), empty_store());
  ArenaSpec spec;
  spec.id = 1;
  spec.name = "small";
  spec.bytes_max = 100'000;
  Arena* const arena = *store->arena(spec);
  ASSERT_TRUE(arena->grow(100'000).ok());
  const Status status = arena->grow(100'001);
  EXPECT_EQ(status.code(), Code::kTooLarge);
  EXPECT_NE(status.message().find("small"), std::string::npos) << status.message();
  EXPECT_EQ(arena->bytes(), 100'000u);
  ASSERT_TRUE(arena->grow(5).ok());
  EXPECT_EQ(arena->bytes(), 100'000u);
}

TEST(PageStore, OldRangeStaysReadableUnderAGuard) {
  const std::unique_ptr<PageStore> store = open_store(fresh_dir("move"), empty_store());
  Arena* const arena = open_arena(*store, 1, true);
  ASSERT_TRUE(arena->grow(10'000).ok());
  *arena->mutate(77, 1) = std::byte{1};
  const EpochGuard guard;
  const Arena::Range before = arena->range();
  ASSERT_TRUE(arena->grow(100'000'000).ok());
  const Arena::Range after = arena->range();
  ASSERT_NE(before.base, after.base);
  *arena->mutate(77, 1) = std::byte{2};
  store->begin_checkpoint();
  store->abort_checkpoint();
  EXPECT_EQ(before.bytes, 10'000u);
  EXPECT_EQ(before.base[77], std::byte{1});
  EXPECT_EQ(after.base[77], std::byte{2});
}

TEST(PageStore, ScrubbedHugeArenaIsFewMappings) {
  const std::string dir = fresh_dir("huge");
  StoreManifest manifest;
  Shadow shadow(8, 40'000'000);
  {
    const std::unique_ptr<PageStore> store = open_store(dir, empty_store());
    Arena* const arena = open_arena(*store, 1, true);
    for (int i = 0; i < 400; ++i)
      shadow.change(*arena);
    manifest = checkpoint(*store);
  }
  const std::unique_ptr<PageStore> store = open_store(dir, manifest);
  Arena* const arena = open_arena(*store, 1, true);
  EXPECT_LT(arena->memory_bytes(), 100'000u);
  while (store->scrub(1))
    continue;
  EXPECT_TRUE(store->all_verified());
  EXPECT_EQ(arena->memory_bytes(), (arena->bytes() + 4095) / 4096 * 4096);
  shadow.expect_equal(*arena);
  const Arena::Range range = arena->range();
  std::ifstream maps("/proc/self/maps");
  uint64_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    const uint64_t start = std::stoull(line, nullptr, 16);
    const auto base = reinterpret_cast<uint64_t>(range.base);
    if (start >= base && start < base + range.bytes) ++count;
  }
  EXPECT_LE(count, 4u);
}

}  // namespace
}  // namespace ferres
