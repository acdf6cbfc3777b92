// Building the indexes anew on demand: beside the old ones, for every partition, and told truly.
#include <map>

#include "base/epoch.h"
#include "collection/test_collection.h"

namespace ferres {
namespace {

constexpr uint32_t kDimension = 8;
constexpr uint32_t kPoints = 3000;  // more than are scanned

class ReindexTest : public CollectionFixture {
 protected:
  ReindexTest() : CollectionFixture(kDimension, Disk::kSimulated) {
    config_.index.type = "hnsw";
    config_.index.layout = GraphLayout::kCompact;
  }

  void upsert(uint32_t first, uint32_t count, const std::optional<std::string>& ns = {}) {
    while (count > 0) {
      UpsertRequest request;
      for (; count > 0 && request.points.size() < kPointsPerUpsertMax; --count, ++first) {
        std::vector<float> vector(kDimension);
        for (float& x : vector)
          x = static_cast<float>(random_.unit());
        points_[std::to_string(first)] = vector;
        PointInput point;
        point.id = std::to_string(first);
        point.ns = ns;
        point.vector = vector;
        request.points.push_back(std::move(point));
      }
      ASSERT_TRUE(collection_->upsert(std::move(request)).ok());
    }
  }
  std::shared_ptr<const ReindexRun> begin() {
    auto run = collection_->reindex();
    EXPECT_TRUE(run.ok()) << (run.ok() ? "" : run.error().message());
    return run.ok() ? *run : nullptr;
  }
  /// Of every hundredth point, how many are not found by their own vector.
  uint32_t missed(const std::optional<std::string>& ns = {}) {
    uint32_t count = 0;
    uint32_t missed = 0;
    for (const auto& [id, vector] : points_) {
      if (count++ % 100 != 0) continue;
      SearchRequest request;
      request.vector = vector;
      request.limit = 1;
      request.ns = ns;
      const auto found = collection_->search(request);
      EXPECT_TRUE(found.ok());
      missed += !found.ok() || found->hits.empty() || found->hits[0].point.id != id ? 1 : 0;
    }
    return missed;
  }

