// Upsert, delete, get, list and count of points.
#include "api/test_api.h"

namespace ferres {
namespace {

class PointsTest : public ApiTest {
 protected:
  PointsTest() { create(); }
};

TEST_F(PointsTest, UpsertListsBadPointsAndWritesTheRest) {
  const Answer answer = call("upsert_points", R"({"points":[
      {"id":"good","vector":[1,2],"metadata":{"k":[1,2.5,"x"]},"relations":["a"],"vectors":{}},
      {"id":"long","vector":[1,2,3]},{"id":"none","vector":[]},{"id":"zero","vector":[0,0]},
      {"id":"","vector":[1,2]},{"id":"huge","vector":[1e39,0]},
      {"id":"twice","vector":[1,2],"metadata":{"a":1,"a":2}}]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(at(answer, "/upserted"), "1");
  EXPECT_EQ(at(answer, "/lsn"), "1");
  EXPECT_EQ(at(answer, "/durability"), "\"sync\"");
  EXPECT_EQ(at(answer, "/failed/5/id").empty(), false);
  EXPECT_EQ(at(answer, "/failed/6"), "(none)");
  for (const char* reason :
       {R"("long","reason":"dimension mismatch: expected 2, got 3")",
        R"("none","reason":"vector cannot be empty")",
        R"("huge","reason":"non-finite value at index 0")", R"("twice","reason":"metadata:)",
        R"("zero","reason":")", R"("","reason":")"}) {
    EXPECT_NE(answer.body.find(reason), std::string::npos) << reason << "\n" << answer.body;
  }
  EXPECT_EQ(call("get_point", "", "good").body,
            R"({"id":"good","vector":[1,2],"metadata":{"k":[1,2.5,"x"]},)"
            R"("created_at":1700000000,"version":1})");
}

TEST_F(PointsTest, ConditionsAreAskedOfThePointsThatAreThere) {
  const auto upsert = [&](const std::string& points, const std::string& more = "") {
    return call("upsert_points", R"({"points":[)" + points + "]" + more + "}");
  };
  ASSERT_EQ(at(upsert(R"({"id":"a","vector":[1,2]})"), "/lsn"), "1");
  const auto reason = [&](const Answer& answer) {
    EXPECT_EQ(at(answer, "/upserted"), "0") << answer.body;
    return at(answer, "/failed/0/reason");
  };
  EXPECT_EQ(reason(upsert(R"({"id":"a","vector":[1,3],"if_version":7})")),
            R"("version conflict: the point is of version 1, not 7")");
  EXPECT_EQ(reason(upsert(R"({"id":"b","vector":[1,3],"if_version":1})")),
            R"("version conflict: the point is not there")");
  EXPECT_EQ(reason(upsert(R"({"id":"a","vector":[1,3],"if_absent":true})")),
            R"("the point is there already, of version 1")");
  EXPECT_EQ(reason(upsert(R"({"id":"a","vector":[1,3]})", R"(,"on_conflict":"fail")")),
            R"("the point is there already, of version 1")");
  EXPECT_EQ(reason(upsert(R"({"id":"a","vector":[1,3],"if_version":1,"if_absent":true})")),
            R"("give either if_version or if_absent, not both")");
  const Answer skipped =
      upsert(R"({"id":"a","vector":[1,3]},{"id":"c","vector":[1,3]})", R"(,"on_conflict":"skip")");
  EXPECT_EQ(at(skipped, "/upserted"), "1");
  EXPECT_EQ(at(skipped, "/skipped"), "1");
  EXPECT_EQ(at(call("get_point", "", "a"), "/vector"), "[1,2]");
  const Answer twice = upsert(
      R"({"id":"d","vector":[1,3],"if_absent":true},{"id":"d","vector":[1,4],"if_absent":true})");
  EXPECT_EQ(at(twice, "/upserted"), "1");
  EXPECT_EQ(at(twice, "/failed/0/reason"), R"("the request names the point twice")");
  const Answer atomic =
      upsert(R"({"id":"e","vector":[1,3]},{"id":"a","vector":[1,4],"if_absent":true})",
             R"(,"atomic":true)");
  EXPECT_EQ(atomic.status, 400);
  EXPECT_EQ(call("get_point", "", "e").status, 404);
  EXPECT_EQ(at(upsert(R"({"id":"a","vector":[1,5],"if_version":1})"), "/upserted"), "1");
  EXPECT_EQ(at(call("get_point", "", "a"), "/vector"), "[1,5]");
}

TEST_F(PointsTest, LargeNumbersInMetadataComeBackEqual) {
  const std::string metadata = R"({"a":123456789012345678901,"b":1e+20,"c":1e+300,)"
                               R"("d":-12345678901234567890,"e":18446744073709551615})";
  const Answer answer = call(
      "upsert_points", R"({"points":[{"id":"p","vector":[1,2],"metadata":)" + metadata + "}]}");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(at(answer, "/upserted"), "1");
  const Answer point = call("get_point", "", "p");
  simdjson::dom::parser sent_parser;
  simdjson::dom::parser got_parser;
  simdjson::dom::element got;
  ASSERT_EQ(got_parser.parse(point.body)["metadata"].get(got), simdjson::SUCCESS) << point.body;
  EXPECT_EQ(double(got["a"]), 123456789012345678901.0);
  EXPECT_EQ(double(got["b"]), 1e20);
  EXPECT_EQ(double(got["c"]), 1e300);
  EXPECT_EQ(double(got["d"]), -12345678901234567890.0);
  EXPECT_EQ(uint64_t(got["e"]), 18446744073709551615u);
  // What came back is understood again, as metadata and in a filter.
  EXPECT_EQ(at(call("upsert_points", R"({"points":[{"id":"p","vector":[1,2],"metadata":)" +
                                         at(point, "/metadata") + "}]}"),
               "/upserted"),
            "1");
  for (const char* filter : {R"({"a":{"$eq":123456789012345678901}})", R"({"b":{"$eq":1e20}})",
                             R"({"d":{"$lt":-12345678901234560000}})"}) {
    EXPECT_EQ(at(call("count_points", R"({"filter":)" + std::string(filter) + "}"), "/count"), "1")
        << filter;
  }
  const Answer search = call("search", R"({"vector":[1,2],"limit":1,"with_metadata":["a"],)"
                                       R"("filter":{"c":{"$gte":1e300}}})");
  EXPECT_EQ(double(sent_parser.parse(search.body).at_pointer("/results/0/metadata/a")),
            123456789012345678901.0)
      << search.body;
}

TEST_F(PointsTest, UpsertRefusesWrongRequests) {
  const std::string many = [] {
    std::string text = R"({"points":[)";
    for (int i = 0; i < 1001; ++i)
      text += (i > 0 ? "," : "") + std::string(R"({"id":"a","vector":[1,2]})");
    return text + "]}";
  }();
  std::string wide = R"({"points":[{"id":"a","vector":[1)";
  for (int i = 0; i < 4096; ++i)
    wide += ",1";
  wide += "]}]}";
  expect_refused(
      "upsert_points",
      {{"", 400, "invalid_payload", "empty"},
       {"{}", 422, "invalid_payload", "missing field 'points'"},
       {R"({"points":{}})", 422, "invalid_payload", "points must be an array"},
       {R"({"points":[]})", 400, "invalid_payload", "points must contain at least 1 item"},
       {many.c_str(), 400, "invalid_payload", "batch too large: max 1000 points per request"},
       {wide.c_str(), 400, "invalid_payload",
        "vector dimension too large at point index 0: max 4096"},
       {R"({"points":[1]})", 422, "invalid_payload", "points[0] must be a JSON object"},
       {R"({"points":[{"vector":[1,2]}]})", 422, "invalid_payload", "missing field 'points[0].id'"},
       {R"({"points":[{"id":7,"vector":[1,2]}]})", 422, "invalid_payload", "points[0].id"},
       {R"({"points":[{"id":"a","vector":[1,"2"]}]})", 422, "invalid_payload",
        "points[0].vector[1] must be a number"},
       {R"({"points":[{"id":"a","vector":[1,2],"ttl":-1}]})", 422, "invalid_payload", "ttl"},
       {R"({"points":[{"id":"a","vector":[1,2],"namespace":1}]})", 422, "invalid_payload",
        "namespace"},
       {R"({"points":[{"id":"a","vector":[1,2],"vectors":{"t":[1,2]}}]})", 400, "invalid_payload",
        "named vectors are not supported yet"},
       {R"({"points":[{"id":"a","vector":[1,2]}],"on_conflict":"merge"})", 422, "invalid_payload",
        "on_conflict"},
       {R"({"points":[{"id":"a","vector":[1,2]}],"durability":"maybe"})", 422, "invalid_payload",
        "durability"}});
  EXPECT_EQ(at(call("count_points", "{}"), "/count"), "0");
  collection_ = "nope";
  expect_refused("upsert_points", {{R"({"points":[{"id":"a","vector":[1,2]}]})", 404,
                                    "collection_not_found", "collection 'nope' not found"}});
}

TEST_F(PointsTest, AtomicWritesAllOrNothingAndListsTheBadOnes) {
  const Answer refused = call("upsert_points", R"({"atomic":true,"points":[
      {"id":"a","vector":[1,2]},{"id":"b","vector":[1]},{"id":"c","vector":[]}]})");
  EXPECT_EQ(refused.status, 400) << refused.body;
  EXPECT_EQ(at(refused, "/error"), "\"invalid_payload\"");
  EXPECT_EQ(at(refused, "/failed/0/id"), "\"c\"");
  EXPECT_EQ(at(refused, "/failed/1/id"), "\"b\"");
  EXPECT_EQ(at(call("count_points", "{}"), "/count"), "0");
  const Answer written = call("upsert_points", R"({"atomic":true,"durability":"async","points":[
      {"id":"a","vector":[1,2]}]})");
  EXPECT_EQ(written.status, 200) << written.body;
  EXPECT_EQ(at(written, "/durability"), "\"async\"");
}

