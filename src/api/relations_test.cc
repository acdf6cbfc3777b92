// Links between points over the API: made, told, followed and ended.
#include "api/test_api.h"

namespace ferres {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

class RelationsApi : public ApiTest {
 protected:
  void put(std::string_view id, std::string_view ns = "", std::string_view metadata = "{}") {
    const Answer answer =
        call("upsert_points", R"({"points":[{"id":")" + std::string(id) +
                                  R"(","vector":[1,2],"namespace":")" + std::string(ns) +
                                  R"(","metadata":)" + std::string(metadata) + "}]}");
    ASSERT_EQ(answer.status, 200) << answer.body;
  }
  Answer link(std::string_view from, std::string_view to) {
    return call("link_points", ends(from, to));
  }
  static std::string ends(std::string_view from, std::string_view to) {
    return R"({"from":")" + std::string(from) + R"(","to":")" + std::string(to) + R"("})";
  }
  std::string relations(std::string_view id) {
    return at(call("get_point", "", std::string(id)), "/relations");
  }
  Answer subgraph(std::vector<std::pair<std::string, std::string>> query) {
    return call("subgraph", "", "", std::move(query));
  }
  std::string ids(const Answer& graph) {
    std::string text;
    for (int i = 0;; ++i) {
      const std::string id = at(graph, "/nodes/" + std::to_string(i) + "/id");
      if (id == "(none)") return text;
      text += id;
    }
  }
};

TEST_F(RelationsApi, ALinkIsAnsweredAndToldAtBothEnds) {
  create();
  put("a");
  put("b");
  EXPECT_EQ(relations("a"), "(none)");
  const Answer linked = link("a", "b");
  ASSERT_EQ(linked.status, 200) << linked.body;
  EXPECT_EQ(linked.body, R"({"ok":true,"from":"a","to":"b","lsn":3,"durability":"sync"})");
  EXPECT_EQ(link("b", "a").status, 200);
  EXPECT_EQ(relations("a"), R"(["b"])");
  EXPECT_EQ(relations("b"), R"(["a"])");
  EXPECT_EQ(at(call("list_points"), "/points/0/relations"), R"(["b"])");
  put("a");
  EXPECT_EQ(relations("a"), R"(["b"])");
  const Answer ended = call("unlink_points", ends("b", "a"));
  EXPECT_EQ(ended.status, 200) << ended.body;
  EXPECT_EQ(at(ended, "/unlinked"), "true");
  EXPECT_EQ(at(call("unlink_points", ends("b", "a")), "/unlinked"), "false");
  EXPECT_EQ(relations("a"), "(none)");
}

TEST_F(RelationsApi, WhatCannotBeLinkedIsRefusedInTheContractsWords) {
  create();
  put("a");
  const Answer missing = link("a", "x");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.body, R"({"error":"collection_not_found",)"
                          R"("message":"collection 'point 'x' not found' not found","code":404})");
  EXPECT_EQ(link("a", "a").status, 400);
  EXPECT_EQ(link("", "a").status, 400);
  EXPECT_EQ(link("a", "").status, 400);
  EXPECT_EQ(call("link_points", R"({"from":"a"})").status, 422);
  EXPECT_EQ(call("link_points", R"({"from":"a","to":7})").status, 422);
  EXPECT_EQ(call("link_points", R"({"from":"t\u0000a","from_namespace":"u","to":"a"})").status,
            400);
  EXPECT_EQ(call("link_points", R"({"from":"a\u0000b\u0000c","to":"a"})").status, 400);
  collection_ = "nobody";
  EXPECT_EQ(at(link("a", "b"), "/message"), R"("collection 'nobody' not found")");
}

