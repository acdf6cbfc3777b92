// Explanations: what they say of scores, ranks and conditions, on each way a search can take.
#include <algorithm>
#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "api/test_api.h"
#include "base/epoch.h"

namespace ferres {
namespace {

class ExplainTest : public ApiTest {
 protected:
  struct Told {
    double score = 0;
    uint64_t before = 0;
    uint64_t after = 0;
    bool passed = true;
    double similarity = -1;
  };

  void fill(std::string_view distance) {
    create(distance);
    std::string points;
    for (int i = 0; i < 60; ++i) {
      const double angle = 0.02 * i;
      points += (i == 0 ? "" : ",") + std::string(R"({"id":"p)") + std::to_string(i) +
                R"(","vector":[)" + std::to_string(std::cos(angle)) + "," +
                std::to_string(std::sin(angle)) + R"(],"metadata":{"n":)" + std::to_string(i) +
                R"(,"mod":)" + std::to_string(i % 20) + R"(,"tags":["a","t)" +
                std::to_string(i % 3) + R"("]}})";
    }
    ASSERT_EQ(call("upsert_points", R"({"points":[)" + points + "]}").status, 200);
  }

  /// Of each id what the explanation says, having checked what holds for all.
  std::map<std::string, Told> explain(const std::string& body) {
    const Answer answer = call("explain_search", body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    std::map<std::string, Told> told;
    simdjson::dom::parser parser;
    const simdjson::padded_string text(answer.body);
    simdjson::dom::element document;
    if (parser.parse(text).get(document) != simdjson::SUCCESS) return told;
    uint64_t last = 0;
    const simdjson::dom::array points = document["results"];
    for (const simdjson::dom::element point : points) {
      Told one;
      one.score = point["score"].get_double().value();
      one.before = point["rank_before_filter"].get_uint64().value();
      one.after = point["rank_after_filter"].get_uint64().value();
      if (bool passed = false;
          point["filter_evaluation"]["passed"].get(passed) == simdjson::SUCCESS) {
        one.passed = passed;
      }
      if (double similarity = 0; point["similarity"].get(similarity) == simdjson::SUCCESS)
        one.similarity = similarity;
      EXPECT_EQ(one.passed, one.after != 0);
      EXPECT_GT(one.before, last);
      last = one.before;
      told[std::string(point["id"].get_string().value())] = one;
    }
    const std::string scanned = at(answer, "/candidates_scanned");
    EXPECT_EQ(scanned, std::to_string(told.size()));
    const auto passed = std::count_if(told.begin(), told.end(),
                                      [](const auto& entry) { return entry.second.after != 0; });
    EXPECT_EQ(at(answer, "/candidates_after_filter"), std::to_string(passed));
    return told;
  }

  /// What the explanation says of the answer is what a search answers.
  void expect_as_search(const std::string& body, size_t limit) {
    const std::map<std::string, Told> told = explain(body);
    const Answer found = call("search", body);
    for (size_t i = 0; i < limit; ++i) {
      const std::string where = "/results/" + std::to_string(i);
      std::string id = at(found, where + "/id");
      if (id == "(none)") break;
      id = id.substr(1, id.size() - 2);
      ASSERT_TRUE(told.contains(id)) << id << " " << body;
      EXPECT_EQ(told.at(id).after, i + 1) << id << " " << body;
      EXPECT_NEAR(told.at(id).score, std::stod(at(found, where + "/score")), 1e-7);
    }
  }
};

