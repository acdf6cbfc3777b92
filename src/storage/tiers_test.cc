// Pages that move between tiers: where they go, and that nobody sees it in their bytes.
#include "storage/tiers.h"

#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/random.h"
#include "base/test_settings.h"
#include "storage/page_store.h"
#include "storage/test_support.h"

namespace ferres {
namespace {

constexpr uint64_t kPages = 40;
constexpr TierPolicy kPolicy = {.hot_minutes = 60, .warm_minutes = 600};

class TiersTest : public ::testing::Test {
 protected:
  void SetUp() override { dir_ = fresh_dir("tiers"); }
  void TearDown() override {
    store_.reset();
    posix_files().remove_tree(dir_).ignore();
  }
  void open(const StoreManifest& manifest = {.family = "points"}) {
    auto store = PageStore::open(posix_files(), dir_, manifest);
    ASSERT_TRUE(store.ok()) << store.error().message();
    store_ = *std::move(store);
    auto arena = store_->arena({.id = 1, .name = "test", .residency = Residency::kTiered});
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
    arena_->use(offset, length, minute_);
  }
  void use(uint64_t page) { arena_->use(page * kPageBytes + 7, 100, minute_); }
  StoreManifest checkpoint() {
    store_->begin_checkpoint();
    auto manifest = store_->write_checkpoint();
    EXPECT_TRUE(manifest.ok());
    store_->commit_checkpoint();
    return *std::move(manifest);
  }
  void move_all(const TierPolicy& policy = kPolicy) {
    arena_->begin_moves(policy, minute_);
    while (arena_->move_some(5 * kPageBytes)) {
    }
  }
  /// The arena as letters, a page each.
  std::string tiers() const {
    std::string all;
    for (uint64_t page = 0; page < shadow_.size() / kPageBytes; ++page)
      all += "hwc"[static_cast<size_t>(arena_->tier(page * kPageBytes))];
    return all;
  }
  void expect_content() {
    const EpochGuard guard;
    ASSERT_TRUE(arena_->verify(0, shadow_.size()).ok());
    ASSERT_EQ(std::memcmp(arena_->base(), shadow_.data(), shadow_.size()), 0);
  }
  void write_and_move() {
    for (uint64_t i = random_.below(4); i > 0; --i) {
      const uint64_t length = 1 + random_.below(2 * kPageBytes);
      fill(random_.below(kPages * kPageBytes - length), length);
    }
    for (uint64_t i = random_.below(10); i > 0; --i)
      use(random_.below(kPages));
    TierPolicy policy = kPolicy;
    if (random_.below(2) == 0) policy.hot_bytes_max = random_.below(kPages) * kPageBytes;
    if (random_.below(2) == 0) arena_->begin_moves(policy, minute_);
    arena_->move_some(random_.below(kPages) * kPageBytes);
    ASSERT_NO_FATAL_FAILURE(expect_content());
    if (random_.below(2) == 0) fill(random_.below(kPages * kPageBytes - 10), 10);
  }
  /// A store of `pages` pages, all in their files.
  void open_filled(uint64_t pages) {
    open();
    grow(pages * kPageBytes);
    fill(0, shadow_.size());
    manifest_ = checkpoint();
  }