TEST_F(RelationsApi, StorageIdsAndNamespacesNameTheSamePoints) {
  create();
  put("a");
  put("a", "t");
  put("b", "t");
  const Answer linked = call("link_points", R"({"from":"a","to":"b","to_namespace":"t"})");
  EXPECT_EQ(at(linked, "/to"), R"("t\u0000b")") << linked.body;
  EXPECT_EQ(call("link_points", R"({"from":"t\u0000a","to":"t\u0000b"})").status, 200);
  EXPECT_EQ(relations("a"), R"(["t\u0000b"])");
  EXPECT_EQ(relations(std::string("t\0b", 3)), R"(["a","t\u0000a"])");
  const Answer here = call("link_points", ends("a", "b"), "", {{"namespace", "t"}});
  EXPECT_EQ(at(here, "/from"), R"("t\u0000a")") << here.body;
  EXPECT_EQ(ids(subgraph({{"center_id", std::string("t\0b", 3)}})), R"("t\u0000b""a""t\u0000a")");
  EXPECT_EQ(ids(subgraph({{"center_id", "b"}, {"namespace", "t"}, {"depth", "0"}})),
            R"("t\u0000b")");
}

TEST_F(RelationsApi, ASubgraphFollowsLinksAndTellsEachOnce) {
  create();
  for (const char* id : {"a", "b", "c", "d", "e", "alone"})
    put(id);
  const Pairs links{{"a", "b"}, {"b", "c"}, {"c", "a"}, {"c", "d"}, {"d", "e"}};
  for (const auto& [from, to] : links)
    ASSERT_EQ(link(from, to).status, 200);
  const Answer near = subgraph({{"center_id", "a"}});
  ASSERT_EQ(near.status, 200) << near.body;
  EXPECT_EQ(ids(near), R"("a""b""c")");
  EXPECT_EQ(at(near, "/edges"), R"([{"source":"a","target":"b","from":"a","to":"b"},)"
                                R"({"source":"a","target":"c","from":"a","to":"c"},)"
                                R"({"source":"b","target":"c","from":"b","to":"c"}])");
  EXPECT_EQ(at(near, "/nodes/0/relations"), R"(["b","c"])");
  EXPECT_EQ(at(near, "/nodes/0/metadata"), "{}");
  EXPECT_EQ(at(near, "/truncated"), "false");
  EXPECT_EQ(ids(subgraph({{"center_id", "a"}, {"depth", "2"}})), R"("a""b""c""d")");
  EXPECT_EQ(ids(subgraph({{"center_id", "a"}, {"depth", "9"}})), R"("a""b""c""d""e")");
  EXPECT_EQ(ids(subgraph({{"center_id", "a"}, {"depth", "0"}})), R"("a")");
  EXPECT_EQ(ids(subgraph({{"seed", "e"}})), R"("e""d")");
  EXPECT_EQ(ids(subgraph({{"center_id", "a"}, {"seed", "7"}})), R"("a""b""c")");
  EXPECT_EQ(ids(subgraph({})), R"("a""b""c""d""e")");
  const Answer cut = subgraph({{"center_id", "a"}, {"depth", "9"}, {"limit", "2"}});
  EXPECT_EQ(ids(cut), R"("a""b")");
  EXPECT_EQ(at(cut, "/truncated"), "true");
  EXPECT_EQ(ids(subgraph({{"center_id", "alone"}, {"depth", "3"}})), R"("alone")");
  EXPECT_EQ(subgraph({{"center_id", "x"}}).status, 404);
  EXPECT_EQ(subgraph({{"center_id", "a"}, {"depth", "deep"}}).status, 400);
}

