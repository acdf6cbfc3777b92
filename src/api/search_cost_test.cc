// The cost of a search: the contract's formula, its calibration, and what a budget refuses.
#include "api/search_cost.h"

#include <cmath>

#include <gtest/gtest.h>

#include "api/test_api.h"

namespace ferres {
namespace {

SearchShape shape() {
  return {.scope = {.points = 100'000, .partitions = 1, .ef_search = 50},
          .dimension = 384,
          .limit = 10};
}

TEST(SearchCost, FollowsTheFormula) {
  SearchShape asked = shape();
  asked.conditions = 3;
  const SearchEstimate estimate = estimate_search(asked, 1, {});
  const double levels = std::log(100'000);
  EXPECT_DOUBLE_EQ(estimate.index_scan_ms, levels * 50 * 384 * 4e-6);
  EXPECT_DOUBLE_EQ(estimate.filter_ms, 10 * 10 * 3 * 1e-5);
  EXPECT_DOUBLE_EQ(estimate.hydration_ms, 0.01);
  EXPECT_DOUBLE_EQ(estimate.network_ms, 0.1);
  EXPECT_EQ(estimate.nodes_visited, 576U);
  EXPECT_EQ(estimate.memory_bytes, 576 * (4 * 384 + 64) + 10 * (4 * 384 + 256));
  EXPECT_DOUBLE_EQ(estimate.low_ms, 0.5 * estimate.estimated_ms);
  EXPECT_DOUBLE_EQ(estimate.high_ms, 1.5 * estimate.estimated_ms);
  EXPECT_FALSE(estimate.is_expensive);
  EXPECT_TRUE(estimate.recommendations.empty());
}

TEST(SearchCost, PartsAddUpWhateverWasLearnt) {
  const LatencySummary latency{.avg_ms = 9, .p50_ms = 8, .p95_ms = 20, .p99_ms = 30};
  for (const double ratio : {0.01, 1.0, 7.0}) {
    const SearchEstimate estimate = estimate_search(shape(), ratio, latency);
    EXPECT_NEAR(estimate.estimated_ms, 0.7 * ratio * formula_ms(shape()) + 0.3 * 8, 1e-9);
    EXPECT_NEAR(
        estimate.index_scan_ms + estimate.filter_ms + estimate.hydration_ms + estimate.network_ms,
        estimate.estimated_ms, 1e-9);
    EXPECT_DOUBLE_EQ(estimate.high_ms, 20);
  }
}

TEST(SearchCost, IsExpensiveAboveWhatSearchesTook) {
  const LatencySummary fast{.avg_ms = 0.1, .p50_ms = 0.1, .p95_ms = 0.2, .p99_ms = 0.3};
  EXPECT_TRUE(estimate_search(shape(), 1, fast).is_expensive);
  EXPECT_FALSE(estimate_search(shape(), 0.1, fast).is_expensive);
  EXPECT_FALSE(estimate_search(shape(), 50, {}).is_expensive);
  EXPECT_TRUE(estimate_search(shape(), 60, {}).is_expensive);
}

TEST(SearchCost, EachReasonIsRecommendedAgainst) {
  const auto advice_for = [](SearchShape asked) {
    return estimate_search(asked, 1, {}).recommendations.size();
  };
  SearchShape many = shape();
  many.limit = 101;
  EXPECT_EQ(advice_for(many), 1U);
  SearchShape filtered = shape();
  filtered.scope.points = 100'001;
  filtered.conditions = 1;
  EXPECT_EQ(advice_for(filtered), 1U);
  SearchShape wide = shape();
  wide.dimension = 1025;
  EXPECT_EQ(advice_for(wide), 1U);
  SearchShape broad = shape();
  broad.ef_search = 201;
  EXPECT_EQ(advice_for(broad), 1U);
  SearchShape large = shape();
  large.scope.points = 1'000'001;
  EXPECT_EQ(advice_for(large), 1U);
  large.conditions = 1;  // it is a filtered one now
  EXPECT_EQ(advice_for(large), 1U);
}

TEST(SearchCost, AnExactSearchLooksAtAllPoints) {
  SearchShape asked = shape();
  asked.exact = true;
  EXPECT_EQ(estimate_search(asked, 1, {}).nodes_visited, 100'000U);
  EXPECT_EQ(kind_of(asked), SearchKind::kExact);
}

class EstimateTest : public ApiTest {
 protected:
  void fill() {
    create();
    ASSERT_EQ(call("upsert_points", R"({"points":[{"id":"a","vector":[1,2],"metadata":{"n":1}},
      {"id":"b","vector":[2,1],"namespace":"t"},{"id":"c","vector":[1,1],"namespace":"t"}]})")
                  .status,
              200);
  }
};

TEST_F(EstimateTest, IsAFlatObject) {
  fill();
  const Answer answer = call("estimate_search", R"({"limit":10})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  for (const char* field :
       {"/estimated_ms", "/confidence_range/0", "/confidence_range/1", "/estimated_memory_bytes",
        "/is_expensive", "/breakdown/index_scan_cost", "/breakdown/hydration_cost",
        "/breakdown/network_overhead"}) {
    EXPECT_NE(at(answer, field), "(none)") << field;
  }
  EXPECT_EQ(at(answer, "/recommendations"), "[]");
  EXPECT_EQ(at(answer, "/breakdown/filter_cost"), "0");
  EXPECT_EQ(at(answer, "/historical_latency"), "(none)");
  EXPECT_EQ(at(call("collection_stats"), "/num_queries"), "0");
}

TEST_F(EstimateTest, ANamespaceOrAFilterIsACondition) {
  fill();
  for (const char* body : {R"({"limit":10,"namespace":"t"})", R"({"limit":10,"filter":{"n":1}})",
                           R"({"limit":10,"filter":{"$namespace":"t"}})"}) {
    EXPECT_NE(at(call("estimate_search", body), "/breakdown/filter_cost"), "0") << body;
  }
}

TEST_F(EstimateTest, HistoryIsToldWhenAskedFor) {
  fill();
  for (int i = 0; i < 4; ++i)
    call("search", R"({"vector":[1,2],"limit":1})");
  const Answer answer = call("estimate_search", R"({"limit":10,"include_history":true})");
  EXPECT_EQ(at(answer, "/historical_latency/total_queries"), "4");
  for (const char* field : {"/historical_latency/p50_ms", "/historical_latency/p95_ms",
                            "/historical_latency/p99_ms", "/historical_latency/avg_ms"}) {
    EXPECT_NE(at(answer, field), "(none)") << field;
  }
}

TEST_F(EstimateTest, ABudgetTooSmallRunsNothing) {
  fill();
  const Answer refused = call("search", R"({"vector":[1,2],"limit":1,"budget_ms":0})");
  EXPECT_EQ(refused.status, 422);
  EXPECT_EQ(at(refused, "/error"), "\"budget_exceeded\"");
  EXPECT_EQ(at(refused, "/code"), "422");
  EXPECT_EQ(at(refused, "/message"), "\"estimated cost (0.0ms) exceeds budget (0ms)\"");
  EXPECT_NE(at(refused, "/estimate/breakdown/index_scan_cost"), "(none)");
  EXPECT_EQ(at(refused, "/estimate/historical_latency"), "(none)");
  EXPECT_EQ(at(call("collection_stats"), "/num_queries"), "0");
  EXPECT_EQ(call("search", R"({"vector":[1,2],"limit":1,"budget_ms":100})").status, 200);
}

TEST_F(EstimateTest, SearchesTeachTheEstimate) {
  fill();
  context_->query_stats.record_search("docs", 500, SearchKind::kPlain, 0.1);
  EXPECT_EQ(call("search", R"({"vector":[1,2],"limit":1,"budget_ms":100})").status, 422);
  // Other kinds go by the median of all searches alone.
  EXPECT_EQ(call("search", R"({"vector":[1,2],"limit":1,"budget_ms":200,"exact":true})").status,
            200);
}

TEST_F(EstimateTest, WrongRequestsAreToldSo) {
  fill();
  expect_refused(
      "estimate_search",
      {{"{}", 422, "invalid_payload", "missing field 'limit'"},
       {R"({"limit":0})", 400, "invalid_payload", "limit must be greater than 0"},
       {R"({"limit":10001})", 400, "invalid_payload", "limit too large: max 10000"},
       {R"({"limit":1,"ef_search":0})", 400, "invalid_payload", "ef_search"},
       {R"({"limit":1,"filter":{"a":{"$no":1}}})", 400, "invalid_payload", "unknown operator"}});
  collection_ = "nobody";
  EXPECT_EQ(call("estimate_search", R"({"limit":1})").status, 404);
}

}  // namespace
}  // namespace ferres
