// Another index for a collection that is in use: searches go on while it is built, writes that come
// meanwhile are in it, and a crash on the way loses nothing.
#include <algorithm>
#include <cmath>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "base/epoch.h"
#include "base/random.h"
#include "base/sim_files.h"
#include "collection/test_collection.h"
#include "filter/predicate.h"

namespace ferres {
namespace {

constexpr uint32_t kDim = 24;
constexpr uint32_t kPoints = 3000;

class SwitchTest : public CollectionFixture {
 protected:
  SwitchTest() : CollectionFixture(kDim, Disk::kSimulated) {
    config_.index.m = 8;
    config_.index.ef_construction = 60;
    options_.flat_points_max = 100;
    set_index("compact", R"("None")");
    open();
  }

  void set_index(const char* index, const char* quantization) {
    config_.index_sent = index;
    config_.quantization_json = quantization;
    EXPECT_TRUE(resolve_index(config_).ok());
  }
  std::vector<float> vector() {
    std::vector<float> made(kDim);
    for (float& x : made)
      x = static_cast<float>(random_.unit());
    return made;
  }
  void upsert(uint32_t first, uint32_t count) {
    UpsertRequest request;
    for (uint32_t i = first; i < first + count; ++i) {
      const std::string id = std::to_string(i);
      points_[id] = vector();
      request.points.push_back({id, std::nullopt, points_[id], R"({"n":1})", std::nullopt});
    }
    ASSERT_TRUE(collection_->upsert(std::move(request)).ok());
  }
  void remove(uint32_t first, uint32_t count) {
    DeleteRequest request;
    for (uint32_t i = first; i < first + count; ++i) {
      request.ids.push_back(std::to_string(i));
      points_.erase(std::to_string(i));
    }
    ASSERT_TRUE(collection_->remove(std::move(request)).ok());
  }
  /// Each answer is a point that is there, at its distance; and nine in ten are of the nearest.
  void expect_found(int queries = 50) {
    uint32_t found = 0;
    count_found(queries, &found);
    EXPECT_GE(found, static_cast<uint32_t>(queries) * 9) << "of " << queries * 10;
  }
  /// Adds how many of the answers are of the nearest.
  void count_found(int queries, uint32_t* found) {
    for (int i = 0; i < queries; ++i) {
      SearchRequest request;
      request.vector = vector();
      request.limit = 10;
      request.ef_search = 100;
      const auto result = collection_->search(request);
      ASSERT_TRUE(result.ok()) << result.error().message();
      std::vector<float> all;
      for (const auto& [id, point] : points_)
        all.push_back(distance(request.vector, point));
      std::sort(all.begin(), all.end());
      for (const SearchHit& hit : result->hits) {
        ASSERT_TRUE(points_.contains(hit.point.id)) << hit.point.id;
        const float wanted = distance(request.vector, points_.at(hit.point.id));
        ASSERT_NEAR(hit.score, wanted, 1e-4f);
        *found += wanted <= all[9] + 1e-6f;
      }
    }
    ListRequest count;
    count.count_only = true;
    const auto listed = collection_->list(count);
    ASSERT_TRUE(listed.ok());
    EXPECT_EQ(listed->total, points_.size());
  }
  /// Every point answers to its id, to a filter and (nearly) every one to its vector.
  void expect_all_there() {
    uint64_t missed = 0;
    for (const auto& [id, point] : points_) {
      const auto got = collection_->get(id, std::nullopt);
      ASSERT_TRUE(got.ok()) << id;
      ASSERT_EQ(got->vector, point) << id;
      SearchRequest request;
      request.vector = point;
      request.limit = 1;
      const auto result = collection_->search(request);
      ASSERT_TRUE(result.ok());
      missed += result->hits.empty() || result->hits[0].point.id != id;
    }
    EXPECT_LE(missed, points_.size() / 200);
    const auto filter = Predicate::parse(R"({"n":1})");
    ASSERT_TRUE(filter.ok());
    ListRequest count;
    count.count_only = true;
    count.filter = &*filter;
    const auto matches = collection_->list(count);
    ASSERT_TRUE(matches.ok());
    EXPECT_EQ(matches->total, points_.size());
  }
  static float distance(const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i)
      sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    return static_cast<float>(std::sqrt(sum));
  }
  bool building() { return collection_->stats().index_build_left.has_value(); }