TEST_F(ExplainTest, WithoutAFilterTheAnswerIsRanked) {
  fill("Cosine");
  const Answer answer = call("explain_search", R"({"vector":[3,4],"limit":5})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(at(answer, "/query_vector_norm"), "5");
  EXPECT_EQ(at(answer, "/distance_metric"), "\"Cosine\"");
  EXPECT_EQ(at(answer, "/candidates_scanned"), "5");
  EXPECT_EQ(at(answer, "/candidates_after_filter"), "5");
  EXPECT_EQ(at(answer, "/results/0/id"), "\"p46\"");
  EXPECT_EQ(at(answer, "/results/4/rank_before_filter"), "5");
  EXPECT_EQ(at(answer, "/results/4/rank_after_filter"), "5");
  EXPECT_EQ(at(answer, "/results/5"), "(none)");
  EXPECT_EQ(at(answer, "/results/0/filter_evaluation"), "(none)");
  EXPECT_EQ(at(answer, "/results/0/raw_distance"),
            at(answer, "/results/0/score_breakdown/raw_distance"));
  EXPECT_EQ(at(answer, "/results/0/score"), at(answer, "/results/0/score_breakdown/vector_score"));
  EXPECT_EQ(at(answer, "/index_stats/total_points"), "60");
  EXPECT_NE(at(answer, "/index_stats/hnsw_layers"), "(none)");
  EXPECT_NE(at(answer, "/index_stats/ef_search_used"), "(none)");
  EXPECT_EQ(at(answer, "/explain_meta/candidates_visited"), "60");
  EXPECT_EQ(at(call("collection_stats"), "/num_queries"), "0");
}

TEST_F(ExplainTest, AnswersAsTheSearchDoesOnEveryWay) {
  fill("Euclidean");
  for (const char* filter :
       {R"("filter":{})", R"("filter":{"mod":{"$lt":15}})", R"("filter":{"n":{"$gte":58}})",
        R"("filter":{"tags":{"$contains_text":"t1"}})", R"("exact":true)",
        R"("filter":{"mod":3},"exact":true)", R"("filter":{"n":-1})", R"("ef_search":5)"}) {
    expect_as_search(R"({"vector":[1,0],"limit":4,)" + std::string(filter) + "}", 4);
  }
}

TEST_F(ExplainTest, WhatTheFilterRefusesIsThereWithRankNought) {
  fill("Euclidean");
  const auto told = explain(R"({"vector":[1,0],"limit":2,"filter":{"mod":{"$in":[3,5,7]}}})");
  EXPECT_EQ(told.size(), 20U);  // ten for each that is asked for
  EXPECT_EQ(told.at("p0").before, 1U);
  EXPECT_EQ(told.at("p0").after, 0U);
  EXPECT_EQ(told.at("p3").before, 4U);
  EXPECT_EQ(told.at("p3").after, 1U);
  EXPECT_EQ(told.at("p5").after, 2U);
  EXPECT_EQ(told.at("p7").after, 3U);  // beyond the limit
}

TEST_F(ExplainTest, AMatchFarAwayHasItsTrueRank) {
  fill("Euclidean");
  const auto told = explain(R"({"vector":[1,0],"limit":2,"filter":{"n":{"$gte":50}}})");
  EXPECT_EQ(told.at("p50").before, 51U);
  EXPECT_EQ(told.at("p50").after, 1U);
  EXPECT_EQ(told.at("p51").before, 52U);
}

TEST_F(ExplainTest, ConditionsSayWhatTheyMet) {
  fill("Cosine");
  const Answer answer = call("explain_search", R"({"vector":[1,0],"limit":1,"filter":
    {"mod":1,"n":{"$gt":0,"$lt":1.5},"none":{"$ne":"x"},"$or":[{"tags":"a"},{"n":{"$in":[7,8]}}],
     "$not":{"mod":5}}})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  const std::string p1 = "/results/1/filter_evaluation";
  EXPECT_EQ(at(answer, "/results/1/id"), "\"p1\"");
  EXPECT_EQ(at(answer, p1 + "/passed"), "true");
  EXPECT_EQ(at(answer, p1 + "/conditions"),
            R"([{"field":"mod","operator":"$eq","expected":1,"actual":1,"passed":true},)"
            R"({"field":"n","operator":"$gt","expected":0,"actual":1,"passed":true},)"
            R"({"field":"n","operator":"$lt","expected":1.5,"actual":1,"passed":true},)"
            R"({"field":"none","operator":"$ne","expected":"x","actual":null,"passed":true},)"
            R"({"field":"tags","operator":"$eq","expected":"a","actual":["a","t1"],"passed":true},)"
            R"({"field":"n","operator":"$in","expected":[7,8],"actual":1,"passed":false},)"
            R"({"field":"mod","operator":"$eq","expected":5,"actual":1,"passed":false}])");
  EXPECT_EQ(at(answer, "/results/0/filter_evaluation/passed"), "false");
  EXPECT_EQ(at(answer, "/results/0/rank_after_filter"), "0");
}

TEST_F(ExplainTest, ScoresOfEachMetricAreTheSearchs) {
  for (const char* distance : {"Cosine", "Euclidean", "DotProduct"}) {
    fill(distance);
    expect_as_search(R"({"vector":[0.5,-2],"limit":10})", 10);
    const auto told = explain(R"({"vector":[0.5,-2],"limit":60})");
    ASSERT_EQ(told.size(), 60U);
    for (const auto& [id, one] : told) {
      if (std::string_view(distance) == "Euclidean") {
        EXPECT_EQ(one.similarity, -1);
      } else {
        EXPECT_GE(one.similarity, 0);
        EXPECT_LE(one.similarity, 1);
      }
    }
    const Answer raw = call("explain_search", R"({"vector":[0,0.5],"limit":1})");
    const double score = std::stod(at(raw, "/results/0/score"));
    const double expected = std::string_view(distance) == "Euclidean" ? score * score : score;
    EXPECT_NEAR(std::stod(at(raw, "/results/0/raw_distance")), expected, 1e-6);
    ASSERT_EQ(call("delete_collection").status, 204);
  }
}