TEST_F(RelationsApi, ASearchAmongThePointsThatLinksLeadTo) {
  create("Euclidean");
  for (int i = 0; i < 6; ++i) {
    const std::string n = std::to_string(i);
    ASSERT_EQ(call("upsert_points", R"({"points":[{"id":"p)" + n + R"(","vector":[)" + n +
                                        R"(,1],"metadata":{"odd":)" +
                                        (i % 2 == 1 ? "true" : "false") + "}}]}")
                  .status,
              200);
  }
  const Pairs links{{"p0", "p2"}, {"p2", "p3"}, {"p3", "p4"}};
  for (const auto& [from, to] : links)
    ASSERT_EQ(link(from, to).status, 200);
  const auto found = [&](std::string_view more) {
    const Answer answer =
        call("search_connected", R"({"vector":[9,1],"center_id":"p0",)" + std::string(more) + "}");
    EXPECT_EQ(answer.status, 200) << answer.body;
    std::string text;
    for (int i = 0;; ++i) {
      const std::string id = at(answer, "/results/" + std::to_string(i) + "/id");
      if (id == "(none)") return text;
      text += id;
    }
  };
  EXPECT_EQ(found(R"("limit":9)"), R"("p2")");
  EXPECT_EQ(found(R"("limit":9,"hops":2)"), R"("p3""p2")");
  EXPECT_EQ(found(R"("limit":9,"hops":9)"), R"("p4""p3""p2")");
  EXPECT_EQ(found(R"("limit":2,"hops":9)"), R"("p4""p3")");
  EXPECT_EQ(found(R"("limit":2,"hops":9,"filter":{"odd":true})"), R"("p3")");
  EXPECT_EQ(found(R"("limit":2,"hops":9,"namespace":"t","center_namespace":"")"), "");
  const auto status = [&](std::string_view body) {
    return call("search_connected", std::string(body)).status;
  };
  EXPECT_EQ(status(R"({"vector":[9,1],"center_id":"x","limit":1})"), 404);
  EXPECT_EQ(status(R"({"vector":[9,1],"center_id":"p0","limit":0})"), 400);
  EXPECT_EQ(status(R"({"vector":[9,1],"center_id":"p0","limit":1,"hops":65})"), 400);
  EXPECT_EQ(status(R"({"vector":[9,1],"center_id":"p0","limit":1,"hops":0})"), 400);
  EXPECT_EQ(status(R"({"vector":[9],"center_id":"p0","limit":1})"), 400);
  EXPECT_EQ(status(R"({"center_id":"p0","limit":1})"), 422);
  EXPECT_EQ(status(R"({"vector":[9,1],"limit":1})"), 422);
}

TEST_F(RelationsApi, OfWhatTheCallerMayNotSeeNothingIsTold) {
  create();
  put("a", "mine");
  put("b", "mine");
  put("c", "other");
  ASSERT_EQ(call("link_points", R"({"from":"mine\u0000a","to":"other\u0000c"})").status, 200);
  ASSERT_EQ(call("link_points", R"({"from":"mine\u0000b","to":"other\u0000c"})").status, 200);
  Limits limits;
  limits.namespaces = {"mine"};
  principal_.role = Role::kEditor;
  principal_.limits = std::make_shared<const Limits>(limits);
  EXPECT_EQ(relations("a"), "(none)");
  EXPECT_EQ(at(call("list_points"), "/points/0/relations"), "(none)");
  EXPECT_EQ(ids(subgraph({{"center_id", "a"}, {"depth", "5"}})), R"("mine\u0000a")");
  EXPECT_EQ(ids(subgraph({})), "");
  EXPECT_EQ(link("a", "other\\u0000c").status, 403);
  EXPECT_EQ(subgraph({{"center_id", std::string("other\0c", 7)}}).status, 403);
  EXPECT_EQ(link("a", "b").status, 200);
  EXPECT_EQ(relations("a"), R"(["mine\u0000b"])");
}

TEST_F(RelationsApi, AMetadataRestrictionHidesEndsToo) {
  create();
  put("a", "", R"({"team":"red"})");
  put("b", "", R"({"team":"blue"})");
  put("c", "", R"({"team":"red"})");
  ASSERT_EQ(link("a", "b").status, 200);
  ASSERT_EQ(link("b", "c").status, 200);
  Grant grant;
  grant.actions = {Permission::kRead, Permission::kWrite};
  grant.restriction = Restriction{"team", R"(["red"])"};
  Limits limits;
  limits.grants = {grant};
  principal_.role = Role::kEditor;
  principal_.limits = std::make_shared<const Limits>(limits);
  EXPECT_EQ(relations("a"), "(none)");
  EXPECT_EQ(ids(subgraph({{"center_id", "a"}, {"depth", "5"}})), R"("a")");
  EXPECT_EQ(subgraph({{"center_id", "b"}}).status, 404);
  EXPECT_EQ(link("a", "b").status, 404);
  EXPECT_EQ(link("a", "c").status, 200);
  EXPECT_EQ(relations("a"), R"(["c"])");
}

}  // namespace
}  // namespace ferres
