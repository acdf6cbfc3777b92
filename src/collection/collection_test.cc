// Tests of a collection through its public face, on the real disk with a thread pool.
#include <algorithm>
#include <cmath>
#include <map>

#include "base/mutex.h"
#include "base/random.h"
#include "collection/partition.h"
#include "collection/test_collection.h"

namespace ferres {
namespace {

class CollectionTest : public CollectionFixture {
 protected:
  CollectionTest() : CollectionFixture(4) { open(); }
  ~CollectionTest() override { close(); }
  Executor* executor() override { return threads_.get(); }
  UpsertResult put(const std::string& id, std::vector<float> vector, std::string metadata = "{}",
                   std::optional<std::string> ns = std::nullopt,
                   std::optional<uint64_t> ttl = std::nullopt) {
    UpsertRequest request;
    request.points.push_back({id, ns, std::move(vector), std::move(metadata), ttl});
    auto result = collection_->upsert(std::move(request));
    EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message());
    return result.ok() ? *result : UpsertResult{};
  }
  uint64_t remove(const std::string& id, std::optional<std::string> ns = std::nullopt) {
    return collection_->remove({{id}, std::move(ns), false})->deleted;
  }
  std::vector<std::string> search(std::vector<float> vector, uint32_t limit,
                                  const Predicate* filter = nullptr,
                                  std::optional<std::string> ns = std::nullopt) {
    SearchRequest request;
    request.vector = std::move(vector);
    request.limit = limit;
    request.filter = filter;
    request.ns = std::move(ns);
    auto result = collection_->search(request);
    EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message());
    std::vector<std::string> ids;
    if (!result.ok()) return ids;
    for (const SearchHit& hit : result->hits)
      ids.push_back(hit.point.id);
    return ids;
  }
  const std::unique_ptr<Executor> threads_ = make_thread_pool(2);
};

using Ids = std::vector<std::string>;

