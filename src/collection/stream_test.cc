// Tests of point streams: they stay what they were while everything else goes on, and of points
// that bring their own times.
#include <map>

#include "base/random.h"
#include "base/sim_files.h"
#include "collection/test_collection.h"

namespace ferres {
namespace {

constexpr uint64_t kStartSeconds = 1'700'000'000;

class StreamTest : public CollectionFixture {
 protected:
  StreamTest() : CollectionFixture(4, Disk::kSimulated) {
    config_.retention_days = 0;  // files go as soon as they may
    open();
  }
  static PointInput point(size_t i, std::string metadata) {
    PointInput point;
    point.id = "p" + std::to_string(i);
    if (i % 3 == 0) point.ns = "n";
    if (i % 5 != 0) point.vector = {1, 2, 3, static_cast<float>(i)};
    point.metadata_json = std::move(metadata);
    return point;
  }
  Result<UpsertResult> put(std::vector<PointInput> points) {
    UpsertRequest request;
    request.points = std::move(points);
    return collection_->upsert(std::move(request));
  }
  void fill(const std::string& metadata) {
    std::vector<PointInput> points;
    for (size_t i = 0; i < 300; ++i)
      points.push_back(point(i, metadata));
    ASSERT_TRUE(put(std::move(points)).ok());
  }
  std::unique_ptr<PointStream> stream(StreamRequest request = {}) {
    auto opened = collection_->stream(std::move(request));
    EXPECT_TRUE(opened.ok()) << opened.error().message();
    return *std::move(opened);
  }
  /// All that is left of a stream, by id.
  static std::map<std::string, Point> rest(PointStream& stream) {
    std::map<std::string, Point> points;
    for (bool more = true; more;) {
      const auto read = stream.read(7, [&points](const Point& point) {
        EXPECT_TRUE(points.emplace(point.id, point).second) << point.id;
        return points.size() % 5 != 0;
      });
      EXPECT_TRUE(read.ok()) << read.error().message();
      more = read.ok() && *read;
    }
    return points;
  }
};

TEST_F(StreamTest, GivesEveryPointOnceAsListDoes) {
  fill(R"({"a":1})");
  ASSERT_TRUE(collection_->remove({.ids = {"p1"}, .ns = {}, .async = false}).ok());
  const auto points = rest(*stream());
  ListRequest all;
  all.limit = 1000;
  const auto listed = collection_->list(all);
  ASSERT_EQ(points.size(), listed->points.size());
  for (const Point& wanted : listed->points) {
    const auto found = points.find(wanted.id);
    ASSERT_NE(found, points.end()) << wanted.id;
    EXPECT_EQ(found->second.ns, wanted.ns);
    EXPECT_EQ(found->second.vector, wanted.vector);
    EXPECT_EQ(found->second.metadata_json, wanted.metadata_json);
    EXPECT_EQ(found->second.created_at, wanted.created_at);
    EXPECT_EQ(found->second.version, wanted.version);
  }
}

TEST_F(StreamTest, StaysWhatItWasWhileFilesLoseTheirNames) {
  fill(R"({"a":1})");
  const auto early = stream();
  EXPECT_EQ(early->lsn(), 1u);
  for (int round = 0; round < 3; ++round) {
    fill(R"({"a":2})");
    ASSERT_TRUE(collection_->checkpoint().ok());
  }
  DeleteRequest some;
  for (size_t i = 0; i < 300; ++i)
    some.ids.push_back("p" + std::to_string(i));
  ASSERT_TRUE(collection_->remove(std::move(some)).ok());
  ASSERT_TRUE(collection_->checkpoint().ok());
  close();
  const auto points = rest(*early);
  EXPECT_EQ(points.size(), 300u);
  for (const auto& [id, point] : points)
    EXPECT_EQ(point.metadata_json, R"({"a":1})") << id;
}

TEST_F(StreamTest, AnswersItsRequestAlone) {
  fill(R"({"a":1})");
  std::vector<PointInput> more;
  more.push_back(point(300, R"({"a":2})"));
  ASSERT_TRUE(put(std::move(more)).ok());
  StreamRequest filtered;
  filtered.filter = *Predicate::parse(R"({"a":2})");
  filtered.with_vector = false;
  const auto points = rest(*stream(std::move(filtered)));
  ASSERT_EQ(points.size(), 1u);
  EXPECT_TRUE(points.at("p300").vector.empty());
  StreamRequest in_namespace;
  in_namespace.ns = "n";
  EXPECT_EQ(rest(*stream(std::move(in_namespace))).size(), 101u);
}

TEST_F(StreamTest, OfAnEmptyCollectionIsEmpty) {
  EXPECT_TRUE(rest(*stream()).empty());
}

TEST_F(StreamTest, PointsKeepTheTimesThatTheyBring) {
  std::vector<PointInput> points;
  points.push_back(point(1, "{}"));
  points.back().created_at = 1234;
  points.back().expires_micros = (kStartSeconds + 100) * 1'000'000;
  points.push_back(point(2, "{}"));
  points.push_back(point(3, "{}"));
  points.back().created_at = kCreatedSecondsMax + 1;
  const auto result = put(std::move(points));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->upserted, 2u);
  ASSERT_EQ(result->failed.size(), 1u);
  for (int round = 0; round < 2; ++round) {
    const auto made = rest(*stream());
    ASSERT_EQ(made.size(), 2u);
    EXPECT_EQ(made.at("p1").created_at, 1234u);
    EXPECT_EQ(made.at("p1").expires_micros, (kStartSeconds + 100) * 1'000'000);
    EXPECT_EQ(made.at("p2").created_at, kStartSeconds);
    EXPECT_EQ(made.at("p2").expires_micros, 0u);
    close();
    open();  // from the log
  }
  clock_.advance_micros(100'000'000);
  EXPECT_EQ(rest(*stream()).size(), 1u);
  EXPECT_FALSE(collection_->get("p1", std::nullopt).ok());
}

}  // namespace
}  // namespace ferres
