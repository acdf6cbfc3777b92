// A mapped file that is cut short under its readers: they live, the store says it, and nothing that
// was read since becomes a checkpoint.
#include "storage/lost_pages.h"

#include <csignal>
#include <cstring>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "storage/page_store.h"
#include "storage/test_support.h"

namespace ferres {
namespace {

constexpr uint64_t kPages = 4;

class LostPages : public ::testing::Test {
 protected:
  LostPages() : dir_(fresh_dir("lost")) {}
  ~LostPages() override {
    store_.reset();
    posix_files().remove_tree(dir_).ignore();
  }
  /// A store of mapped pages of `x`, whose file is then cut after the first page.
  void open_and_cut() {
    auto store = PageStore::open(posix_files(), dir_, {.family = "points"});
    ASSERT_TRUE(store.ok());
    store_ = *std::move(store);
    arena_ = *store_->arena({.id = 1, .name = "test", .residency = Residency::kMapped});
    ASSERT_TRUE(arena_->grow(kPages * kPageBytes).ok());
    std::memset(arena_->mutate(0, kPages * kPageBytes), 'x', kPages * kPageBytes);
    store_->begin_checkpoint();
    ASSERT_TRUE(store_->write_checkpoint().ok());
    store_->commit_checkpoint();
    std::filesystem::resize_file(dir_ + "/points-1.bin", kPageBytes);
  }
  char read(uint64_t page) const {
    const EpochGuard guard;
    return static_cast<char>(arena_->base()[page * kPageBytes + 5000]);
  }

  std::string dir_;
  std::unique_ptr<PageStore> store_;
  Arena* arena_ = nullptr;
};

TEST_F(LostPages, ReadAsZerosAndAreNoted) {
  ASSERT_NO_FATAL_FAILURE(open_and_cut());
  EXPECT_EQ(read(0), 'x');
  EXPECT_TRUE(store_->lost().ok());
  EXPECT_EQ(read(2), 0);
  const Status lost = store_->lost();
  EXPECT_EQ(lost.code(), Code::kIo);
  EXPECT_NE(lost.message().find(dir_), std::string_view::npos) << lost.message();
  EXPECT_FALSE(store_->damage().ok());
  EXPECT_EQ(read(2), 0);
  EXPECT_EQ(read(3), 0);
  EXPECT_EQ(read(0), 'x');
}

TEST_F(LostPages, NeverReachACheckpoint) {
  ASSERT_NO_FATAL_FAILURE(open_and_cut());
  *arena_->mutate(kPageBytes, 1) = std::byte{'y'};  // the rest of its page is to be read
  store_->begin_checkpoint();
  EXPECT_FALSE(store_->write_checkpoint().ok());
  store_->abort_checkpoint();
}

TEST_F(LostPages, OfOneStoreAreNoneOfAnother) {
  ASSERT_NO_FATAL_FAILURE(open_and_cut());
  const std::string dir = fresh_dir("whole");
  auto other = PageStore::open(posix_files(), dir, {.family = "points"});
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(read(1), 0);
  EXPECT_FALSE(store_->lost().ok());
  EXPECT_TRUE((*other)->lost().ok());
}

TEST(LostPagesDeathTest, ASignalFromElsewhereEndsTheProcess) {
  EXPECT_DEATH(
      {
        std::atomic<bool> lost{false};
        std::byte byte{};
        const WatchedRange watched(&byte, 1, lost);
        raise(SIGBUS);
      },
      "");
}

}  // namespace
}  // namespace ferres