  std::string dir_;
  std::unique_ptr<PageStore> store_;
  Arena* arena_ = nullptr;
  StoreManifest manifest_;
  std::string shadow_;
  uint32_t minute_ = 100'000;
  Random random_{20261127};
};

TEST_F(TiersTest, WhatIsNotUsedGoesWarmAndThenCold) {
  open_filled(6);
  EXPECT_EQ(tiers(), "wwwwww");  // until the first moves
  move_all();
  EXPECT_EQ(tiers(), "hhhhhh");
  EXPECT_EQ(arena_->memory_bytes(), 6 * kPageBytes);
  minute_ += 59;
  use(1);
  move_all();
  EXPECT_EQ(tiers(), "hhhhhh");
  minute_ += 1;
  move_all();
  EXPECT_EQ(tiers(), "whwwww");
  EXPECT_EQ(arena_->memory_bytes(), kPageBytes);
  minute_ += 600;
  move_all();
  EXPECT_EQ(tiers(), "cccccc");
  EXPECT_EQ(arena_->memory_bytes(), 0u);
  expect_content();
}

TEST_F(TiersTest, UseBringsAPageBackFromAnywhere) {
  open_filled(4);
  minute_ += 600;
  move_all();
  ASSERT_EQ(tiers(), "cccc");
  EXPECT_EQ(arena_->use(2 * kPageBytes - 1, 2, minute_), Tier::kCold);  // of two pages
  move_all();
  EXPECT_EQ(tiers(), "chhc");
  EXPECT_EQ(arena_->use(kPageBytes, 1, minute_), Tier::kHot);
  minute_ += 60;
  use(0);
  move_all();
  EXPECT_EQ(tiers(), "hwwc");
  expect_content();
  const TierBytes bytes = arena_->tier_bytes();
  EXPECT_EQ(bytes.hot, kPageBytes);
  EXPECT_EQ(bytes.warm, 2 * kPageBytes);
  EXPECT_EQ(bytes.cold, kPageBytes);
}

TEST_F(TiersTest, AChangedPageStaysInMemoryUntilItsCheckpoint) {
  open_filled(4);
  minute_ += 600;
  move_all();
  fill(kPageBytes + 5, 10);
  EXPECT_EQ(tiers(), "chcc");
  minute_ += 600;
  move_all();
  EXPECT_EQ(tiers(), "chcc");
  expect_content();
  checkpoint();
  expect_content();
  move_all();
  EXPECT_EQ(tiers(), "cccc");
  store_->release_mapped();
  expect_content();
}

TEST_F(TiersTest, HotBytesMaxKeepsThoseUsedLast) {
  open_filled(6);
  TierPolicy policy = kPolicy;
  policy.hot_bytes_max = 3 * kPageBytes + 1;
  for (const uint64_t page : {4, 0, 5, 2}) {
    ++minute_;
    use(page);
  }
  move_all(policy);
  EXPECT_EQ(tiers(), "hwhwwh");
  fill(kPageBytes, 1);  // counts, and cannot leave
  move_all(policy);
  EXPECT_EQ(tiers(), "whhwwh");
  policy.hot_bytes_max = 0;
  move_all(policy);
  EXPECT_EQ(tiers(), "whwwww");
  expect_content();
}

TEST_F(TiersTest, AmongEqualsNothingMovesTwice) {
  open_filled(6);
  TierPolicy policy = kPolicy;
  policy.hot_bytes_max = 2 * kPageBytes;
  for (const uint64_t page : {3, 5})
    use(page);
  minute_ += 1;
  for (const uint64_t page : {3, 5})
    use(page);
  move_all(policy);
  ASSERT_EQ(tiers(), "wwwhwh");
  for (uint64_t page = 0; page < 6; ++page)
    use(page);
  move_all(policy);
  EXPECT_EQ(tiers(), "wwwhwh");
}

TEST_F(TiersTest, AfterAStartPagesAreWarmUntilTheyAreUsedOrIdle) {
  open_filled(4);
  open(manifest_);
  EXPECT_EQ(tiers(), "wwww");
  move_all();
  EXPECT_EQ(tiers(), "wwww");
  use(3);
  move_all();
  EXPECT_EQ(tiers(), "wwwh");
  minute_ += 540;
  move_all();
  EXPECT_EQ(tiers(), "cccw");
  expect_content();
}

TEST_F(TiersTest, RandomMovesWritesAndCheckpoints) {
  for (auto [seed, last] = seeds(3); seed <= last; ++seed) {
    SCOPED_TRACE("FERRES_SEED=" + std::to_string(seed));
    random_ = Random(seed);
    posix_files().remove_tree(dir_).ignore();
    posix_files().make_dirs(dir_).ignore();
    shadow_.clear();
    open();
    grow(kPages * kPageBytes);
    for (int round = 0; round < 100; ++round) {
      minute_ += static_cast<uint32_t>(random_.below(300));
      write_and_move();
      store_->begin_checkpoint();
      const std::string begun = shadow_;
      write_and_move();
      auto manifest = store_->write_checkpoint();
      ASSERT_TRUE(manifest.ok());
      write_and_move();
      store_->commit_checkpoint();
      write_and_move();
      if (random_.below(4) == 0) store_->release_mapped();
      if (round == 95) grow(uint64_t{65} << 20);  // beyond the first reservation
      ASSERT_NO_FATAL_FAILURE(expect_content());
      if (random_.below(10) != 0) continue;
      open(*manifest);
      shadow_ = begun;
      while (random_.below(2) == 0 && store_->scrub(1 << 20)) {
      }
      ASSERT_NO_FATAL_FAILURE(expect_content());
    }
  }
}

}  // namespace
}  // namespace ferres
