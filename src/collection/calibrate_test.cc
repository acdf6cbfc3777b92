// Tests of searches with a target_recall: measured in the background, on real walks, and kept to on
// vectors that the collection has never seen.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "base/random.h"
#include "collection/collection.h"

namespace ferres {
namespace {

constexpr uint32_t kDim = 24;
constexpr uint32_t kPoints = 6000;

class CalibrateTest : public ::testing::Test {
 protected:
  CalibrateTest() : CalibrateTest(std::nullopt) {}
  explicit CalibrateTest(const std::optional<QuantizerSpec>& quantizer)
      : clock_(1'700'000'000'000'000), commit_clock_(clock_), executor_(7), random_(7) {
    dir_ = ::testing::TempDir() + "/calibrate_test_" + random_uuid();
    CollectionConfig config;
    config.name = "docs";
    config.dimension = kDim;
    config.metric = Metric::kEuclidean;
    config.uuid = "u";
    config.index.quantizer = quantizer;
    config.index.m = 8;  // few links: recall falls where it can be seen
    config.index.ef_construction = 40;
    CollectionOptions options;
    options.flat_points_max = 100;
    auto opened = Collection::open({&posix_files(), &executor_, &clock_, &commit_clock_}, dir_,
                                   config, options);
    EXPECT_TRUE(opened.ok());
    collection_ = *std::move(opened);
  }
  ~CalibrateTest() override {
    (void)collection_->close(false).ok();
    collection_.reset();
    (void)posix_files().remove_tree(dir_).ok();
  }
  std::vector<float> vector() {
    std::vector<float> made(kDim);
    for (float& x : made)
      x = static_cast<float>(random_.unit());
    return made;
  }
  void fill(uint32_t points) {
    UpsertRequest request;
    for (uint32_t i = 0; i < points; ++i)
      request.points.push_back({random_uuid(), std::nullopt, vector(), "{}", std::nullopt});
    ASSERT_TRUE(collection_->upsert(std::move(request)).ok());
    ASSERT_TRUE(collection_->link_all().ok());
  }
  SearchResult search(const std::vector<float>& query, std::optional<double> target, bool exact) {
    SearchRequest request;
    request.vector = query;
    request.target_recall = target;
    request.exact = exact;
    auto result = collection_->search(request);
    EXPECT_TRUE(result.ok());
    return result.ok() ? *std::move(result) : SearchResult{};
  }
  double recall(double target) {
    return recall(target, [this] { return vector(); });
  }
  template <class Query>
  double recall(double target, Query&& make) {
    uint32_t found = 0;
    for (int i = 0; i < 300; ++i) {
      const std::vector<float> query = make();
      const SearchResult near = search(query, target, false);
      for (const SearchHit& truth : search(query, std::nullopt, true).hits) {
        found += std::any_of(near.hits.begin(), near.hits.end(),
                             [&](const SearchHit& hit) { return hit.point.id == truth.point.id; });
      }
    }
    return found / 3000.0;
  }

  std::string dir_;
  ManualClock clock_;
  CommitClock commit_clock_;
  ManualExecutor executor_;
  Random random_;
  std::shared_ptr<Collection> collection_;
};

TEST_F(CalibrateTest, KeepsToTheTargetOnUnseenQueries) {
  fill(kPoints);
  const uint32_t before = search(vector(), 0.9, false).ef_search;
  EXPECT_GE(before, 400u);  // more than enough until it is measured
  executor_.run_all();
  EXPECT_EQ(collection_->stats().unreachable_points, 0u);
  uint32_t last = 0;
  for (const double target : {0.8, 0.9, 0.95, 0.99}) {
    const uint32_t ef = search(vector(), target, false).ef_search;
    EXPECT_GT(ef, last) << target;
    EXPECT_LT(ef, before) << target;
    EXPECT_NEAR(recall(target), target, 0.02) << target;
    last = ef;
  }
  EXPECT_EQ(recall(1), 1.0);  // exact
}

// Points fill a cube; what people ask lies outside it, where far more points are nearly as near.
TEST_F(CalibrateTest, LearnsFromWhatPeopleAsk) {
  fill(kPoints);
  ASSERT_TRUE(collection_->calibrate(10).ok());
  const uint32_t on_points = search(vector(), 0.95, false).ef_search;
  const auto outside = [&] {
    std::vector<float> query = vector();
    for (float& x : query)
      x *= 4;
    return query;
  };
  for (int i = 0; i < 600; ++i)
    search(outside(), 0.95, false);
  executor_.run_all();
  const uint32_t on_queries = search(outside(), 0.95, false).ef_search;
  EXPECT_NE(on_queries, on_points);
  EXPECT_NEAR(recall(0.95, outside), 0.95, 0.02);
}

// Codes of one bit hide true neighbours from a walk, from the one that answers are compared with
// too unless it looks at full vectors.
class CalibrateOnCodesTest : public CalibrateTest {
 protected:
  CalibrateOnCodesTest() : CalibrateTest(QuantizerSpec{.kind = "rabitq", .bits = 1}) {}
};

TEST_F(CalibrateOnCodesTest, KeepsToTheTarget) {
  fill(kPoints);
  ASSERT_TRUE(collection_->calibrate(10).ok());
  for (const double target : {0.8, 0.9, 0.95}) {
    EXPECT_NEAR(recall(target), target, 0.02) << target;
  }
}

TEST_F(CalibrateTest, MeasuresAgainWhenTheCollectionHasGrown) {
  fill(1000);
  ASSERT_TRUE(collection_->calibrate(10).ok());
  const uint32_t small = search(vector(), 0.99, false).ef_search;
  fill(kPoints);
  EXPECT_EQ(search(vector(), 0.99, false).ef_search, small);  // the old one, while it is measured
  executor_.run_all();
  EXPECT_GT(search(vector(), 0.99, false).ef_search, small);
}

TEST_F(CalibrateTest, EndsWithTheCollection) {
  fill(1000);
  search(vector(), 0.9, false);
  EXPECT_TRUE(executor_.run_one());
  EXPECT_TRUE(collection_->close(false).ok());
  executor_.run_all();
}

TEST_F(CalibrateTest, NothingIsMeasuredWithoutAGraph) {
  fill(100);
  executor_.run_all();
  search(vector(), 0.9, false);
  EXPECT_FALSE(executor_.run_one());
}

TEST_F(CalibrateTest, AnEmptyCollectionAnswersNothing) {
  EXPECT_TRUE(search(vector(), 0.9, false).hits.empty());
  executor_.run_all();
  EXPECT_TRUE(search(vector(), 0.9, false).hits.empty());
  EXPECT_TRUE(collection_->calibrate(10).ok());
}

}  // namespace
}  // namespace ferres