TEST_F(CollectionTest, PointsGoByTheClockThatWasSetBack) {
  const uint64_t now = clock_.unix_micros();
  commit_clock_.advance_past(now + 11 * 86'400'000'000);
  put("a", {0, 0, 0, 0}, "{}", std::nullopt, 2);
  const auto point = collection_->get("a", std::nullopt);
  ASSERT_TRUE(point.ok());
  EXPECT_EQ(point->created_at, now / 1'000'000);
  EXPECT_EQ(point->expires_micros, now + 2'000'000);
  clock_.advance_micros(2'000'000);
  EXPECT_FALSE(collection_->get("a", std::nullopt).ok());
}

TEST_F(CollectionTest, AnswersWhatWasUpserted) {
  put("a", {0, 0, 0, 0}, R"({"k":1})");
  const UpsertResult result = put("b", {1, 0, 0, 0});
  EXPECT_EQ(result.lsn, 2u);
  EXPECT_EQ(result.upserted, 1u);
  EXPECT_EQ(search({0.9f, 0, 0, 0}, 2), (Ids{"b", "a"}));
  const auto point = collection_->get("a", std::nullopt);
  ASSERT_TRUE(point.ok());
  EXPECT_EQ(point->metadata_json, R"({"k":1})");
  EXPECT_EQ(point->vector, (std::vector<float>{0, 0, 0, 0}));
  EXPECT_EQ(point->version, 1u);
  EXPECT_EQ(point->created_at, 1'700'000'000u);
}

/// docs/ENGINE.md defines what is counted: ids are, the metadata's text is not.
TEST_F(CollectionTest, PointTakesAtMostFortyBytesBesideItsVectorAndMetadata) {
  constexpr int kPoints = 100'000;
  const std::string metadata = R"({"lexfile":"20","pos":"noun"})";
  for (int i = 0; i < kPoints;) {
    UpsertRequest request;
    for (const int end = i + 1000; i < end; ++i) {
      std::string id = std::to_string(i);
      id.insert(0, 12 - id.size(), '0');
      request.points.push_back({id, std::nullopt, {}, metadata, std::nullopt});
    }
    ASSERT_TRUE(collection_->upsert(std::move(request)).ok());
  }
  const CollectionStats stats = collection_->stats();
  ASSERT_EQ(stats.points, kPoints);
  const double all = static_cast<double>(stats.memory_bytes_points) / kPoints;
  const double bytes = all - static_cast<double>(metadata.size());
  RecordProperty("bytes_a_point", std::to_string(bytes));
  EXPECT_LE(bytes, 40);
}

TEST_F(CollectionTest, UpsertReplaces) {
  put("a", {0, 0, 0, 0}, R"({"k":1})");
  put("a", {5, 0, 0, 0}, R"({"k":2})");
  EXPECT_EQ(count(), 1u);
  EXPECT_EQ(search({0, 0, 0, 0}, 5), (Ids{"a"}));
  EXPECT_EQ(collection_->get("a", std::nullopt)->metadata_json, R"({"k":2})");
}

TEST_F(CollectionTest, DeletedPointIsGoneAndItsIdFree) {
  put("a", {0, 0, 0, 0});
  EXPECT_EQ(remove("a"), 1u);
  EXPECT_EQ(remove("a"), 0u);
  EXPECT_TRUE(search({0, 0, 0, 0}, 5).empty());
  EXPECT_EQ(collection_->get("a", std::nullopt).error().code(), Code::kNotFound);
  put("a", {1, 1, 1, 1});
  EXPECT_EQ(search({0, 0, 0, 0}, 5), (Ids{"a"}));
}

TEST_F(CollectionTest, InvalidPointsAreListedAndTheOthersStored) {
  UpsertRequest request;
  request.points.push_back({"ok", std::nullopt, {1, 2, 3, 4}, "{}", std::nullopt});
  request.points.push_back({"short", std::nullopt, {1, 2}, "{}", std::nullopt});
  request.points.push_back({"nan", std::nullopt, {1, NAN, 3, 4}, "{}", std::nullopt});
  request.points.push_back({"", std::nullopt, {1, 2, 3, 4}, "{}", std::nullopt});
  const UpsertRequest again = request;
  const auto result = collection_->upsert(std::move(request));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->upserted, 1u);
  ASSERT_EQ(result->failed.size(), 3u);
  EXPECT_EQ(result->failed[0].second, "dimension mismatch: expected 4, got 2");
  EXPECT_EQ(result->failed[1].second, "non-finite value at index 1");
  UpsertRequest atomic = again;
  atomic.atomic = true;
  const auto refused = collection_->upsert(std::move(atomic));
  ASSERT_TRUE(refused.ok());
  EXPECT_EQ(refused->upserted, 0u);
  EXPECT_EQ(refused->failed.size(), 3u);
}

TEST_F(CollectionTest, NamespacesKeepEqualIdsApart) {
  put("a", {0, 0, 0, 0}, "{}");
  put("a", {1, 0, 0, 0}, "{}", "t1");
  put("a", {2, 0, 0, 0}, "{}", "t2");
  EXPECT_EQ(count(), 3u);
  EXPECT_EQ(search({0, 0, 0, 0}, 5).size(), 3u);
  EXPECT_EQ(search({0, 0, 0, 0}, 5, nullptr, "t2").size(), 1u);
  EXPECT_EQ(collection_->get("a", "t1")->vector[0], 1.0f);
  EXPECT_EQ(remove("a", "t1"), 1u);
  EXPECT_EQ(count(), 2u);
  EXPECT_EQ(collection_->get("a", std::nullopt)->vector[0], 0.0f);
}

TEST_F(CollectionTest, ExpiredPointsAreHiddenAtOnceAndSweptLater) {
  put("a", {0, 0, 0, 0}, "{}", std::nullopt, 10);
  put("b", {1, 0, 0, 0});
  EXPECT_EQ(count(), 2u);
  clock_.advance_micros(11'000'000);
  EXPECT_EQ(count(), 1u);
  EXPECT_EQ(search({0, 0, 0, 0}, 5), (Ids{"b"}));
  EXPECT_EQ(collection_->get("a", std::nullopt).error().code(), Code::kNotFound);
  EXPECT_EQ(remove("a"), 0u);
  collection_->sweep_expired();
  put("c", {2, 0, 0, 0});
  EXPECT_EQ(collection_->stats().points, 2u);
}

TEST_F(CollectionTest, FiltersSearchesAndLists) {
  for (int i = 0; i < 50; ++i) {
    put("p" + std::to_string(i), {static_cast<float>(i), 0, 0, 0},
        R"({"even":)" + std::string(i % 2 == 0 ? "true" : "false") + "}");
  }
  const Predicate even = *Predicate::parse(R"({"even":true})");
  EXPECT_EQ(search({7, 0, 0, 0}, 3, &even).size(), 3u);
  for (const auto& id : search({7, 0, 0, 0}, 50, &even)) {
    EXPECT_EQ(std::stoi(id.substr(1)) % 2, 0);
  }
  ListRequest request;
  request.filter = &even;
  request.limit = 10;
  request.offset = 20;
  const auto page = collection_->list(request);
  EXPECT_EQ(page->total, 25u);
  ASSERT_EQ(page->points.size(), 5u);
  EXPECT_EQ(page->points[0].id, "p40");
}

TEST_F(CollectionTest, SearchByIdLeavesThePointOut) {
  put("a", {0, 0, 0, 0});
  put("b", {1, 0, 0, 0});
  SearchRequest request;
  request.id = "a";
  request.limit = 5;
  const auto result = collection_->search(request);
  ASSERT_EQ(result->hits.size(), 1u);
  EXPECT_EQ(result->hits[0].point.id, "b");
  EXPECT_EQ(result->hits[0].score, 1.0f);
}

TEST_F(CollectionTest, SurvivesReopeningFromTheLogAndFromACheckpoint) {
  for (int i = 0; i < 300; ++i)
    put("p" + std::to_string(i), {static_cast<float>(i), 0, 0, 0});
  remove("p7");
  for (const bool checkpoint : {false, true, false}) {
    reopen(checkpoint);
    EXPECT_EQ(count(), 299u);
    EXPECT_EQ(search({7, 0, 0, 0}, 2), (Ids{"p6", "p8"}));
    EXPECT_EQ(collection_->stats().lsn, 301u);
  }
  EXPECT_EQ(put("more", {1, 1, 1, 1}).lsn, 302u);
}

TEST_F(CollectionTest, AClosedCollectionLetsGoOfItsFolder) {
  put("a", {1, 0, 0, 0});
  std::shared_ptr<Collection> closed = collection_;
  reopen(false);
  put("b", {2, 0, 0, 0});
  closed.reset();
  put("c", {3, 0, 0, 0});
  reopen(false);
  EXPECT_EQ(count(), 3u);
}

TEST_F(CollectionTest, CheckpointsWhileWritingLoseNothing) {
  const uint64_t seed = random_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  std::map<std::string, float> expected;
  for (int round = 0; round < 8; ++round) {
    for (int i = 0; i < 100; ++i) {
      const std::string id = "p" + std::to_string(random.below(300));
      if (random.one_in(4)) {
        EXPECT_EQ(remove(id), expected.erase(id));
        continue;
      }
      const auto value = static_cast<float>(random.below(1000));
      put(id, {value, 0, 0, 0});
      expected[id] = value;
    }
    if (round % 2 == 0) {
      ASSERT_TRUE(collection_->checkpoint().ok());
    }
    if (round % 3 == 2) reopen(false);
    EXPECT_EQ(count(), expected.size());
    for (const auto& [id, value] : expected) {
      const auto point = collection_->get(id, std::nullopt);
      ASSERT_TRUE(point.ok()) << id;
      EXPECT_EQ(point->vector[0], value);
    }
  }
}

TEST_F(CollectionTest, GraphAnswersLikeTheScan) {
  options_.flat_points_max = 100;
  reopen(false);
  Random random(5);
  UpsertRequest request;
  for (int i = 0; i < 1000; ++i) {
    std::vector<float> vector(4);
    for (float& x : vector)
      x = static_cast<float>(random.unit());
    request.points.push_back({"p" + std::to_string(i), std::nullopt, vector, "{}", std::nullopt});
  }
  ASSERT_TRUE(collection_->upsert(std::move(request)).ok());
  ASSERT_TRUE(collection_->link_all().ok());
  EXPECT_EQ(collection_->stats().unlinked_points, 0u);
  int same = 0;
  for (int i = 0; i < 50; ++i) {
    SearchRequest query;
    for (int d = 0; d < 4; ++d)
      query.vector.push_back(static_cast<float>(random.unit()));
    query.limit = 10;
    const auto walked = collection_->search(query);
    query.exact = true;
    const auto scanned = collection_->search(query);
    for (size_t h = 0; h < 10; ++h)
      same += walked->hits[h].point.id == scanned->hits[h].point.id;
  }
  EXPECT_GT(same, 490);
}

// Each write is followed by the next before the lane can rest, so that it never catches up idly.
TEST_F(CollectionTest, DeadPointsDoNotPileUpWhileWritesKeepComing) {
  options_.flat_points_max = 100;
  reopen(false);
  constexpr int kBatch = 100;
  constexpr int kBatches = 100;
  constexpr int kLiving = 20;  // batches
  const auto id = [](int number) { return "p" + std::to_string(number); };
  const auto upsert = [&](int batch) {
    UpsertRequest request;
    for (int i = batch * kBatch; i < (batch + 1) * kBatch; ++i)
      request.points.push_back(
          {id(i), std::nullopt, {std::sin(i * 0.7f), std::cos(i * 0.3f), i * 1e-4f, 0}, "{}", {}});
    return request;
  };
  for (int batch = 0; batch < kLiving; ++batch)
    ASSERT_TRUE(collection_->upsert(upsert(batch)).ok());
  ASSERT_TRUE(collection_->link_all().ok());
  Mutex mutex;
  CondVar changed;
  int under_way = 0;
  uint64_t dead_max = 0;
  const auto leave = [&](bool ok) {
    EXPECT_TRUE(ok);
    const MutexLock lock(mutex);
    --under_way;
    changed.signal_all();
  };
  const auto wait_below = [&](int limit) {
    const MutexLock lock(mutex);
    while (under_way >= limit)
      changed.wait(mutex);
    ++under_way;
  };
  for (int batch = kLiving; batch < kBatches; ++batch) {
    DeleteRequest request;
    for (int i = (batch - kLiving) * kBatch; i < (batch - kLiving + 1) * kBatch; ++i)
      request.ids.push_back(id(i));
    wait_below(4);
    collection_->remove(std::move(request), [&](const auto& result) { leave(result.ok()); });
    wait_below(4);
    collection_->upsert(upsert(batch), [&](const auto& result) { leave(result.ok()); });
    dead_max = std::max(dead_max, collection_->stats().tombstones);
  }
  wait_below(1);
  EXPECT_EQ(count(), size_t{kLiving} * kBatch);
  // 8 000 die. The bound of the lane, what may come in a round, and what waits for an epoch.
  EXPECT_LT(dead_max, 2000u);
}

// Slots keep a few bits of a namespace's hash: two names with the same bits stay apart.
TEST_F(CollectionTest, NamespacesWithTheSameTagStayApart) {
  options_.payload_bytes_max = 1;  // the index of names is given up: records are asked
  reopen(false);
  std::string other = "tenant-0";
  for (int i = 1; namespace_tag(other) != namespace_tag("tenant"); ++i)
    other = "tenant-" + std::to_string(i);
  put("mine", {1, 0, 0, 0}, R"({"n":1})", "tenant");
  put("theirs", {1, 0, 0, 0}, R"({"n":1})", other);
  put("both", {0, 1, 0, 0}, R"({"n":2})", "tenant");
  put("both", {0, 0, 1, 0}, R"({"n":3})", other);
  const Predicate one = *Predicate::parse(R"({"n":1})");
  for (const Predicate* filter : {static_cast<const Predicate*>(nullptr), &one}) {
    for (const std::string& id : search({1, 0, 0, 0}, 10, filter, "tenant"))
      EXPECT_NE(id, "theirs");
    for (const std::string& id : search({1, 0, 0, 0}, 10, filter, other))
      EXPECT_NE(id, "mine");
    ListRequest request;
    request.ns = "tenant";
    request.filter = filter;
    EXPECT_EQ(collection_->list(request)->total, filter == nullptr ? 2u : 1u);
  }
  EXPECT_FALSE(collection_->get("theirs", "tenant").ok());
  EXPECT_EQ(collection_->get("both", "tenant")->metadata_json, R"({"n":2})");
  EXPECT_EQ(remove("theirs", "tenant"), 0u);
  EXPECT_EQ(remove("both", "tenant"), 1u);
  EXPECT_EQ(collection_->get("both", other)->metadata_json, R"({"n":3})");
}

}  // namespace
}  // namespace ferres
