// Search: what it finds, what it answers, what it refuses.
#include "api/test_api.h"

namespace ferres {
namespace {

class SearchTest : public ApiTest {
 protected:
  SearchTest() {
    create("Euclidean");
    const Answer answer = call("upsert_points", R"({"points":[
        {"id":"near","vector":[0,1],"metadata":{"n":1,"t":"a","x":{"y":2}}},
        {"id":"far","vector":[0,5],"metadata":{"n":2,"t":"b"}},
        {"id":"middle","vector":[0,3],"namespace":"t"},{"id":"blind"}]})");
    EXPECT_EQ(at(answer, "/upserted"), "4") << answer.body;
  }

  std::string ids(const std::string& body) {
    const Answer answer = call("search", body);
    EXPECT_EQ(answer.status, 200) << body << "\n" << answer.body;
    std::string found;
    for (int i = 0;; ++i) {
      const std::string id = at(answer, "/results/" + std::to_string(i) + "/id");
      if (id == "(none)") return found;
      found += id.substr(1, id.size() - 2) + " ";
    }
  }
};

TEST_F(SearchTest, AnswersInTheContractsShape) {
  const Answer answer = call("search", R"({"vector":[0,0],"limit":2})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.body.starts_with(
      R"({"results":[{"id":"near","score":1,"metadata":{"n":1,"t":"a","x":{"y":2}}},)"
      R"({"id":"middle","score":3,"metadata":{},"namespace":"t"}],"took_ms":0,"query_id":")"))
      << answer.body;
  EXPECT_EQ(at(answer, "/query_id").size(), 36 + 2u);
  EXPECT_EQ(at(answer, "/query_id")[15], '4');
  EXPECT_NE(at(answer, "/query_id"),
            at(call("search", R"({"vector":[0,0],"limit":2})"), "/query_id"));
  EXPECT_EQ(at(answer, "/rerank_ms"), "(none)");
}

TEST_F(SearchTest, RefusesQueriesWhoseDistancesCannotBeToldApart) {
  for (const char* distance : {"DotProduct", "Euclidean"}) {
    call("delete_collection");
    create(distance);
    const Answer answer = call("search", R"({"vector":[3e38,3e38],"limit":3})");
    EXPECT_EQ(answer.status, 400) << answer.body;
    EXPECT_NE(answer.body.find("the norm of the vector is above 1e14"), std::string::npos);
  }
}

// 1 - q.v of products below 6e-8 is 1: the order must come from the products themselves.
TEST_F(SearchTest, SmallInnerProductsKeepTheirOrder) {
  call("delete_collection");
  create("DotProduct");
  call("upsert_points", R"({"points":[{"id":"a","vector":[1e-5,0]},{"id":"b","vector":[3e-5,0]},
      {"id":"c","vector":[2e-5,0]}]})");
  for (const char* exact : {"true", "false"}) {
    EXPECT_EQ(ids(R"({"vector":[1e-5,0],"limit":3,"exact":)" + std::string(exact) + "}"), "b c a ");
  }
}

TEST_F(SearchTest, OptionsNarrowTheResults) {
  EXPECT_EQ(ids(R"({"vector":[0,0],"limit":10})"), "near middle far ");
  EXPECT_EQ(ids(R"({"vector":"AAAAAAAAAAA=","limit":10})"), "near middle far ");
  EXPECT_EQ(ids(R"({"vector":[0,0],"limit":10,"exact":true,"ef_search":7})"), "near middle far ");
  EXPECT_EQ(ids(R"({"vector":[0,0],"limit":1,"offset":1})"), "middle ");
  EXPECT_EQ(ids(R"({"vector":[0,0],"limit":10,"offset":9})"), "");
  EXPECT_EQ(ids(R"({"vector":[0,0],"limit":10,"score_threshold":3})"), "near middle ");
  EXPECT_EQ(ids(R"({"vector":[0,0],"limit":10,"filter":{"n":{"$gt":1}}})"), "far ");
  EXPECT_EQ(ids(R"({"vector":[0,0],"limit":10,"filter":{"x.y":2}})"), "near ");
  EXPECT_EQ(ids(R"({"vector":[0,0],"limit":10,"filter":null})"), "near middle far ");
  EXPECT_EQ(ids(R"({"vector":[0,0],"limit":10,"namespace":"t"})"), "middle ");
  EXPECT_EQ(ids(R"({"vector":[0,0],"limit":10,"filter":{"$namespace":"t"}})"), "middle ");
  EXPECT_EQ(
      ids(R"({"vector":[0,0],"limit":10,"vector_field":"default","rerank":true,"min_lsn":1})"),
      "near middle far ");
}

TEST_F(SearchTest, ByIdLeavesThePointItselfOut) {
  EXPECT_EQ(ids(R"({"id":"near","limit":10})"), "middle far ");
  EXPECT_EQ(ids(R"({"id":"middle","namespace":"t","limit":10})"), "");
  EXPECT_EQ(ids(R"({"id":"middle","filter":{"$namespace":"t"},"limit":10})"), "");
  EXPECT_EQ(call("search", R"({"id":"near","filter":{"$namespace":"t"},"limit":10})").status, 404);
}

