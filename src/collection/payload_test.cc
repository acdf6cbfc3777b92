// Filters through the payload index as a collection uses it: after
// updates and restarts, beyond its limit, and when it has to be filled again.
#include <utility>

#include <fmt/format.h>

#include "base/executor.h"
#include "base/sim_files.h"
#include "collection/test_collection.h"
#include "storage/manifest.h"

namespace ferres {
namespace {

class FilteredCollection : public CollectionFixture {
 protected:
  FilteredCollection() : CollectionFixture(4, Disk::kSimulated) {
    options_.background = false;
    open();
  }
  void put(int id, const std::string& metadata, std::optional<std::string> ns = std::nullopt) {
    UpsertRequest request;
    request.points.push_back({std::to_string(id),
                              std::move(ns),
                              {1, 2, 3, static_cast<float>(id)},
                              metadata,
                              std::nullopt});
    ASSERT_TRUE(collection_->upsert(std::move(request)).ok());
  }
  uint64_t count(const std::string& filter, std::optional<std::string> ns = std::nullopt) {
    const auto predicate = Predicate::parse(filter);
    ListRequest request;
    request.filter = &*predicate;
    request.ns = std::move(ns);
    request.count_only = true;
    const auto result = collection_->list(request);
    EXPECT_TRUE(result.ok());
    return result.ok() ? result->total : ~uint64_t{0};
  }
  size_t hits(const std::string& filter, uint32_t limit, uint32_t ef_search = 0) {
    const auto predicate = Predicate::parse(filter);
    SearchRequest request;
    request.vector = {1, 2, 3, 4};
    request.limit = limit;
    request.ef_search = ef_search;
    request.filter = &*predicate;
    const auto result = collection_->search(request);
    EXPECT_TRUE(result.ok());
    return result.ok() ? result->hits.size() : 0;
  }
};

TEST_F(FilteredCollection, FollowsUpdatesDeletionsAndRestarts) {
  for (int id = 0; id < 100; ++id)
    put(id, fmt::format(R"({{"n":{},"tag":"t{}"}})", id, id % 4));
  EXPECT_EQ(count(R"({"tag":"t1"})"), 25u);
  put(1, R"({"n":1,"tag":"t2"})");
  EXPECT_EQ(count(R"({"tag":"t1"})"), 24u);
  EXPECT_EQ(count(R"({"tag":"t2"})"), 26u);
  ASSERT_TRUE(collection_->remove({{"2"}, std::nullopt, false}).ok());
  for (const bool checkpoint : {false, true}) {
    reopen(checkpoint);
    EXPECT_EQ(count(R"({"tag":"t2"})"), 25u);
    EXPECT_EQ(count(R"({"n":{"$lt":50},"tag":{"$ne":"t0"}})"), 36u);
    EXPECT_EQ(hits(R"({"tag":"t2"})", 100), 25u);
    EXPECT_EQ(hits(R"({"$not":{"tag":"t2"}})", 100), 74u);
  }
  EXPECT_EQ(collection_->stats().payload_fields, 2u);
  EXPECT_GT(collection_->stats().memory_bytes_payload, 0u);
}

TEST_F(FilteredCollection, NamespacesAreSetsToo) {
  for (int id = 0; id < 60; ++id)
    put(id, R"({"a":1})", id % 3 == 0 ? std::optional<std::string>("x") : std::nullopt);
  EXPECT_EQ(count(R"({})", "x"), 20u);
  EXPECT_EQ(count(R"({"a":1})", "x"), 20u);
  EXPECT_EQ(count(R"({"a":2})", "x"), 0u);
  EXPECT_EQ(count(R"({"$namespace":"x"})"), 20u);
  EXPECT_EQ(count(R"({"a":1})", "y"), 0u);
}

TEST_F(FilteredCollection, ALimitThatIsTooSmallCostsTimeAndNoAnswer) {
  close();
  options_.payload_bytes_max = 20'000;
  open();
  ::testing::internal::CaptureStderr();
  for (int id = 0; id < 3000; ++id)
    put(id, fmt::format(R"({{"name":"number {}","odd":{}}})", id, id % 2 == 1));
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("event=payload.dropped collection=" + config_.name), std::string::npos) << log;
  EXPECT_GT(collection_->stats().payload_dropped, 0u);
  EXPECT_EQ(count(R"({"name":"number 77"})"), 1u);
  EXPECT_EQ(count(R"({"name":{"$ne":"number 77"},"odd":true})"), 1499u);
  EXPECT_EQ(hits(R"({"name":"number 77"})", 10), 1u);
}

TEST_F(FilteredCollection, AnIndexOfAnotherVersionIsFilledAgain) {
  for (int id = 0; id < 50; ++id)
    put(id, fmt::format(R"({{"n":{}}})", id % 5));
  close(true);
  const Lsn lsn = list_manifests(files_, dir_ + "/checkpoints")->back();
  Manifest manifest = *read_manifest(files_, dir_ + "/checkpoints", lsn);
  StoreManifest& index = manifest.stores.at(1);
  ASSERT_EQ(index.family, "index");
  {
    const auto store = *PageStore::open(files_, dir_, index);
    Arena* const payload = *store->arena({.id = 4, .name = "payload"});
    *reinterpret_cast<uint32_t*>(payload->mutate(0, sizeof(uint32_t))) = 9999;
    store->begin_checkpoint();
    index = *store->write_checkpoint();
    store->commit_checkpoint();
  }
  ASSERT_TRUE(write_manifest(files_, dir_ + "/checkpoints", manifest).ok());
  open();
  EXPECT_EQ(count(R"({"n":3})"), 10u);
  put(50, R"({"n":3})");
  reopen(true);
  EXPECT_EQ(count(R"({"n":3})"), 11u);
}

// Whatever the planner chooses, a filtered search answers min(limit, matches) points, all of them
// matches. Members lie near the query, far from it, and everywhere.
TEST_F(FilteredCollection, AnswersAsManyAsMatchWhereverTheyAre) {
  options_.flat_points_max = 100;
  ASSERT_NO_FATAL_FAILURE(reopen(false));
  constexpr int kPoints = 3000;
  UpsertRequest request;
  for (int id = 0; id < kPoints; ++id) {
    request.points.push_back({std::to_string(id),
                              std::nullopt,
                              {1, 2, 3, static_cast<float>(id)},
                              fmt::format(R"({{"n":{},"r":{}}})", id, id * 7919 % 100),
                              std::nullopt});
    if (request.points.size() < 1000) continue;
    ASSERT_TRUE(collection_->upsert(std::exchange(request, {})).ok());
  }
  ASSERT_TRUE(collection_->link_all().ok());
  for (const int share : {1, 5, 20, 50, 90}) {
    const auto matches = static_cast<size_t>(kPoints * share / 100);
    const std::string filters[] = {fmt::format(R"({{"n":{{"$lt":{}}}}})", matches),
                                   fmt::format(R"({{"n":{{"$gte":{}}}}})", kPoints - matches),
                                   fmt::format(R"({{"r":{{"$lt":{}}}}})", share)};
    for (const std::string& filter : filters) {
      SCOPED_TRACE(filter);
      for (const uint32_t limit : {1u, 10u, 100u, 2000u}) {
        // With an ef of 1 the planner walks, and gives up where the nearest points do not match.
        for (const uint32_t ef : {0u, 1u})
          EXPECT_EQ(hits(filter, limit, ef), std::min<size_t>(limit, matches));
      }
    }
  }
}

}  // namespace
}  // namespace ferres
