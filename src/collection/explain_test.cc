// Explanations of searches in a graph, of namespaces in files of their own, and of scans: what they
// say of the answer is what a search answers, and ranks are true.
#include <algorithm>
#include <cmath>

#include "collection/test_collection.h"

namespace ferres {
namespace {

constexpr uint32_t kDimension = 8;
constexpr uint32_t kPoints = 4000;
constexpr uint32_t kLimit = 5;

class ExplanationTest : public CollectionFixture {
 protected:
  ExplanationTest() : CollectionFixture(kDimension, Disk::kSimulated) {}

  std::vector<float> draw() {
    std::vector<float> vector(kDimension);
    for (float& x : vector)
      x = static_cast<float>(random_.unit());
    return vector;
  }
  void fill() {
    for (uint32_t first = 0; first < kPoints; first += kPointsPerUpsertMax) {
      UpsertRequest request;
      for (uint32_t i = first; i < first + kPointsPerUpsertMax; ++i) {
        PointInput point;
        point.id = std::to_string(i);
        point.ns = "ns" + std::to_string(i % 3);
        point.vector = draw();
        point.metadata_json = R"({"n":)" + std::to_string(i) + R"(,"mod":)" +
                              std::to_string(i % 10) + R"(,"text":"t)" + std::to_string(i % 4) +
                              "\"}";
        vectors_.push_back(point.vector);
        request.points.push_back(std::move(point));
      }
      ASSERT_TRUE(collection_->upsert(std::move(request)).ok());
    }
    ASSERT_TRUE(collection_->link_all().ok());
    executor_->run_all();
  }
  uint64_t true_rank(const std::vector<float>& query, const std::string& id,
                     const std::optional<std::string>& ns) const {
    const auto distance = [&](size_t i) {
      double sum = 0;
      for (size_t d = 0; d < kDimension; ++d)
        sum += std::pow(double{query[d]} - vectors_[i][d], 2);
      return sum;
    };
    const double own = distance(std::stoul(id));
    uint64_t rank = 1;
    for (size_t i = 0; i < vectors_.size(); ++i)
      rank += (!ns || *ns == "ns" + std::to_string(i % 3)) && distance(i) < own ? 1 : 0;
    return rank;
  }
  void expect_true(const char* filter_text, const std::optional<std::string>& ns, bool exact) {
    SCOPED_TRACE(std::string(filter_text) + " in " + ns.value_or("all"));
    const auto filter = Predicate::parse(filter_text);
    ASSERT_TRUE(filter.ok());
    SearchRequest request;
    request.vector = draw();
    request.limit = kLimit;
    request.ns = ns;
    request.exact = exact;
    request.filter = &*filter;
    const uint64_t counted = collection_->stats().queries;
    const auto told = collection_->explain(request, nullptr);
    ASSERT_TRUE(told.ok()) << told.error().message();
    EXPECT_EQ(collection_->stats().queries, counted);
    const auto found = collection_->search(request);
    ASSERT_TRUE(found.ok());
    std::vector<std::string> answered(found->hits.size());
    uint64_t last = 0;
    for (const ExplainedPoint& point : told->points) {
      EXPECT_GT(point.rank_before, last);
      last = point.rank_before;
      EXPECT_EQ(point.rank_after != 0, filter->matches(point.hit.point.metadata_json));
      if (point.rank_after != 0 && point.rank_after <= answered.size())
        answered[point.rank_after - 1] = point.hit.point.id;
      const uint64_t rank = true_rank(request.vector, point.hit.point.id, ns);
      // A walk may miss a point, or its codes confuse two; an exact scan does neither.
      EXPECT_LE(rank > point.rank_before ? rank - point.rank_before : point.rank_before - rank,
                exact ? 0u : 2u)
          << rank << " " << point.rank_before;
    }
    for (size_t i = 0; i < answered.size(); ++i)
      EXPECT_EQ(answered[i], found->hits[i].point.id) << i;
    const uint64_t nearest = filter->empty() ? kLimit : 10 * kLimit;
    EXPECT_GE(told->points.size(), nearest);
    EXPECT_LE(told->points.size(), nearest + kLimit);
    EXPECT_GT(told->trace.visited, 0u);
  }
  void expect_all_true() {
    for (const bool exact : {false, true}) {
      for (const char* filter :
           {"{}", R"({"mod":3})", R"({"n":{"$lt":20}})", R"({"mod":{"$ne":3}})",
            R"({"text":{"$contains_text":"3"}})", R"({"$or":[{"n":{"$gte":3990}},{"mod":1}]})"}) {
        expect_true(filter, {}, exact);
        expect_true(filter, "ns1", exact);
      }
    }
  }

  Random random_{20261128};
  std::vector<std::vector<float>> vectors_;
};

TEST_F(ExplanationTest, AreTrueInAGraph) {
  config_.index.type = "hnsw";
  open();
  fill();
  expect_all_true();
}

TEST_F(ExplanationTest, AreTrueInAFlatIndex) {
  config_.index.type = "flat";
  open();
  fill();
  expect_all_true();
}

TEST_F(ExplanationTest, AreTrueWhereNamespacesHaveFilesOfTheirOwn) {
  options_.isolate_namespaces = true;
  options_.flat_points_max = 100;
  options_.open_partitions_max = 1;
  open();
  fill();
  expect_all_true();
}

TEST_F(ExplanationTest, AWalkTellsItsLayers) {
  config_.index.type = "hnsw";
  open();
  fill();
  SearchRequest request;
  request.vector = draw();
  request.limit = kLimit;
  const auto walked = collection_->explain(request, nullptr);
  ASSERT_TRUE(walked.ok());
  EXPECT_EQ(walked->trace.layers, 2u);
  EXPECT_LT(walked->trace.visited, kPoints / 2);
  EXPECT_EQ(walked->ef_search, config_.index.ef_search);
  EXPECT_EQ(walked->scope.points, kPoints);
  request.exact = true;
  const auto scanned = collection_->explain(request, nullptr);
  ASSERT_TRUE(scanned.ok());
  EXPECT_EQ(scanned->trace.layers, 0u);
  EXPECT_EQ(scanned->trace.visited, kPoints);
}

}  // namespace
}  // namespace ferres
