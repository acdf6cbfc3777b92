// Namespaces as a whole over the API: listed, saved, dropped, restored alone.
#include "api/test_api.h"

namespace ferres {
namespace {

class NamespacesTest : public ApiTest {
 protected:
  void put(const std::string& ns, const std::string& id) {
    const Answer answer =
        call("upsert_points",
             R"({"points":[{"id":")" + id + R"(","vector":[1,2],"namespace":")" + ns + R"("}]})");
    ASSERT_EQ(answer.status, 200) << answer.body;
  }
  std::string listed() { return at(call("list_namespaces"), "/namespaces"); }
};

TEST_F(NamespacesTest, AreListedInOrderWithTheirPoints) {
  create();
  EXPECT_EQ(listed(), "[]");
  put("b", "1");
  put("a", "1");
  put("b", "2");
  put("", "3");
  EXPECT_EQ(listed(), R"([{"namespace":"","points":1},{"namespace":"a","points":1},)"
                      R"({"namespace":"b","points":2}])");
  collection_ = "nobody";
  EXPECT_EQ(call("list_namespaces").status, 404);
}

TEST_F(NamespacesTest, OneIsDroppedAndRestoredAlone) {
  create();
  put("a", "1");
  put("b", "1");
  const Answer saved = call("snapshot_namespace", "", "a");
  EXPECT_EQ(at(saved, "/ok"), "true");
  EXPECT_EQ(at(saved, "/points"), "1");
  EXPECT_EQ(at(saved, "/lsn"), "2");
  const Answer dropped = call("delete_namespace", "", "a");
  ASSERT_EQ(dropped.status, 200) << dropped.body;
  EXPECT_EQ(at(dropped, "/deleted"), "1");
  EXPECT_EQ(at(dropped, "/durability"), "\"sync\"");
  EXPECT_EQ(at(dropped, "/lsn"), "3");
  EXPECT_EQ(at(dropped, "/purged"), "false");
  EXPECT_EQ(listed(), R"([{"namespace":"b","points":1}])");
  put("b", "2");
  const Answer restored = call("restore", R"({"collection":"docs","lsn":2,"namespace":"a"})");
  ASSERT_EQ(restored.status, 200) << restored.body;
  EXPECT_EQ(at(restored, "/details/0/points"), "1");
  EXPECT_EQ(listed(), R"([{"namespace":"a","points":1},{"namespace":"b","points":2}])");
  const Answer copied = call(
      "restore", R"({"collection":"docs","lsn":4,"namespace":"b","target_collection":"only-b"})");
  ASSERT_EQ(copied.status, 200) << copied.body;
  collection_ = "only-b";
  EXPECT_EQ(listed(), R"([{"namespace":"b","points":2}])");
}

TEST_F(NamespacesTest, ANameThatNoPointCanHaveIsRefusedAndNotLogged) {
  create();
  put("a", "1");
  for (const std::string& name : {std::string(257, 'n'), std::string("a\0b", 3)}) {
    const Answer refused = call("delete_namespace", "", name);
    EXPECT_EQ(refused.status, 400) << refused.body;
    EXPECT_EQ(call("delete_namespace", "", name, {{"purge", "true"}}).status, 400);
  }
  EXPECT_EQ(at(call("delete_namespace", "", std::string(256, 'n')), "/deleted"), "0");
  EXPECT_EQ(at(call("delete_namespace", "", "a"), "/lsn"), "3");  // the put, and the one of 256
}

TEST_F(NamespacesTest, APurgedOneCannotBeRestored) {
  create();
  put("a", "1");
  put("b", "1");
  EXPECT_EQ(call("delete_namespace", "", "a", {{"purge", "maybe"}}).status, 400);
  EXPECT_EQ(listed(), R"([{"namespace":"a","points":1},{"namespace":"b","points":1}])");
  const Answer unknown = call("delete_namespace", "", "c", {{"purge", "true"}});
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(at(unknown, "/error"), R"("namespace_not_found")");
  const Answer purged = call("delete_namespace", "", "a", {{"purge", "true"}});
  EXPECT_EQ(at(purged, "/purged"), "true");
  EXPECT_EQ(call("restore", R"({"collection":"docs","lsn":2,"namespace":"a"})").status, 422);
  EXPECT_EQ(listed(), R"([{"namespace":"b","points":1}])");
}

TEST_F(NamespacesTest, OfADroppedCollectionComeBackUnderAnotherName) {
  create();
  put("a", "1");
  put("b", "1");
  ASSERT_EQ(call("delete_collection").status, 204);
  const Answer refused = call("restore", R"({"collection":"docs","lsn":2,"namespace":"a"})");
  EXPECT_EQ(refused.status, 409);
  EXPECT_NE(refused.body.find("target_collection"), std::string::npos);
  ASSERT_EQ(call("restore",
                 R"({"collection":"docs","lsn":2,"namespace":"a","target_collection":"docs-a"})")
                .status,
            200);
  collection_ = "docs-a";
  EXPECT_EQ(listed(), R"([{"namespace":"a","points":1}])");
}

TEST_F(NamespacesTest, ADropTellsItsDurability) {
  create();
  EXPECT_EQ(at(call("delete_namespace", "", "a", {{"durability", "async"}}), "/durability"),
            "\"async\"");
  EXPECT_EQ(call("delete_namespace", "", "a", {{"durability", "fast"}}).status, 400);
}

}  // namespace
}  // namespace ferres