TEST_F(ExplainTest, ANamespaceIsAllThereIs) {
  fill("Cosine");
  ASSERT_EQ(call("upsert_points", R"({"points":[
    {"id":"p1","namespace":"t","vector":[1,0],"metadata":{"n":1}},
    {"id":"x","namespace":"t","vector":[0,1],"metadata":{"n":2}}]})")
                .status,
            200);
  for (const char* scope :
       {R"("namespace":"t","filter":{"n":2})", R"("filter":{"$namespace":"t","n":2})"}) {
    const auto told = explain(R"({"vector":[1,0],"limit":5,)" + std::string(scope) + "}");
    ASSERT_EQ(told.size(), 2U) << scope;
    EXPECT_EQ(told.at("p1").after, 0U);
    EXPECT_EQ(told.at("x").before, 2U);
    EXPECT_EQ(told.at("x").after, 1U);
  }
}

TEST_F(ExplainTest, WhatIsHiddenFromTheCallerIsNotAmongTheRefused) {
  fill("Cosine");
  principal_.role = Role::kViewer;
  principal_.limits = std::make_shared<const Limits>(
      Limits{.namespaces = {},
             .grants = {{.collection = "docs",
                         .actions = {Permission::kRead},
                         .restriction = Restriction{.field = "mod", .values_json = "[3,4]"}}}});
  const auto told = explain(R"({"vector":[1,0],"limit":5,"filter":{"n":{"$lt":30}}})");
  ASSERT_EQ(told.size(), 6U);  // p3, p4, p23, p24, p43, p44
  EXPECT_EQ(told.at("p3").after, 1U);
  EXPECT_EQ(told.at("p4").before, 2U);
  EXPECT_EQ(told.at("p43").after, 0U);
  EXPECT_FALSE(told.contains("p0"));
}

TEST_F(ExplainTest, AKeyOfSeveralNamespacesSeesThoseAlone) {
  fill("Cosine");
  ASSERT_EQ(call("upsert_points", R"({"points":[
    {"id":"x","namespace":"a","vector":[1,0],"metadata":{"n":1}},
    {"id":"x","namespace":"b","vector":[1,0.1],"metadata":{"n":1}},
    {"id":"y","namespace":"b","vector":[0,1],"metadata":{"n":2}},
    {"id":"z","namespace":"c","vector":[0,1],"metadata":{"n":2}}]})")
                .status,
            200);
  principal_.limits =
      std::make_shared<const Limits>(Limits{.namespaces = {"a", "b"}, .grants = {}});
  const Answer answer = call("explain_search", R"({"vector":[1,0],"limit":5,"filter":{"n":1}})");
  EXPECT_EQ(at(answer, "/candidates_scanned"), "3") << answer.body;
  EXPECT_EQ(at(answer, "/candidates_after_filter"), "2");
  EXPECT_EQ(at(answer, "/results/0/namespace"), "\"a\"");
  EXPECT_EQ(at(answer, "/results/1/namespace"), "\"b\"");
  EXPECT_EQ(at(answer, "/results/2/id"), "\"y\"");
  EXPECT_EQ(at(answer, "/results/2/rank_after_filter"), "0");
}

TEST_F(ExplainTest, TheDeadOnTheWayAreCounted) {
  fill("Cosine");
  const EpochGuard guard;  // so that nobody takes them away
  ASSERT_EQ(call("delete_points", R"({"ids":["p0","p1","p2"]})").status, 200);
  const Answer answer = call("explain_search", R"({"vector":[1,0],"limit":3})");
  EXPECT_EQ(at(answer, "/results/0/id"), "\"p3\"");
  EXPECT_EQ(at(answer, "/index_stats/tombstones_skipped"), "3");
  EXPECT_EQ(at(answer, "/explain_meta/tombstones_skipped"), "3");
}

TEST_F(ExplainTest, WrongRequestsAreToldSo) {
  fill("Cosine");
  expect_refused(
      "explain_search",
      {{R"({"limit":1})", 422, "invalid_payload", "missing field 'vector'"},
       {R"({"vector":[1,2]})", 422, "invalid_payload", "missing field 'limit'"},
       {R"({"vector":[1,2],"limit":0})", 400, "invalid_payload", "limit must be greater than 0"},
       {R"({"vector":[1],"limit":1})", 400, "invalid_dimension", "expected 2, got 1"},
       {R"({"vector":[1,2],"limit":1,"vector_field":"t"})", 400, "invalid_payload",
        "unknown vector field: t"},
       {R"({"vector":[1,2],"limit":1,"filter":{"a":{"$no":1}}})", 400, "invalid_payload",
        "unknown operator"}});
  collection_ = "nobody";
  EXPECT_EQ(call("explain_search", R"({"vector":[1,2],"limit":1})").status, 404);
}

}  // namespace
}  // namespace ferres
