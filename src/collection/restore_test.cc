// Going back and shrinking: what the sim tests do not see, for they run on one thread and without
// time limits: memory and files that come back, history that is thinned out and given up.
#include "base/epoch.h"
#include "base/random.h"
#include "collection/test_collection.h"
#include "storage/manifest.h"

namespace ferres {
namespace {

constexpr uint64_t kDay = 86'400'000'000;
constexpr uint32_t kDim = 64;

class Restore : public CollectionFixture {
 protected:
  Restore() : CollectionFixture(kDim) {}
  void put(uint64_t from, uint64_t to) {
    UpsertRequest request;
    for (uint64_t i = from; i < to; ++i) {
      std::vector<float> vector(kDim);
      for (float& x : vector)
        x = static_cast<float>(random_.unit() - 0.5);
      request.points.push_back({std::to_string(i), {}, std::move(vector), "{}", {}});
    }
    const auto result = collection_->upsert(std::move(request));
    ASSERT_TRUE(result.ok()) << result.error().message();
    ASSERT_EQ(result->upserted, to - from);
  }
  void remove(uint64_t from, uint64_t to) {
    DeleteRequest request;
    for (uint64_t i = from; i < to; ++i)
      request.ids.push_back(std::to_string(i));
    ASSERT_TRUE(collection_->remove(std::move(request)).ok());
  }
  Result<RestoreResult> restore_to(Lsn lsn) {
    return collection_->restore({.unix_micros = {}, .lsn = lsn}, nullptr);
  }
  std::vector<Lsn> checkpoints() { return *list_manifests(posix_files(), dir_ + "/checkpoints"); }
  /// Time passes for the collection until it is so; false when it does not become so.
  template <class Condition>
  bool becomes(Condition&& condition) {
    for (int i = 0; i < 600 && !condition(); ++i)
      pass_seconds(1);
    return condition();
  }

