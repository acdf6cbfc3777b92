// Collections whose vectors move between tiers, under a clock that the test turns.
#include <string>
#include <vector>

#include "base/random.h"
#include "collection/test_collection.h"

namespace ferres {
namespace {

constexpr uint32_t kDim = 64;
constexpr uint32_t kPoints = 4096;  // 256 on each of 16 pages
constexpr uint64_t kHourMicros = 3'600'000'000;
constexpr uint64_t kPage = 64 << 10;

class TieredTest : public CollectionFixture {
 protected:
  TieredTest() : CollectionFixture(kDim) {
    config_.tiers.enabled = true;
    options_.shrink_slots_min = 1 << 20;  // it would write all anew
    options_.open_partitions_max = 4;
    EXPECT_TRUE(resolve_index(config_).ok());
    open();
  }
  void open() {
    CollectionFixture::open();
    executor_->run_all();
  }
  /// Time passes for the clock, and a tick sees it.
  void advance(uint64_t micros) {
    clock_.advance_micros(micros);
    executor_->advance_micros(1'000'000);
    executor_->run_all();
  }
  static std::vector<float> vector(uint32_t i, uint32_t version = 0) {
    return std::vector<float>(kDim, static_cast<float>(i) + static_cast<float>(version) / 4);
  }
  void fill(uint32_t first, uint32_t count, uint32_t version = 0) {
    UpsertRequest request;
    for (uint32_t i = first; i < first + count; ++i)
      request.points.push_back(
          {std::to_string(i), std::nullopt, vector(i, version), "{}", std::nullopt});
    ASSERT_TRUE(collection_->upsert(std::move(request)).ok());
  }
  void fill_and_settle() {
    fill(0, kPoints);
    ASSERT_TRUE(collection_->link_all().ok());
    ASSERT_TRUE(collection_->checkpoint().ok());
    advance(0);
  }
  TierStats tiers() {
    auto tiers = collection_->tiers();
    EXPECT_TRUE(tiers.ok());
    return *tiers;
  }
  std::string counts() {
    const TierStats stats = tiers();
    return std::to_string(stats.hot) + " " + std::to_string(stats.warm) + " " +
           std::to_string(stats.cold);
  }
  void expect_vectors(uint32_t version = 0) {
    for (uint32_t i = 0; i < kPoints; i += 97) {
      const auto point = collection_->get(std::to_string(i), std::nullopt);
      ASSERT_TRUE(point.ok());
      ASSERT_EQ(point->vector, vector(i, version));
    }
  }
};

TEST_F(TieredTest, IdlePointsGoWarmThenColdAndASearchBringsTheirPageBack) {
  fill_and_settle();
  EXPECT_EQ(counts(), "4096 0 0");
  EXPECT_EQ(tiers().bytes.hot, 16 * kPage);
  EXPECT_GE(collection_->stats().memory_bytes_vectors, 16 * kPage);
  advance(25 * kHourMicros);
  EXPECT_EQ(counts(), "0 4096 0");
  EXPECT_LT(collection_->stats().memory_bytes_vectors, kPage);
  advance(144 * kHourMicros);
  EXPECT_EQ(counts(), "0 0 4096");
  EXPECT_EQ(tiers().bytes.cold, 16 * kPage);
  SearchRequest request;
  request.vector = vector(128);
  request.limit = 1;
  const auto found = collection_->search(request);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->hits.at(0).point.id, "128");
  EXPECT_EQ(found->hits.at(0).score, 0);
  EXPECT_EQ(tiers().hot, 0u);  // until the next moves
  advance(kHourMicros);
  EXPECT_GE(tiers().hot, 256u);
  EXPECT_LE(tiers().hot, 3u * 256);
  expect_vectors();
}

TEST_F(TieredTest, MovesComeWithTheIntervalAndThePolicyMayChange) {
  fill_and_settle();
  advance(24 * kHourMicros);
  ASSERT_EQ(counts(), "0 4096 0");
  ASSERT_TRUE(collection_->get("0", std::nullopt).ok());
  advance(3599 * 1'000'000ull);
  EXPECT_EQ(counts(), "0 4096 0");
  advance(1'000'000);
  EXPECT_EQ(counts(), "256 3840 0");
  CollectionConfig changed = config_;
  changed.tiers.hot_threshold_hours = 0;
  changed.tiers.warm_threshold_hours = 2;
  collection_->configure(changed);
  executor_->run_all();
  EXPECT_EQ(counts(), "0 256 3840");
  changed.tiers.hot_threshold_hours = changed.tiers.warm_threshold_hours = 1000;
  changed.tiers.hot_bytes_max = 3 * kPage;
  collection_->configure(changed);
  executor_->run_all();
  EXPECT_EQ(counts(), "768 3328 0");
  expect_vectors();
}

TEST_F(TieredTest, WritesToColdPagesAndARestartLoseNothing) {
  fill_and_settle();
  advance(200 * kHourMicros);
  ASSERT_EQ(counts(), "0 0 4096");
  fill(0, kPoints, 1);
  executor_->run_all();
  expect_vectors(1);
  ASSERT_TRUE(collection_->checkpoint().ok());
  fill(0, kPoints, 2);  // in the log alone
  executor_->run_all();
  EXPECT_EQ(tiers().hot, kPoints);
  close();
  open();
  expect_vectors(2);
  ASSERT_TRUE(collection_->checkpoint().ok());
  executor_->run_all();
  advance(200 * kHourMicros);
  expect_vectors(2);
  EXPECT_EQ(counts(), "0 0 4096");
  close();
  open();
  EXPECT_EQ(counts(), "0 4096 0");  // when pages were used is forgotten
  expect_vectors(2);
}

TEST_F(TieredTest, ARestoredCollectionHasTiersToo) {
  fill_and_settle();
  const Lsn before = collection_->stats().lsn;
  fill(0, kPoints, 1);
  ASSERT_TRUE(collection_->restore({.unix_micros = {}, .lsn = before}, nullptr).ok());
  executor_->run_all();
  expect_vectors();
  ASSERT_TRUE(collection_->checkpoint().ok());
  advance(0);
  EXPECT_EQ(counts(), "4096 0 0");
  advance(200 * kHourMicros);
  EXPECT_EQ(counts(), "0 0 4096");
  expect_vectors();
}

TEST_F(TieredTest, NamespacesOfTheirOwnShareWhatMayBeHot) {
  close();
  posix_files().remove_tree(dir_).ignore();
  options_.isolate_namespaces = true;
  config_.tiers.hot_bytes_max = 4 * kPage;
  open();
  for (const char* ns : {"a", "b"}) {
    UpsertRequest request;
    for (uint32_t i = 0; i < 1024; ++i)  // four pages
      request.points.push_back({std::to_string(i), ns, vector(i), "{}", std::nullopt});
    ASSERT_TRUE(collection_->upsert(std::move(request)).ok());
  }
  executor_->run_all();
  ASSERT_TRUE(collection_->checkpoint().ok());
  advance(0);
  EXPECT_EQ(counts(), "1024 1024 0");
  EXPECT_EQ(tiers().bytes.hot, 4 * kPage);
  advance(200 * kHourMicros);
  EXPECT_EQ(counts(), "0 0 2048");
  EXPECT_EQ(collection_->get("77", "b")->vector, vector(77));
  close();
  open();
  EXPECT_EQ(counts(), "0 0 2048");  // closed
  EXPECT_EQ(collection_->get("77", "b")->vector, vector(77));
  EXPECT_EQ(counts(), "0 1024 1024");
}

TEST(Tiers, WithoutThemAllIsHotByTheContractsEstimate) {
  const std::string dir = ::testing::TempDir() + "/tiers_test_" + random_uuid();
  ManualClock clock(1'700'000'000'000'000);
  CommitClock commit_clock(clock);
  ManualExecutor executor(7);
  CollectionConfig config;
  config.name = "docs";
  config.dimension = 10;
  config.uuid = "u";
  ASSERT_TRUE(resolve_index(config).ok());
  auto collection =
      *Collection::open({&posix_files(), &executor, &clock, &commit_clock}, dir, config, {});
  UpsertRequest request;
  request.points.push_back({"a", std::nullopt, std::vector<float>(10, 1), "{}", std::nullopt});
  request.points.push_back({"b", std::nullopt, std::vector<float>(10, 2), "{}", std::nullopt});
  ASSERT_TRUE(collection->upsert(std::move(request)).ok());
  const auto tiers = collection->tiers();
  ASSERT_TRUE(tiers.ok());
  EXPECT_EQ(tiers->hot, 2u);
  EXPECT_EQ(tiers->bytes.hot, 2u * (10 * 4 + 200 + 128));
  EXPECT_EQ(tiers->warm + tiers->cold + tiers->bytes.warm + tiers->bytes.cold, 0u);
  ASSERT_TRUE(collection->close(false).ok());
  posix_files().remove_tree(dir).ignore();
}

}  // namespace
}  // namespace ferres
