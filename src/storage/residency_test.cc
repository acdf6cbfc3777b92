// Arenas that stay on disk: what leaves memory at a checkpoint, and that nothing is lost by it.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/random.h"
#include "storage/page_store.h"
#include "storage/test_support.h"

namespace ferres {
namespace {

constexpr uint64_t kPages = 40;

class ResidencyTest : public ::testing::TestWithParam<Residency> {
 protected:
  void SetUp() override { dir_ = fresh_dir("residency"); }
  void TearDown() override {
    store_.reset();
    posix_files().remove_tree(dir_).ignore();
  }
  void open(const StoreManifest& manifest = {.family = "points"}) {
    auto store = PageStore::open(posix_files(), dir_, manifest);
    ASSERT_TRUE(store.ok()) << store.error().message();
    store_ = *std::move(store);
    auto arena = store_->arena({.id = 1, .name = "test", .residency = GetParam()});
    ASSERT_TRUE(arena.ok());
    arena_ = *arena;
  }
  void grow(uint64_t bytes) {
    shadow_.resize(bytes);
    ASSERT_TRUE(arena_->grow(bytes).ok());
  }
  void fill(uint64_t offset, uint64_t length) {
    for (uint64_t i = 0; i < length; ++i)
      shadow_[offset + i] = static_cast<char>(random_.next());
    std::memcpy(arena_->mutate(offset, length), &shadow_[offset], length);
  }
  StoreManifest checkpoint() {
    store_->begin_checkpoint();
    auto manifest = store_->write_checkpoint();
    EXPECT_TRUE(manifest.ok());
    store_->commit_checkpoint();
    return *std::move(manifest);
  }
  void expect_content() {
    const EpochGuard guard;
    ASSERT_TRUE(arena_->verify(0, shadow_.size()).ok());
    EXPECT_EQ(std::memcmp(arena_->base(), shadow_.data(), shadow_.size()), 0);
  }

