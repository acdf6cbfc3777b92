// Going back over the API: restore, its points, the tasks list, and drops that leave nothing.
#include "api/test_api.h"

namespace ferres {
namespace {

class RestoreTest : public ApiTest {
 protected:
  uint64_t second() const { return clock_.unix_micros() / 1'000'000; }
  void put(const std::string& id) {
    const Answer answer =
        call("upsert_points", R"({"points":[{"id":")" + id + R"(","vector":[1,2]}]})");
    ASSERT_EQ(answer.status, 200) << answer.body;
  }
  Answer restore(const std::string& body) { return call("restore", body); }
  bool has(const std::string& id) { return call("get_point", "", id).status == 200; }
};

TEST_F(RestoreTest, ATimestampCountsToTheEndOfItsSecond) {
  create();
  put("1");
  clock_.advance_micros(700'000);
  put("2");
  const uint64_t then = second();
  clock_.advance_micros(10'000'000);
  put("3");
  const Answer answer =
      restore(R"({"collection":"docs","timestamp":)" + std::to_string(then) + "}");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(at(answer, "/ok"), "true");
  EXPECT_EQ(at(answer, "/restored"), R"(["docs"])");
  EXPECT_EQ(at(answer, "/collections_restored"), R"(["docs"])");
  EXPECT_EQ(at(answer, "/errors"), "[]");
  EXPECT_EQ(at(answer, "/message"), R"("restored 1 collection")");
  EXPECT_EQ(at(answer, "/details/0/lsn"), "4");
  EXPECT_EQ(at(answer, "/details/0/source_lsn"), "2");
  EXPECT_EQ(at(answer, "/details/0/points"), "2");
  EXPECT_TRUE(has("2"));
  EXPECT_FALSE(has("3"));
  ASSERT_EQ(restore(R"({"collection":"docs","lsn":3})").status, 200);
  EXPECT_TRUE(has("3"));
  const uint64_t exact = then * 1'000'000 + 100;
  ASSERT_EQ(restore(R"({"collection":"docs","timestamp_us":)" + std::to_string(exact) + "}").status,
            200);
  EXPECT_TRUE(has("1"));
  EXPECT_FALSE(has("2"));
  const Answer tasks = call("tasks");
  EXPECT_EQ(at(tasks, "/tasks/0/kind"), R"("restore")");
  EXPECT_EQ(at(tasks, "/tasks/0/about"), R"("docs")");
  EXPECT_EQ(at(tasks, "/tasks/2/state"), R"("done")");
}

TEST_F(RestoreTest, RefusalsSayWhatIsWrong) {
  create();
  put("1");
  expect_refused(
      "restore",
      {
          {R"({})", 422, "invalid_payload", "missing field 'timestamp'"},
          {R"({"timestamp":1,"lsn":1})", 400, "invalid_payload", "one of timestamp"},
          {R"({"timestamp":"x"})", 422, "invalid_payload", "timestamp"},
          {R"({"collection":"docs","lsn":99})", 400, "invalid_payload", "yet to come"},
          {R"({"collection":"docs","timestamp":99999999999})", 400, "invalid_payload",
           "yet to come"},
          {R"({"lsn":1})", 400, "invalid_payload", "name the collection"},
          {R"({"timestamp":1,"namespace":"n"})", 400, "invalid_payload", "name the collection"},
          {R"({"collection":"docs","lsn":1,"namespace":1})", 422, "invalid_payload", "namespace"},
          {R"({"collection":"docs","lsn":1,"namespace":"a\u0000b"})", 400, "invalid_payload",
           "NUL"},
          {R"({"collection":"docs","lsn":1,"target_collection":"docs"})", 409,
           "collection_already_exists", "docs"},
          {R"({"collection":"docs","lsn":1,"target_collection":"../x"})", 400, "invalid_payload",
           ""},
      });
  const Answer unknown = restore(R"({"collection":"nobody","timestamp":1})");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.body,
            R"({"error":"collection_not_found","message":"collection 'nobody' not found"})");
  const Answer early = restore(R"({"collection":"docs","timestamp":1})");
  EXPECT_EQ(early.status, 422);
  EXPECT_EQ(at(early, "/error"), R"("restore_failed")");
  EXPECT_EQ(at(early, "/code"), "(none)");
  EXPECT_NE(early.body.find("docs: there was no collection 'docs' at that time"), std::string::npos)
      << early.body;
  EXPECT_TRUE(has("1"));
  EXPECT_EQ(at(call("tasks"), "/tasks/0/state"), R"("failed")");
}

TEST_F(RestoreTest, PointsNameTheMomentsInBothShapes) {
  create();
  put("1");
  const std::string first = std::to_string(second());
  ASSERT_EQ(call("save").status, 200);
  clock_.advance_micros(5'000'000);
  put("2");
  const std::string last = std::to_string(second());
  const Answer answer = call("restore_points");
  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(at(answer, "/collections/0/collection"), R"("docs")");
  EXPECT_EQ(at(answer, "/collections/0/snapshot_timestamp"), first);
  EXPECT_EQ(at(answer, "/collections/0/last_snapshot_timestamp"), first);
  EXPECT_EQ(at(answer, "/collections/0/wal_min_timestamp"), first);
  EXPECT_EQ(at(answer, "/collections/0/wal_max_timestamp"), last);
  EXPECT_EQ(at(answer, "/collections/0/newest_lsn"), "2");
  EXPECT_EQ(at(answer, "/restore_points/docs/last_snapshot_timestamp"), first);
  EXPECT_EQ(at(answer, "/restore_points/docs/wal_timestamps"), "[" + first + "," + last + "]");
  EXPECT_EQ(at(answer, "/dropped"), "[]");
  EXPECT_EQ(call("restore_points", "", "", {{"collection", "nobody"}}).status, 404);
}

TEST_F(RestoreTest, ADroppedCollectionIsListedAndComesBack) {
  create();
  put("1");
  const std::string then = std::to_string(second());
  clock_.advance_micros(5'000'000);
  ASSERT_EQ(call("delete_collection").status, 204);
  const Answer points = call("restore_points");
  EXPECT_EQ(at(points, "/collections"), "[]");
  EXPECT_EQ(at(points, "/dropped/0/collection"), R"("docs")");
  EXPECT_EQ(at(points, "/dropped/0/dropped_at"), std::to_string(second()));
  const Answer answer = restore(R"({"timestamp":)" + then + "}");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(at(answer, "/restored"), R"(["docs"])");
  EXPECT_TRUE(has("1"));
}

TEST_F(RestoreTest, APurgedCollectionDoesNot) {
  create();
  put("1");
  const std::string then = std::to_string(second());
  clock_.advance_micros(5'000'000);
  EXPECT_EQ(call("delete_collection", "", "", {{"purge", "maybe"}}).status, 400);
  ASSERT_EQ(call("delete_collection").status, 204);
  // What was dropped before can be purged as well, once.
  ASSERT_EQ(call("delete_collection", "", "", {{"purge", "true"}}).status, 204);
  EXPECT_EQ(call("delete_collection", "", "", {{"purge", "true"}}).status, 404);
  EXPECT_EQ(at(call("restore_points"), "/dropped"), "[]");
  EXPECT_EQ(restore(R"({"collection":"docs","timestamp":)" + then + "}").status, 404);
}

}  // namespace
}  // namespace ferres