TEST_F(SearchTest, PartsOfAPointAreAnsweredWhenAsked) {
  EXPECT_EQ(
      at(call("search", R"({"vector":[0,0],"limit":1,"with_vector":true})"), "/results/0/vector"),
      "[0,1]");
  EXPECT_EQ(at(call("search", R"({"vector":[0,0],"limit":1,"with_metadata":false})"),
               "/results/0/metadata"),
            "(none)");
  EXPECT_EQ(at(call("search", R"({"vector":[0,0],"limit":1,"with_metadata":["x","n","no"]})"),
               "/results/0/metadata"),
            R"({"n":1,"x":{"y":2}})");
}

TEST_F(SearchTest, WrongRequestsAreRefused) {
  std::string wide = R"({"limit":1,"vector":[1)";
  for (int i = 0; i < 4096; ++i)
    wide += ",1";
  wide += "]}";
  expect_refused(
      "search",
      {{"", 400, "invalid_payload", "empty"},
       {R"({"limit":1})", 422, "invalid_payload", "missing field 'vector'"},
       {R"({"vector":[0,0]})", 422, "invalid_payload", "missing field 'limit'"},
       {R"({"vector":[0,0],"limit":-1})", 422, "invalid_payload", "limit"},
       {R"({"vector":[0,0],"limit":"1"})", 422, "invalid_payload", "limit"},
       {R"({"vector":[0,0],"limit":0})", 400, "invalid_payload", "limit must be greater than 0"},
       {R"({"vector":[0,0],"limit":10001})", 400, "invalid_payload", "limit too large: max 10000"},
       {R"({"vector":[0,0],"limit":9,"offset":9999})", 400, "invalid_payload", "offset plus limit"},
       {R"({"vector":[0],"limit":1})", 400, "invalid_dimension",
        "dimension mismatch: expected 2, got 1"},
       {R"({"vector":[],"limit":1})", 400, "invalid_dimension",
        "dimension mismatch: expected 2, got 0"},
       {wide.c_str(), 400, "invalid_payload", "max 4096"},
       {R"({"vector":[0,1e39],"limit":1})", 400, "invalid_payload", "non-finite value at index 1"},
       {R"({"vector":[0,NaN],"limit":1})", 400, "invalid_payload", "malformed JSON"},
       {R"({"vector":[0,null],"limit":1})", 422, "invalid_payload", "vector[1] must be a number"},
       {R"({"vector":[0,0],"id":"near","limit":1})", 400, "invalid_payload", "not both"},
       {R"({"id":"gone","limit":1})", 404, "collection_not_found", "point 'gone' not found"},
       {R"({"id":"blind","limit":1})", 400, "invalid_payload", "no vector"},
       {R"({"vector":[0,0],"limit":1,"limit":2})", 400, "invalid_payload", "appears twice"},
       {R"({"vector":[0,0],"limit":1,"filter":[]})", 400, "invalid_payload",
        "filter must be a JSON object or null"},
       {R"({"vector":[0,0],"limit":1,"filter":{"f":{"$no":1}}})", 400, "invalid_payload",
        "filter.f: unknown operator '$no'"},
       {R"({"vector":[0,0],"limit":1,"vector_field":"title"})", 400, "invalid_payload",
        "unknown vector field: title"},
       {R"({"vector":[0,0],"limit":1,"ef_search":0})", 400, "invalid_payload", "ef_search"},
       {R"({"vector":[0,0],"limit":1,"target_recall":0})", 400, "invalid_payload",
        "target_recall must be above 0"},
       {R"({"vector":[0,0],"limit":1,"target_recall":1.5})", 400, "invalid_payload",
        "target_recall must be above 0"},
       {R"({"vector":[0,0],"limit":1,"target_recall":0.9,"ef_search":9})", 400, "invalid_payload",
        "give either ef_search or target_recall"},
       {R"({"vector":[0,0],"limit":1,"with_metadata":3})", 422, "invalid_payload", "with_metadata"},
       {R"({"vector":[0,0],"limit":1,"min_lsn":7,"timeout_ms":0})", 412, "precondition_failed",
        "min_lsn 7"}});
}

TEST_F(SearchTest, WhatIsNotBuiltIsRefusedByName) {
  for (const char* field : {R"("group_by":{"field":"a"})", R"("query_text":"x")", R"("mmr":{})"}) {
    const Answer answer =
        call("search", R"({"vector":[0,0],"limit":1,)" + std::string(field) + "}");
    EXPECT_EQ(answer.status, 400) << field;
    EXPECT_NE(answer.body.find("is not supported yet"), std::string::npos) << answer.body;
  }
}

}  // namespace
}  // namespace ferres