  Random random_{20261126};
  std::map<std::string, std::vector<float>> points_;
};

TEST_F(SwitchTest, EveryIndexBecomesEveryOther) {
  upsert(0, kPoints);
  ASSERT_TRUE(collection_->link_all().ok());
  constexpr std::pair<const char*, const char*> kIndexes[] = {
      {"fast", R"({"RaBitQ":{"bits":8}})"},
      {"compact", R"({"RaBitQ":{"bits":4}})"},
      {"flat", R"("None")"},
      {"compact", R"({"Scalar":{}})"},
      {"fast", R"("None")"},
      {"compact", R"({"Polar":{}})"}};
  uint32_t next = kPoints;
  for (const auto& [index, quantization] : kIndexes) {
    SCOPED_TRACE(std::string(index) + " " + quantization);
    const uint64_t before = collection_->stats().memory_bytes_index;
    set_index(index, quantization);
    collection_->configure(config_);
    ASSERT_TRUE(collection_->link_all().ok());
    EXPECT_FALSE(building());
    EXPECT_NE(collection_->stats().memory_bytes_index, before);
    expect_found();
    upsert(next, 100);
    remove(next - 50, 30);
    next += 100;
    ASSERT_TRUE(collection_->link_all().ok());
    expect_found();
    ASSERT_TRUE(collection_->checkpoint().ok());
    EXPECT_EQ(collection_->stats().unreachable_points.value_or(0), 0u);
    close();
    open();
    EXPECT_FALSE(building());
    expect_found();
  }
}

TEST_F(SwitchTest, WritesWhileItIsBuiltAreInBoth) {
  constexpr uint32_t kMany = 20000;  // a write lets the lane do a good thousand
  upsert(0, kMany);
  ASSERT_TRUE(collection_->link_all().ok());
  set_index("fast", R"({"RaBitQ":{"bits":8}})");
  collection_->configure(config_);
  uint32_t next = kMany;
  uint32_t rounds = 0;
  uint32_t found = 0;
  bool begun = false;
  while (!begun || building()) {
    ASSERT_LT(++rounds, 1000u);
    upsert(next, 30);
    upsert(static_cast<uint32_t>(random_.below(next)), 10);  // replaces, or brings back
    remove(static_cast<uint32_t>(random_.below(next)), 20);
    next += 30;
    begun = begun || building();
    count_found(5, &found);
    if (rounds % 3 == 0) {
      ASSERT_TRUE(collection_->checkpoint().ok());
    }
  }
  EXPECT_GT(rounds, 3u);
  EXPECT_GE(found, rounds * 45) << "of " << rounds * 50;
  ASSERT_TRUE(collection_->link_all().ok());
  expect_found(200);
  expect_all_there();
  EXPECT_EQ(collection_->stats().unlinked_points, 0u);
}

TEST_F(SwitchTest, StopsAtAnyMomentAndIsBegunAgain) {
  upsert(0, kPoints);
  ASSERT_TRUE(collection_->link_all().ok());
  ASSERT_TRUE(collection_->checkpoint().ok());
  set_index("fast", R"({"RaBitQ":{"bits":8}})");
  collection_->configure(config_);
  upsert(kPoints, 10);
  remove(5, 3);
  for (int steps : {0, 1, 2, 5, 20}) {
    for (int i = 0; i < steps; ++i)
      executor_->run_one();
    close();
    open();
    expect_found(10);
  }
  ASSERT_TRUE(collection_->link_all().ok());
  EXPECT_FALSE(building());
  expect_found();
  ASSERT_TRUE(collection_->checkpoint().ok());
  close();
  open();
  EXPECT_FALSE(building());
  expect_found();
}

TEST_F(SwitchTest, TheLastWishCounts) {
  upsert(0, kPoints);
  ASSERT_TRUE(collection_->link_all().ok());
  const CollectionConfig compact = config_;
  set_index("fast", R"({"RaBitQ":{"bits":8}})");
  collection_->configure(config_);
  executor_->run_one();
  EXPECT_TRUE(building());
  collection_->configure(compact);
  executor_->run_one();
  EXPECT_FALSE(building());
  expect_found();
  EXPECT_EQ(collection_->config().index_sent, "compact");
}

// Points that are gone, but may still be read, hold their slots. An index that is begun meanwhile
// must not learn them: nobody would take them out of it when the slots are given to others.
TEST_F(SwitchTest, SlotsThatWaitForTheirReadersAreNotLearntAgain) {
  upsert(0, kPoints);
  ASSERT_TRUE(collection_->link_all().ok());
  auto before = std::make_unique<EpochGuard>();
  remove(0, 100);
  // Comes when the points are gone but in the views: it delays the slots, not the unlinking.
  std::promise<void> began;
  std::promise<void> may_end;
  std::thread reader([&] {
    const EpochGuard guard;
    began.set_value();
    may_end.get_future().wait();
  });
  began.get_future().wait();
  before.reset();
  upsert(kPoints, 1);
  executor_->run_all();
  set_index("fast", R"({"RaBitQ":{"bits":8}})");
  collection_->configure(config_);
  executor_->run_one();
  executor_->run_one();
  EXPECT_TRUE(building());
  may_end.set_value();
  reader.join();
  executor_->run_all();
  ASSERT_FALSE(building());
  UpsertRequest request;
  for (uint32_t i = 0; i < 100; ++i) {
    request.points.push_back(
        {"later " + std::to_string(i), std::nullopt, vector(), R"({"n":2})", std::nullopt});
  }
  ASSERT_TRUE(collection_->upsert(std::move(request)).ok());
  ListRequest count;
  count.count_only = true;
  for (const auto& [text, wanted] : {std::pair(R"({"n":1})", kPoints - 99), {R"({"n":2})", 100u}}) {
    const auto filter = Predicate::parse(text);
    ASSERT_TRUE(filter.ok());
    count.filter = &*filter;
    const auto listed = collection_->list(count);
    ASSERT_TRUE(listed.ok());
    EXPECT_EQ(listed->total, wanted) << text;
  }
}

TEST_F(SwitchTest, RangesLearntFromFewPointsAreLearntAgain) {
  set_index("compact", R"({"Scalar":{}})");
  collection_->configure(config_);
  // The first points lie in a corner of where the later ones do.
  for (uint32_t i = 0; i < 300; ++i) {
    const std::string id = std::to_string(i);
    points_[id] = vector();
    for (float& x : points_[id])
      x *= 0.01f;
    UpsertRequest request;
    request.points.push_back({id, std::nullopt, points_[id], "{}", std::nullopt});
    ASSERT_TRUE(collection_->upsert(std::move(request)).ok());
  }
  ASSERT_TRUE(collection_->link_all().ok());
  for (uint32_t i = 300; i < kPoints; i += 100)
    upsert(i, 100);
  ASSERT_TRUE(collection_->link_all().ok());
  EXPECT_FALSE(building());
  expect_found(200);
}

}  // namespace
}  // namespace ferres