  Random random_{1};
};

TEST_F(Restore, ALongLogOfTheSamePointsTakesNoMoreMemoryThanThose) {
  options_.checkpoint_micros = ~uint64_t{0};
  options_.checkpoint_log_bytes = ~uint64_t{0};
  open();
  constexpr uint64_t kPoints = 1000;
  put(0, kPoints);
  const uint64_t least = collection_->stats().memory_bytes_vectors;
  for (int version = 0; version < 30; ++version)
    put(0, kPoints);
  const Lsn newest = collection_->stats().lsn;
  remove(0, kPoints);
  ASSERT_TRUE(restore_to(newest).ok());
  EXPECT_EQ(count(), kPoints);
  EXPECT_LT(collection_->stats().memory_bytes_vectors, 8 * least);
  reopen();
  EXPECT_EQ(count(), kPoints);
  EXPECT_LT(collection_->stats().memory_bytes_vectors, 8 * least);
}

TEST_F(Restore, MemoryAndFilesComeBackWhenMostPointsAreGone) {
  options_.shrink_slots_min = 1000;
  config_.retention_days = 0;
  open();
  for (uint64_t i = 0; i < 6; ++i)
    put(i * 1000, (i + 1) * 1000);
  ASSERT_TRUE(collection_->link_all().ok());
  ASSERT_TRUE(collection_->checkpoint().ok());
  const CollectionStats before = collection_->stats();
  remove(600, 6000);
  ASSERT_TRUE(becomes([&] {
    const CollectionStats now = collection_->stats();
    return now.memory_bytes_vectors < before.memory_bytes_vectors / 3 &&
           now.disk_bytes < before.disk_bytes / 3 && now.tombstones == 0;
  })) << collection_->stats().memory_bytes_vectors
      << " " << collection_->stats().disk_bytes;
  EXPECT_EQ(count(), 600u);
  EXPECT_TRUE(collection_->get("599", {}).ok());
  EXPECT_FALSE(collection_->get("600", {}).ok());
  put(600, 700);
  reopen();
  EXPECT_EQ(count(), 700u);
  EXPECT_EQ(collection_->get("599", {})->version, 1u);
}

TEST_F(Restore, CleaningUpIsKeptWithoutAnotherWrite) {
  options_.flat_points_max = 100;
  open();
  put(0, 1000);
  ASSERT_TRUE(collection_->link_all().ok());
  {
    const EpochGuard reader;  // that may still look at what is removed
    remove(0, 300);
    ASSERT_TRUE(collection_->checkpoint().ok());
  }
  ASSERT_TRUE(becomes([&] { return collection_->stats().tombstones == 0; }));
  EXPECT_TRUE(collection_->dirty());
  ASSERT_TRUE(collection_->checkpoint().ok());
  EXPECT_FALSE(collection_->dirty());
  reopen();
  EXPECT_EQ(collection_->stats().tombstones, 0u);
  EXPECT_EQ(count(), 700u);
}

TEST_F(Restore, WithoutRetentionOnlyTheNewestStateIsKept) {
  config_.retention_days = 0;
  open();
  for (uint64_t i = 0; i < 5; ++i) {
    put(i, i + 1);
    ASSERT_TRUE(collection_->checkpoint().ok());
  }
  EXPECT_EQ(checkpoints(), std::vector<Lsn>{5});
  const auto early = restore_to(4);
  EXPECT_EQ(early.error().code(), Code::kNotFound) << early.error().message();
  ASSERT_TRUE(restore_to(5).ok());
  EXPECT_EQ(count(), 5u);
  EXPECT_EQ(collection_->history()->oldest.lsn, 5u);
}

TEST_F(Restore, WhatAReaderKeptGoesWithTheReader) {
  open();
  for (uint64_t i = 0; i < 3; ++i) {
    put(i * 10, i * 10 + 10);
    ASSERT_TRUE(collection_->checkpoint().ok());
  }
  auto reader = collection_->pin_checkpoint();
  ASSERT_TRUE(reader.ok());
  CollectionConfig forgetful = collection_->config();
  forgetful.retention_days = 0;
  collection_->configure(forgetful);
  executor_->run_all();
  EXPECT_EQ(collection_->history()->oldest.lsn, 0u);
  reader->pin.reset();
  executor_->run_all();
  EXPECT_EQ(collection_->history()->oldest.lsn, 3u);
  EXPECT_EQ(checkpoints().size(), 1u);
}

TEST_F(Restore, TheWindowMovesWithTheClock) {
  config_.retention_days = 2;
  options_.log_segment_bytes = 1;  // a segment a write, so that each can go
  open();
  for (uint64_t i = 0; i < 6; ++i) {
    put(i, i + 1);
    ASSERT_TRUE(collection_->checkpoint().ok());
    clock_.advance_micros(kDay);
  }
  // Written on days 0 to 5, and this is day 6: the newest from before day 4 is that of day 4
  // itself.
  ASSERT_TRUE(collection_->trim().ok());
  ASSERT_TRUE(becomes([&] { return collection_->history()->oldest.lsn == 5; }))
      << collection_->history()->oldest.lsn;
  EXPECT_EQ(checkpoints().front(), 5u);
  EXPECT_EQ(restore_to(4).error().code(), Code::kNotFound);
  ASSERT_TRUE(restore_to(5).ok());
  EXPECT_EQ(count(), 5u);
}

TEST_F(Restore, WhatFollowedARestoreStaysWhenItsSourceHasLeftTheWindow) {
  config_.retention_days = 2;
  options_.log_segment_bytes = 1;
  open();
  put(0, 1);
  ASSERT_TRUE(collection_->checkpoint().ok());
  clock_.advance_micros(2 * kDay);
  put(1, 2);
  ASSERT_TRUE(collection_->checkpoint().ok());
  ASSERT_TRUE(restore_to(1).ok());
  ASSERT_TRUE(collection_->checkpoint().ok());
  put(2, 4);
  ASSERT_TRUE(collection_->checkpoint().ok());
  clock_.advance_micros(kDay + kDay / 2);
  put(4, 5);
  ASSERT_TRUE(collection_->checkpoint().ok());
  clock_.advance_micros(kDay);
  ASSERT_TRUE(collection_->trim().ok());
  ASSERT_TRUE(becomes([&] { return collection_->history()->oldest.lsn >= 2; }));
  for (Lsn lsn = collection_->history()->oldest.lsn; lsn <= 5; ++lsn) {
    const auto restored = restore_to(lsn);
    ASSERT_TRUE(restored.ok()) << lsn << ": " << restored.error().message();
    EXPECT_EQ(restored->points, (std::vector<uint64_t>{0, 1, 2, 1, 3, 4})[lsn]) << lsn;
  }
}

TEST_F(Restore, ItsSourceStaysUntilACheckpointHoldsIt) {
  config_.retention_days = 2;
  options_.background = false;
  options_.log_segment_bytes = 1;
  open();
  put(0, 1);
  ASSERT_TRUE(collection_->checkpoint().ok());
  clock_.advance_micros(kDay);
  put(1, 2);
  ASSERT_TRUE(collection_->checkpoint().ok());
  ASSERT_TRUE(restore_to(1).ok());
  clock_.advance_micros(4 * kDay);
  ASSERT_TRUE(collection_->trim().ok());
  executor_->run_all();
  reopen();
  EXPECT_EQ(count(), 1u);
  ASSERT_TRUE(collection_->checkpoint().ok());
  EXPECT_EQ(checkpoints(), std::vector<Lsn>{3});
}

TEST_F(Restore, CheckpointsOfTheHistoryAreThinnedOut) {
  options_.history_checkpoint_bytes = 300'000;
  open();
  for (uint64_t i = 0; i < 40; ++i) {
    put(0, 100);  // about 27 KB of log
    ASSERT_TRUE(collection_->checkpoint().ok());
  }
  EXPECT_GT(checkpoints().size(), 1u);
  EXPECT_LT(checkpoints().size(), 6u);
  for (const Lsn lsn : {0, 1, 17, 23, 39})
    ASSERT_TRUE(restore_to(lsn).ok()) << lsn;
  EXPECT_EQ(collection_->stats().lsn, 45u);
  EXPECT_GT(collection_->stats().history_bytes, 0u);
}

// The log goes first, and then the checkpoints before it: a crash in between leaves some from which
// no moment can be reached.
TEST_F(Restore, OnlyMomentsThatCanBeReachedArePromisedAfterATrimThatWasCutShort) {
  options_.background = false;
  options_.log_segment_bytes = 1;
  options_.history_checkpoint_bytes = 0;
  open();
  for (uint64_t i = 0; i < 3; ++i) {
    for (int j = 0; j < 4; ++j)
      put(0, 400);
    ASSERT_TRUE(collection_->checkpoint().ok());
  }
  close(false);
  ASSERT_EQ(checkpoints(), (std::vector<Lsn>{4, 8, 12}));
  const std::vector<std::string> segments = *files_.list(dir_ + "/wal");
  for (size_t i = 0; i < 6; ++i)
    ASSERT_TRUE(files_.remove(dir_ + "/wal/" + segments[i]).ok());
  open();
  EXPECT_EQ(collection_->history()->oldest.lsn, 8u);
  EXPECT_EQ(restore_to(7).error().code(), Code::kNotFound);
  EXPECT_TRUE(restore_to(9).ok());
  ASSERT_TRUE(collection_->checkpoint().ok());
  ASSERT_TRUE(collection_->trim().ok());
  executor_->run_all();
  EXPECT_EQ(checkpoints().front(), 8u);
}

TEST_F(Restore, IsThereAfterACrashBeforeItsCheckpoint) {
  options_.background = false;
  open();
  put(0, 10);
  put(10, 20);
  ASSERT_TRUE(collection_->checkpoint().ok());
  ASSERT_TRUE(restore_to(1).ok());
  put(20, 25);
  reopen();
  EXPECT_EQ(count(), 15u);
  EXPECT_FALSE(collection_->get("10", {}).ok());
  // A restore to a moment after a restore, from a checkpoint before it.
  put(25, 30);
  ASSERT_TRUE(restore_to(4).ok());
  EXPECT_EQ(count(), 15u);
  reopen();
  EXPECT_EQ(count(), 15u);
}

}  // namespace
}  // namespace ferres
