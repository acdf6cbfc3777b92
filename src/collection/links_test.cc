// Links between points, through the collection, in both forms of namespaces: when they are there
// and when they end. The sim tests compare random histories with a model.
#include "collection/partitions.h"
#include "collection/test_collection.h"

namespace ferres {
namespace {

using Ids = std::vector<std::string>;

class Links : public CollectionFixture, public testing::WithParamInterface<bool> {
 protected:
  Links() : CollectionFixture(2) { options_.isolate_namespaces = GetParam(); }

  static PointName name(const std::string& id, const std::string& ns = "") { return {id, ns}; }
  void put(const Ids& ids, const std::string& ns = "", std::optional<uint64_t> ttl = {}) {
    UpsertRequest request;
    for (const std::string& id : ids)
      request.points.push_back({id, ns, {1, 2}, "{}", ttl});
    ASSERT_TRUE(collection_->upsert(std::move(request)).ok());
  }
  void link(const PointName& from, const PointName& to) {
    const auto linked = collection_->link({from, to});
    ASSERT_TRUE(linked.ok()) << linked.error().message();
    EXPECT_TRUE(linked->there);
  }
  void remove(const std::string& id, const std::string& ns = "") {
    DeleteRequest request;
    request.ids = {id};
    request.ns = ns;
    ASSERT_EQ(collection_->remove(std::move(request))->deleted, 1u);
  }
  Ids links_of(const std::string& id, const std::string& ns = "") {
    const auto point = collection_->get(id, ns);
    EXPECT_TRUE(point.ok()) << point.error().message();
    ListRequest request;
    request.ns = ns;
    const auto listed = collection_->list(request);
    EXPECT_TRUE(listed.ok());
    for (const Point& other : listed->points) {
      if (other.id == id && other.ns.value_or("") == ns) {
        EXPECT_EQ(other.relations, point->relations);
      }
    }
    return point->relations;
  }
};

INSTANTIATE_TEST_SUITE_P(Forms, Links, testing::Bool(),
                         [](const auto& form) { return form.param ? "Isolated" : "Shared"; });

TEST_P(Links, AreToldAtBothEndsAndEndWhenAsked) {
  open();
  put({"a", "b", "c"});
  link(name("a"), name("b"));
  link(name("b"), name("a"));
  link(name("c"), name("a"));
  EXPECT_EQ(links_of("a"), (Ids{"b", "c"}));
  EXPECT_EQ(links_of("b"), Ids{"a"});
  EXPECT_TRUE(collection_->unlink({name("b"), name("a")})->there);
  EXPECT_FALSE(collection_->unlink({name("b"), name("a")})->there);
  EXPECT_FALSE(collection_->unlink({name("b"), name("nobody")})->there);
  EXPECT_EQ(links_of("a"), Ids{"c"});
  EXPECT_TRUE(links_of("b").empty());
}

TEST_P(Links, NeedTwoPointsThatAreThere) {
  open();
  put({"a"});
  put({"b"}, "t");
  const auto code = [&](const PointName& from, const PointName& to) {
    const auto linked = collection_->link({from, to});
    return linked.ok() ? Code::kOk : linked.error().code();
  };
  EXPECT_EQ(code(name("a"), name("a")), Code::kInvalidArgument);
  EXPECT_EQ(code(name(""), name("a")), Code::kInvalidArgument);
  EXPECT_EQ(code(name("a"), name("b")), Code::kNotFound);
  EXPECT_EQ(code(name("x", "t"), name("a")), Code::kNotFound);
  EXPECT_EQ(code(name("a"), name("b", "nobody")), Code::kNotFound);
  EXPECT_EQ(code(name("a"), name("b", "t")), Code::kOk);
  EXPECT_EQ(collection_->link({name("a"), name("x")}).error().message(), "point 'x' not found");
}

TEST_P(Links, StayWhenAPointIsUpdatedAndWhenTheServerStarts) {
  open();
  put({"a", "b"});
  put({"c"}, "t");
  link(name("a"), name("b"));
  link(name("a"), name("c", "t"));
  const Ids wanted{"b", storage_id(name("c", "t"))};
  put({"a"});
  EXPECT_EQ(links_of("a"), wanted);
  reopen();
  EXPECT_EQ(links_of("a"), wanted);
  reopen(true);
  EXPECT_EQ(links_of("a"), wanted);
  put({"a", "b"});
  executor_->run_all();
  EXPECT_EQ(links_of("a"), wanted);
  EXPECT_EQ(links_of("b"), Ids{"a"});
  EXPECT_EQ(links_of("c", "t"), Ids{"a"});
}

TEST_P(Links, EndWithEitherPoint) {
  open();
  put({"a", "b"});
  put({"c"}, "t");
  link(name("a"), name("b"));
  link(name("a"), name("c", "t"));
  remove("a");
  EXPECT_TRUE(links_of("b").empty());
  EXPECT_TRUE(links_of("c", "t").empty());
  put({"a"});
  EXPECT_TRUE(links_of("a").empty());
  EXPECT_TRUE(links_of("c", "t").empty());
  reopen();
  EXPECT_TRUE(links_of("a").empty());
  EXPECT_TRUE(links_of("b").empty());
}

TEST_P(Links, EndWhenTheTimeOfAPointIsOver) {
  open();
  put({"a", "b"});
  put({"short"}, "", 10);
  put({"brief"}, "t", 10);
  link(name("a"), name("short"));
  link(name("a"), name("brief", "t"));
  link(name("a"), name("b"));
  clock_.advance_micros(11 * kSecond);
  EXPECT_EQ(links_of("a"), Ids{"b"}) << "hidden before it is swept";
  put({"short"});
  EXPECT_TRUE(links_of("short").empty()) << "of the point that was over";
  collection_->sweep_expired();
  executor_->run_all();
  put({"brief"}, "t");
  EXPECT_EQ(links_of("a"), Ids{"b"});
}

TEST_P(Links, EndWithANamespace) {
  open();
  put({"a", "b"});
  put({"c", "d"}, "t");
  link(name("a"), name("b"));
  link(name("a"), name("c", "t"));
  link(name("d", "t"), name("c", "t"));
  reopen(true);
  ASSERT_EQ(collection_->drop_namespace("t")->deleted, 2u);
  EXPECT_EQ(links_of("a"), Ids{"b"});
  put({"c", "d"}, "t");
  EXPECT_EQ(links_of("a"), Ids{"b"});
  EXPECT_TRUE(links_of("c", "t").empty());
  reopen();
  EXPECT_EQ(links_of("a"), Ids{"b"});
}

TEST_P(Links, ARestoreBringsThemBack) {
  open();
  put({"a", "b"});
  put({"c", "d"}, "t");
  link(name("a"), name("b"));
  link(name("a"), name("c", "t"));
  link(name("c", "t"), name("d", "t"));
  const Ids wanted{"b", storage_id(name("c", "t"))};
  RestoreTarget target;
  target.lsn = collection_->stats().lsn;
  remove("a");
  remove("d", "t");
  ASSERT_TRUE(collection_->restore(target, nullptr).ok());
  EXPECT_EQ(links_of("a"), wanted);
  reopen();
  EXPECT_EQ(links_of("a"), wanted);
  // Of one namespace: those within it, and none to others.
  target.ns = "t";
  ASSERT_TRUE(collection_->restore(target, nullptr).ok());
  EXPECT_EQ(links_of("c", "t"), Ids{storage_id(name("d", "t"))});
  EXPECT_EQ(links_of("a"), Ids{"b"});
  reopen();
  EXPECT_EQ(links_of("c", "t"), Ids{storage_id(name("d", "t"))});
  EXPECT_EQ(links_of("a"), Ids{"b"});
}

TEST_P(Links, SurviveTheOtherFormOfNamespaces) {
  open();
  put({"a", "b", "gone"});
  put({"c"}, "t");
  link(name("a"), name("b"));
  link(name("a"), name("c", "t"));
  link(name("gone"), name("c", "t"));
  remove("gone");
  const Ids wanted{"b", storage_id(name("c", "t"))};
  for (int i = 0; i < 2; ++i) {
    options_.isolate_namespaces = !options_.isolate_namespaces;
    reopen(true);
    EXPECT_EQ(links_of("a"), wanted);
    EXPECT_EQ(links_of("c", "t"), Ids{"a"});
  }
}

TEST_P(Links, MoveIntoTheSmallerPartition) {
  options_.shrink_slots_min = 64;
  open();
  Ids ids;
  for (int i = 0; i < 200; ++i)
    ids.push_back(std::to_string(i));
  put(ids);
  put({"c"}, "t");
  for (int i = 1; i < 200; ++i)
    link(name("0"), name(ids[i]));
  link(name("1"), name("2"));
  link(name("1"), name("c", "t"));
  DeleteRequest request;
  request.ids.assign(ids.begin() + 5, ids.end());
  request.ns = "";
  ASSERT_TRUE(collection_->remove(std::move(request)).ok());
  pass_seconds(90);
  const auto newest = [&] { return collection_->stats().tombstones; };
  EXPECT_EQ(newest(), 0u);
  EXPECT_EQ(links_of("0"), (Ids{"1", "2", "3", "4"}));
  EXPECT_EQ(links_of("1"), (Ids{"0", "2", storage_id(name("c", "t"))}));
  reopen(true);
  EXPECT_EQ(links_of("1"), (Ids{"0", "2", storage_id(name("c", "t"))}));
}

TEST(LinksElsewhere, WhatDiedInAnotherNamespaceLeavesNoHalfBehind) {
  // Its half is what a hub would else keep of every point that ever was.
  CollectionConfig config;
  config.dimension = 2;
  const std::string dir = testing::TempDir() + "/links_" + random_uuid();
  const auto partitions = *Partitions::open({&posix_files(), dir, config, 0}, nullptr, true);
  const auto apply = [&](Op op, const std::string& payload) {
    const LogRecord record{1, 1, static_cast<uint8_t>(op), as_bytes(payload)};
    ASSERT_TRUE(partitions->apply(record).ok());
  };
  std::string hub;
  encode_point(Op::kUpsert, {"hub", "h", 0, "{}"}, {}, hub);
  apply(Op::kUpsert, hub);
  const std::string hub_id = storage_id("h", "hub");
  const auto halves = [&] { return partitions->find("h")->partition.load()->relations().links(); };
  for (int i = 0; i < 10; ++i) {
    const std::string ns = "n" + std::to_string(i % 3);
    const std::string other_id = storage_id(ns, "other");
    std::string other;
    encode_point(Op::kUpsert, {"other", ns, 0, "{}"}, {}, other);
    apply(Op::kUpsert, other);
    std::string link;
    encode_link({hub_id, other_id}, link);
    apply(Op::kLink, link);
    EXPECT_EQ(halves(), 1u);
    std::string end;
    if (i % 2 == 0) {
      encode_id(other_id, end);
      apply(Op::kDelete, end);
    } else {
      encode_drop_namespace(ns, end);
      apply(Op::kDropNamespace, end);
    }
    EXPECT_EQ(halves(), 0u);
  }
}

}  // namespace
}  // namespace ferres