  std::string dir_;
  std::unique_ptr<PageStore> store_;
  Arena* arena_ = nullptr;
  std::string shadow_;
  Random random_{20261126};
};

TEST_P(ResidencyTest, WhatACheckpointWroteLeavesMemory) {
  open();
  grow(kPages * kPageBytes);
  fill(0, shadow_.size());
  EXPECT_EQ(arena_->memory_bytes(), kPages * kPageBytes);
  checkpoint();
  EXPECT_EQ(arena_->memory_bytes(), 0u);
  expect_content();
  fill(3 * kPageBytes + 100, 50);
  EXPECT_EQ(arena_->memory_bytes(), kPageBytes);
  expect_content();
  const StoreManifest manifest = checkpoint();
  EXPECT_EQ(arena_->memory_bytes(), 0u);
  expect_content();
  open(manifest);
  expect_content();
}

TEST_P(ResidencyTest, AChangeDuringACheckpointStaysInMemory) {
  open();
  grow(kPages * kPageBytes);
  fill(0, shadow_.size());
  store_->begin_checkpoint();
  ASSERT_TRUE(store_->write_checkpoint().ok());
  fill(7 * kPageBytes, 1);
  store_->commit_checkpoint();
  EXPECT_EQ(arena_->memory_bytes(), kPageBytes);
  expect_content();
}

TEST_P(ResidencyTest, ReleasingLosesNoChange) {
  open();
  grow(kPages * kPageBytes);
  fill(0, shadow_.size());
  checkpoint();
  fill(5 * kPageBytes + 1, kPageBytes);
  {
    const EpochGuard guard;
    arena_->will_need(0, shadow_.size());
  }
  store_->release_mapped();
  expect_content();
}

TEST_P(ResidencyTest, GrowingIntoALargerRangeKeepsWhatIsOnDiskThere) {
  open();
  grow(kPages * kPageBytes);
  fill(0, shadow_.size());
  checkpoint();
  fill(2 * kPageBytes, 1);
  grow(uint64_t{65} << 20);  // beyond the first reservation
  EXPECT_EQ(arena_->memory_bytes(), kPageBytes);
  expect_content();
  fill(shadow_.size() - 10, 10);
  const StoreManifest manifest = checkpoint();
  expect_content();
  open(manifest);
  expect_content();
}

TEST_P(ResidencyTest, RandomChangesAndCheckpoints) {
  open();
  grow(kPages * kPageBytes);
  for (int round = 0; round < 200; ++round) {
    for (uint64_t i = random_.below(12); i > 0; --i) {
      const uint64_t length = 1 + random_.below(2 * kPageBytes);
      fill(random_.below(shadow_.size() - length), length);
    }
    if (random_.below(3) == 0) {
      grow(shadow_.size() + random_.below(3) * kPageBytes);
    }
    const StoreManifest manifest = checkpoint();
    if (random_.below(4) == 0) store_->release_mapped();
    if (random_.below(10) == 0) open(manifest);
    if (random_.below(10) == 0) {
      while (store_->scrub(1 << 20)) {
      }
    }
    expect_content();
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
}

TEST_P(ResidencyTest, ReadersSeeWholePagesWhileTheyLeaveMemory) {
  open();
  grow(kPages * kPageBytes);
  fill(0, shadow_.size());
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> wrong{0};
  std::thread reader([&] {
    while (!stop.load()) {
      const EpochGuard guard;
      // Page 0 changes below; the others never do.
      wrong += std::memcmp(arena_->base() + kPageBytes, shadow_.data() + kPageBytes,
                           shadow_.size() - kPageBytes) != 0;
    }
  });
  for (int round = 0; round < 100; ++round) {
    for (uint64_t page = 1; page < kPages; ++page)
      arena_->mutate(page * kPageBytes, 1);
    checkpoint();
    store_->release_mapped();
  }
  stop.store(true);
  reader.join();
  EXPECT_EQ(wrong.load(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Places, ResidencyTest,
                         ::testing::Values(Residency::kMapped, Residency::kDisk,
                                           Residency::kTiered));

/// Disk space comes back only when nobody has the deleted file mapped.
class MappedFiles : public ::testing::TestWithParam<bool> {};

TEST_P(MappedFiles, ThatGoAreNotHeld) {
  const ArenaSpec spec = {.id = 1, .name = "test", .huge_pages = GetParam()};
  const std::string dir = fresh_dir("residency_files");
  StoreManifest manifest{.family = "points"};
  std::string content(kPages * kPageBytes, 'x');
  {
    auto store = PageStore::open(posix_files(), dir, manifest);
    Arena* const arena = *(*store)->arena(spec);
    ASSERT_TRUE(arena->grow(content.size()).ok());
    std::memcpy(arena->mutate(0, content.size()), content.data(), content.size());
    (*store)->begin_checkpoint();
    manifest = *(*store)->write_checkpoint();
    (*store)->commit_checkpoint();
  }
  auto store = PageStore::open(posix_files(), dir, manifest);
  Arena* const arena = *(*store)->arena(spec);
  // Most of the file changes, so its other pages are written again and it leaves.
  const uint64_t changed = (kPages / 2 + 2) * kPageBytes;
  std::fill_n(content.begin(), changed, 'y');
  std::memcpy(arena->mutate(0, changed), content.data(), changed);
  (*store)->begin_checkpoint();
  const auto next = (*store)->write_checkpoint();
  ASSERT_TRUE(next.ok());
  (*store)->commit_checkpoint();
  ASSERT_EQ(next->files.size(), 1u);
  ASSERT_NE(next->files[0].name, manifest.files[0].name);
  std::ifstream file("/proc/self/maps");
  const std::string maps{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(maps.find(dir + "/" + manifest.files[0].name), std::string::npos);
  EXPECT_NE(maps.find(dir + "/" + next->files[0].name), std::string::npos);
  const EpochGuard guard;
  EXPECT_EQ(std::memcmp(arena->base(), content.data(), content.size()), 0);
  store->reset();
  ASSERT_TRUE(posix_files().remove_tree(dir).ok());
}

INSTANTIATE_TEST_SUITE_P(HugePages, MappedFiles, ::testing::Bool());

}  // namespace
}  // namespace ferres