TEST_F(PointsTest, MetadataOfAnyJsonTypeComesBack) {
  for (const char* metadata : {"{}", "[1,{\"a\":null}]", "\"text\"", "7", "-0.5", "true",
                               R"({"deep":{"list":[[],{}]},"big":18446744073709551615})"}) {
    const Answer answer =
        call("upsert_points",
             R"({"points":[{"id":"a","vector":[1,2],"metadata":)" + std::string(metadata) + "}]}");
    ASSERT_EQ(at(answer, "/upserted"), "1") << answer.body;
    EXPECT_EQ(at(call("get_point", "", "a"), "/metadata"), metadata);
  }
  call("upsert_points", R"({"points":[{"id":"a","vector":[1,2],"metadata":null}]})");
  EXPECT_EQ(at(call("get_point", "", "a"), "/metadata"), "{}");
}

TEST_F(PointsTest, NamespacesAreApart) {
  call("upsert_points", R"({"points":[{"id":"a","vector":[1,2]},
      {"id":"a","vector":[3,4],"namespace":"t"}]})");
  EXPECT_EQ(at(call("get_point", "", "a"), "/vector"), "[1,2]");
  const Answer other = call("get_point", "", "a", {{"namespace", "t"}});
  EXPECT_EQ(at(other, "/vector"), "[3,4]");
  EXPECT_EQ(at(other, "/namespace"), "\"t\"");
  EXPECT_EQ(at(call("delete_points", R"({"ids":["a"],"namespace":"t"})"), "/deleted"), "1");
  EXPECT_EQ(call("get_point", "", "a").status, 200);
  EXPECT_EQ(call("get_point", "", "a", {{"namespace", "t"}}).status, 404);
}

