// Windows of use: what counts as recent, what is forgotten, and the server's figures as a whole.
#include "api/query_stats.h"

#include <gtest/gtest.h>

#include "api/test_api.h"

namespace ferres {
namespace {

constexpr uint64_t kMinute = 60'000'000;
constexpr uint64_t kDay = 24 * 60 * kMinute;
constexpr uint64_t kNoon = 1'699'963'200'000'000;  // a whole minute

class QueryStatsTest : public testing::Test {
 protected:
  void search(const std::string& collection, double ms) {
    stats_.record_search(collection, ms, SearchKind::kPlain, 1);
  }

  ManualClock clock_{kNoon};
  QueryStats stats_{clock_};
};

TEST_F(QueryStatsTest, QuantilesAreOfTheSearchesThemselves) {
  for (int ms = 100; ms >= 1; --ms)
    search("exact", ms);
  const LatencySummary latency = stats_.latency("exact");
  EXPECT_DOUBLE_EQ(latency.avg_ms, 50.5);
  EXPECT_DOUBLE_EQ(latency.p50_ms, 50);
  EXPECT_DOUBLE_EQ(latency.p95_ms, 95);
  EXPECT_DOUBLE_EQ(latency.p99_ms, 99);
  EXPECT_DOUBLE_EQ(stats_.latency("nobody").p99_ms, 0);
}

TEST_F(QueryStatsTest, OldSearchesGiveWayToNewOnes) {
  for (int i = 0; i < 5000; ++i)
    search("busy", 1000);
  for (int i = 0; i < 1024; ++i)
    search("busy", 1);
  EXPECT_DOUBLE_EQ(stats_.latency("busy").p99_ms, 1);
  EXPECT_DOUBLE_EQ(stats_.latency("busy").avg_ms, 1);
}

TEST_F(QueryStatsTest, ADayLaterNothingIsLeft) {
  search("quiet", 5);
  clock_.advance_micros(kDay - kMinute);
  EXPECT_DOUBLE_EQ(stats_.latency("quiet").p50_ms, 5);
  ASSERT_EQ(stats_.minutes("quiet").size(), 1U);
  clock_.advance_micros(kMinute);
  EXPECT_DOUBLE_EQ(stats_.latency("quiet").p50_ms, 0);
  EXPECT_TRUE(stats_.minutes("quiet").empty());
}

TEST_F(QueryStatsTest, MinutesAreBounded) {
  for (int i = 0; i < 3000; ++i) {
    search("long", 1);
    clock_.advance_micros(kMinute);
  }
  const std::vector<MinuteOfUse> minutes = stats_.minutes("long");
  EXPECT_EQ(minutes.size(), 24 * 60 - 1U);  // nothing in the one that has just begun
  EXPECT_EQ(minutes.back().minute, kNoon / kMinute + 2999);
}

TEST_F(QueryStatsTest, AClockSetBackGoesOnWithTheNewestMinute) {
  search("set back", 1);
  clock_.advance_micros(0 - 5 * kMinute);
  search("set back", 1);
  ASSERT_EQ(stats_.minutes("set back").size(), 1U);
  EXPECT_EQ(stats_.minutes("set back")[0].searches, 2U);
}

TEST_F(QueryStatsTest, WrittenPointsAreARateOfTenMinutes) {
  stats_.record_written("fed", 900);
  clock_.advance_micros(kMinute);
  stats_.record_written("fed", 300);
  EXPECT_DOUBLE_EQ(stats_.points_per_second("fed"), 2.0);
  clock_.advance_micros(9 * kMinute);
  EXPECT_DOUBLE_EQ(stats_.points_per_second("fed"), 0.5);
  EXPECT_DOUBLE_EQ(stats_.latency("fed").avg_ms, 0);
}

TEST_F(QueryStatsTest, CollectionsAreSummedByTheMinute) {
  search("one", 2);
  clock_.advance_micros(kMinute);
  search("one", 4);
  search("two", 6);
  const std::vector<MinuteOfUse> minutes = stats_.minutes();
  ASSERT_EQ(minutes.size(), 2U);
  EXPECT_EQ(minutes[0].searches, 1U);
  EXPECT_EQ(minutes[1].searches, 2U);
  EXPECT_DOUBLE_EQ(minutes[1].search_ms, 10);
  stats_.forget("one");
  ASSERT_EQ(stats_.minutes().size(), 1U);
  EXPECT_EQ(stats_.minutes()[0].searches, 1U);
}

TEST_F(QueryStatsTest, TheCostRatioFollowsTheNewestSearches) {
  const double guess = stats_.cost_ratio("costly", SearchKind::kPlain);
  EXPECT_GT(guess, 0);
  for (int i = 0; i < 100; ++i)
    stats_.record_search("costly", 8, SearchKind::kPlain, 2);
  EXPECT_NEAR(stats_.cost_ratio("costly", SearchKind::kPlain), 4, 1e-9);
  EXPECT_DOUBLE_EQ(stats_.cost_ratio("costly", SearchKind::kExact), guess);
  stats_.record_search("costly", 8000, SearchKind::kPlain, 2);
  EXPECT_LT(stats_.cost_ratio("costly", SearchKind::kPlain), 5);  // one slow one is one
  for (int i = 0; i < 1000; ++i)
    stats_.record_search("costly", 1, SearchKind::kPlain, 2);
  EXPECT_NEAR(stats_.cost_ratio("costly", SearchKind::kPlain), 0.5, 0.01);
  stats_.forget("costly");
  EXPECT_DOUBLE_EQ(stats_.cost_ratio("costly", SearchKind::kPlain), guess);
}

using GlobalStatsTest = ApiTest;

TEST_F(GlobalStatsTest, TellTheServerAsAWhole) {
  create();
  ASSERT_EQ(call("upsert_points", R"({"points":[{"id":"a","vector":[1,2]},{"id":"b"}]})").status,
            200);
  for (int i = 0; i < 3; ++i)
    call("search", R"({"vector":[1,2],"limit":1})");
  const Answer answer = call("global_stats");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(at(answer, "/total_collections"), "1");
  EXPECT_EQ(at(answer, "/total_points"), "2");
  EXPECT_EQ(at(answer, "/total_queries_24h"), "3");
  EXPECT_EQ(at(answer, "/queries_per_minute"), R"([{"timestamp":1699999980,"count":3}])");
  EXPECT_EQ(at(answer, "/role"), "\"leader\"");
  EXPECT_EQ(at(answer, "/namespace_physical_isolation"), "false");
  EXPECT_EQ(at(answer, "/hnsw_auto_tune_enabled"), "false");
  EXPECT_EQ(at(answer, "/index_optimization_label"), "\"Optimized by FerresEngine\"");
  EXPECT_NE(at(answer, "/simd_enabled"), "(none)");
  EXPECT_NE(at(answer, "/avg_latency_ms"), "(none)");
}

TEST_F(GlobalStatsTest, WritesCountTowardsTheRateOfTheirCollection) {
  create();
  call("upsert_points", R"({"points":[{"id":"a","vector":[1,2]},{"id":"b","vector":[0,0]}]})");
  const Answer answer = call("collection_stats");
  EXPECT_EQ(at(answer, "/avg_points_per_second").substr(0, 8), "0.001666");  // one point failed
}

}  // namespace
}  // namespace ferres