  Random random_{20261127};
  std::map<std::string, std::vector<float>> points_;
};

TEST_F(ReindexTest, TheSameIndexIsBuiltAnewWhileSearchesGoOn) {
  open();
  upsert(0, kPoints);
  ASSERT_TRUE(collection_->link_all().ok());
  executor_->run_all();
  const std::shared_ptr<const ReindexRun> run = begin();
  EXPECT_EQ(run->state().phase, ReindexPhase::kQueued);
  EXPECT_EQ(collection_->reindex().error().code(), Code::kAlreadyExists);
  uint64_t last = 0;
  uint64_t steps = 0;
  while (!run->state().ended() && executor_->run_one()) {
    const ReindexState state = run->state();
    EXPECT_GE(state.points_done, last);
    EXPECT_LE(state.points_done, state.points_total);
    steps += state.points_done > last ? 1 : 0;
    last = state.points_done;
    EXPECT_EQ(missed(), 0u);
  }
  EXPECT_GT(steps, 2u);
  const ReindexState state = run->state();
  EXPECT_EQ(state.phase, ReindexPhase::kCompleted);
  EXPECT_EQ(state.points_done, kPoints);
  EXPECT_EQ(state.points_total, kPoints);
  EXPECT_GT(state.old_index_bytes, 0u);
  EXPECT_GT(state.new_index_bytes, 0u);
  EXPECT_GT(state.ended_micros, 0u);
  executor_->run_all();
  EXPECT_FALSE(collection_->stats().index_build_left);
  EXPECT_FALSE(collection_->dirty());
  EXPECT_EQ(collection_->stats().unreachable_points.value_or(0), 0u);
  reopen();
  EXPECT_EQ(missed(), 0u);
}

TEST_F(ReindexTest, WritesMeanwhileAreInTheNewOne) {
  open();
  upsert(0, kPoints);
  ASSERT_TRUE(collection_->link_all().ok());
  executor_->run_all();
  const std::shared_ptr<const ReindexRun> run = begin();
  uint32_t next = kPoints;
  while (!run->state().ended()) {
    upsert(next, 20);
    next += 20;
    DeleteRequest gone;
    gone.ids = {std::to_string(next - 10)};
    ASSERT_TRUE(collection_->remove(std::move(gone)).ok());
    points_.erase(std::to_string(next - 10));
  }
  EXPECT_GT(next, kPoints + 20);
  EXPECT_EQ(run->state().phase, ReindexPhase::kCompleted);
  ASSERT_TRUE(collection_->link_all().ok());
  EXPECT_EQ(count(), points_.size());
  EXPECT_EQ(missed(), 0u);
  for (uint32_t id = kPoints; id < next; ++id) {
    const auto point = collection_->get(std::to_string(id), {});
    EXPECT_EQ(point.ok(), points_.contains(std::to_string(id))) << id;
  }
}

TEST_F(ReindexTest, TombstonesAreLeftOut) {
  open();
  upsert(0, kPoints);
  ASSERT_TRUE(collection_->link_all().ok());
  executor_->run_all();
  auto guard = std::make_unique<EpochGuard>();  // the dead stay until their last readers are gone
  DeleteRequest gone;
  for (uint32_t id = 0; id < 700; ++id) {
    gone.ids.push_back(std::to_string(id));
    points_.erase(std::to_string(id));
  }
  ASSERT_TRUE(collection_->remove(std::move(gone)).ok());
  executor_->run_all();
  EXPECT_EQ(collection_->stats().tombstones, 700u);
  const std::shared_ptr<const ReindexRun> run = begin();
  executor_->run_one();
  EXPECT_EQ(run->state().phase, ReindexPhase::kBuilding);
  guard.reset();
  executor_->run_all();
  EXPECT_EQ(run->state().phase, ReindexPhase::kCompleted);
  EXPECT_EQ(run->state().tombstones_cleaned, 700u);
  EXPECT_EQ(run->state().points_done, kPoints - 700);
  EXPECT_EQ(collection_->stats().tombstones, 0u);
  EXPECT_EQ(missed(), 0u);
}

TEST_F(ReindexTest, EveryNamespaceIsOpenedInTurn) {
  options_.isolate_namespaces = true;
  options_.open_partitions_max = 2;
  open();
  constexpr uint32_t kNamespaces = 12;
  for (uint32_t ns = 0; ns < kNamespaces; ++ns)
    upsert(ns * 100, 100, "ns" + std::to_string(ns));
  pass_seconds(20);
  EXPECT_LE(collection_->stats().open_partitions, 2u);
  const std::shared_ptr<const ReindexRun> run = begin();
  for (int i = 0; i < 60 && !run->state().ended(); ++i) {
    pass_seconds(1);
    EXPECT_LE(collection_->stats().open_partitions, 4u);
  }
  const ReindexState state = run->state();
  EXPECT_EQ(state.phase, ReindexPhase::kCompleted);
  EXPECT_EQ(state.points_done, kNamespaces * 100);
  for (uint32_t ns = 0; ns < kNamespaces; ++ns)
    EXPECT_EQ(count("ns" + std::to_string(ns)), 100u);
}

TEST_F(ReindexTest, AnEmptyCollectionIsDoneAtOnce) {
  open();
  const std::shared_ptr<const ReindexRun> run = begin();
  executor_->run_all();
  EXPECT_EQ(run->state().phase, ReindexPhase::kCompleted);
  EXPECT_EQ(run->state().points_total, 0u);
  EXPECT_TRUE(collection_->reindex().ok());
}

TEST_F(ReindexTest, AChangeOfTheIndexThereAndBackDoesNotEndIt) {
  open();
  upsert(0, kPoints);
  ASSERT_TRUE(collection_->link_all().ok());
  executor_->run_all();
  const std::shared_ptr<const ReindexRun> run = begin();
  executor_->run_one();
  const CollectionConfig before = config_;
  config_.index.layout = GraphLayout::kFast;
  collection_->configure(config_);
  executor_->run_one();
  collection_->configure(before);
  executor_->run_one();
  EXPECT_FALSE(run->state().ended());
  executor_->run_all();
  EXPECT_EQ(run->state().phase, ReindexPhase::kCompleted);
  EXPECT_EQ(run->state().points_done, kPoints);
  EXPECT_EQ(missed(), 0u);
}

TEST_F(ReindexTest, AStopEndsItAndSaysSo) {
  open();
  upsert(0, kPoints);
  ASSERT_TRUE(collection_->link_all().ok());
  const std::shared_ptr<const ReindexRun> run = begin();
  executor_->run_one();
  close(true);
  EXPECT_EQ(run->state().phase, ReindexPhase::kFailed);
  EXPECT_NE(run->state().error.find("closed"), std::string::npos) << run->state().error;
  open();
  EXPECT_EQ(missed(), 0u);
}

TEST_F(ReindexTest, ARestoreMeanwhileIsRebuiltToo) {
  open();
  upsert(0, kPoints);
  ASSERT_TRUE(collection_->link_all().ok());
  const Lsn then = collection_->stats().lsn;
  upsert(kPoints, 500);
  const std::shared_ptr<const ReindexRun> run = begin();
  executor_->run_one();
  RestoreTarget target;
  target.lsn = then;
  ASSERT_TRUE(collection_->restore(target, nullptr).ok());
  executor_->run_all();
  EXPECT_EQ(run->state().phase, ReindexPhase::kCompleted);
  EXPECT_EQ(run->state().points_done, kPoints);
  EXPECT_EQ(count(), kPoints);
}

}  // namespace
}  // namespace ferres