TEST_F(PointsTest, TheNamespaceOfTheHeaderHoldsForReadsAndWrites) {
  Call upsert;
  upsert.collection = "docs";
  upsert.namespace_header = "h";
  upsert.body = R"({"points":[{"id":"a","vector":[1,2]}]})";
  ASSERT_EQ(run(operation("upsert_points"), upsert).status, 200);
  EXPECT_EQ(call("get_point", "", "a").status, 404);
  EXPECT_EQ(call("get_point", "", "a", {{"namespace", "h"}}).status, 200);
  // An empty name leaves the header in force.
  call("upsert_points", R"({"points":[{"id":"other","vector":[1,2]}]})");
  for (const char* ns : {R"({})", R"({"namespace":""})"}) {
    Call count;
    count.collection = "docs";
    count.namespace_header = "h";
    count.query = {{"namespace", ""}};
    count.body = ns;
    EXPECT_EQ(run(operation("count_points"), count).body, R"({"count":1})") << ns;
  }
}

TEST_F(PointsTest, TimesToLiveHaveARange) {
  const Answer answer = call("upsert_points", R"({"points":[
      {"id":"zero","vector":[1,2],"ttl":0},
      {"id":"long","vector":[1,2],"ttl":18446744073709551615},
      {"id":"good","vector":[1,2],"ttl":3153600000}]})");
  EXPECT_EQ(at(answer, "/upserted"), "1") << answer.body;
  EXPECT_EQ(at(answer, "/failed/1/reason"), "\"ttl must be between 1 and 3153600000 seconds\"");
  EXPECT_EQ(call("get_point", "", "good").status, 200);
}

TEST_F(PointsTest, ExpiredPointsAreHidden) {
  call("upsert_points", R"({"points":[{"id":"a","vector":[1,2],"ttl":10}]})");
  EXPECT_EQ(call("get_point", "", "a").status, 200);
  clock_.advance_micros(11'000'000);
  EXPECT_EQ(call("get_point", "", "a").status, 404);
}

TEST_F(PointsTest, GetOfAMissingPointNamesIt) {
  const Answer answer = call("get_point", "", "it's/here");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(at(answer, "/error"), "\"collection_not_found\"");
  EXPECT_EQ(at(answer, "/message"), "\"point 'it's/here' not found\"");
}

TEST_F(PointsTest, DeleteCountsWhatExisted) {
  call("upsert_points", R"({"points":[{"id":"a","vector":[1,2]},{"id":"b","vector":[1,3]}]})");
  const Answer answer = call("delete_points", R"({"ids":["a","x","a"]})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(at(answer, "/deleted"), "1");
  EXPECT_EQ(at(answer, "/lsn"), "2");
  EXPECT_EQ(call("get_point", "", "a").status, 404);
  EXPECT_EQ(call("get_point", "", "b").status, 200);
}

TEST_F(PointsTest, DeleteRefusesWrongRequests) {
  std::string many = R"({"ids":["a")";
  for (int i = 0; i < 10000; ++i)
    many += R"(,"a")";
  many += "]}";
  expect_refused(
      "delete_points",
      {{"{}", 422, "invalid_payload", "missing field 'ids'"},
       {R"({"ids":[]})", 400, "invalid_payload", "ids cannot be empty"},
       {many.c_str(), 400, "invalid_payload", "batch too large: max 10000 ids per delete request"},
       {R"({"ids":[1]})", 422, "invalid_payload", "ids[0] must be a string"},
       {R"({"filter":{"a":1}})", 400, "invalid_payload", "filter is not supported yet"}});
}

TEST_F(PointsTest, ListPagesInAStableOrder) {
  for (int i = 0; i < 5; ++i) {
    call("upsert_points", R"({"points":[{"id":"p)" + std::to_string(i) +
                              R"(","vector":[1,2],"metadata":{"n":)" + std::to_string(i) + "}}]}");
  }
  const Answer page = call("list_points", "", "", {{"limit", "2"}, {"offset", "2"}});
  EXPECT_EQ(at(page, "/points/0/id"), "\"p2\"");
  EXPECT_EQ(at(page, "/points/1/id"), "\"p3\"");
  EXPECT_EQ(at(page, "/points/2"), "(none)");
  EXPECT_EQ(at(page, "/total"), "5");
  EXPECT_EQ(at(page, "/limit"), "2");
  EXPECT_EQ(at(page, "/offset"), "2");
  EXPECT_EQ(at(page, "/has_more"), "true");
  const Answer last = call("list_points", "", "", {{"limit", "5000"}, {"offset", "4"}});
  EXPECT_EQ(at(last, "/limit"), "1000");
  EXPECT_EQ(at(last, "/has_more"), "false");
  const Answer some = call("list_points", "", "", {{"filter", R"({"n":{"$gte":3}})"}});
  EXPECT_EQ(at(some, "/total"), "2");
  EXPECT_EQ(at(some, "/points/0/id"), "\"p3\"");
}

TEST_F(PointsTest, ListRefusesWrongQueries) {
  EXPECT_EQ(call("list_points", "", "", {{"limit", "ten"}}).status, 400);
  EXPECT_EQ(call("list_points", "", "", {{"offset", "-1"}}).status, 400);
  EXPECT_EQ(call("list_points", "", "", {{"filter", "{"}}).status, 400);
  EXPECT_EQ(call("list_points", "", "", {{"filter", R"({"a":{"$no":1}})"}}).status, 400);
}

TEST_F(PointsTest, CountFollowsFilterAndNamespace) {
  call("upsert_points", R"({"points":[{"id":"a","vector":[1,2],"metadata":{"n":1}},
      {"id":"b","vector":[1,2],"metadata":{"n":1.0},"namespace":"t"},{"id":"c","vector":[1,2]}]})");
  EXPECT_EQ(call("count_points", "{}").body, R"({"count":3})");
  EXPECT_EQ(call("count_points", R"({"filter":{"n":1}})").body, R"({"count":2})");
  EXPECT_EQ(call("count_points", R"({"filter":{"n":1},"namespace":"t"})").body, R"({"count":1})");
  expect_refused("count_points",
                 {{R"({"filter":7})", 400, "invalid_payload", "filter"},
                  {R"({"min_lsn":9,"timeout_ms":0})", 412, "precondition_failed", "min_lsn"}});
}

}  // namespace
}  // namespace ferres
