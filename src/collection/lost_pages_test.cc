// A collection whose page file is cut under its mapping refuses everything from the read that met
// it on; others, in the same process, go on.
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "base/random.h"
#include "collection/collection.h"

namespace ferres {
namespace {

constexpr uint32_t kDim = 64;
constexpr uint32_t kPoints = 2000;  // four pages of vectors and more

class LostPagesTest : public ::testing::Test {
 protected:
  LostPagesTest() : clock_(1'700'000'000'000'000), commit_clock_(clock_), executor_(7) {}
  ~LostPagesTest() override {
    for (const std::string& dir : dirs_)
      posix_files().remove_tree(dir).ignore();
  }
  std::shared_ptr<Collection> open(const std::string& name) {
    CollectionConfig config;
    config.name = name;
    config.dimension = kDim;
    config.metric = Metric::kEuclidean;
    config.uuid = name;
    config.vectors.residency = Residency::kMapped;
    EXPECT_TRUE(resolve_index(config).ok());
    dirs_.push_back(::testing::TempDir() + "/lost_pages_test_" + name + "_" + random_uuid());
    auto opened = Collection::open({&posix_files(), &executor_, &clock_, &commit_clock_},
                                   dirs_.back(), config, {});
    EXPECT_TRUE(opened.ok());
    UpsertRequest request;
    for (uint32_t i = 0; i < kPoints; ++i) {
      std::vector<float> vector(kDim, static_cast<float>(i));
      request.points.push_back({std::to_string(i), std::nullopt, vector, "{}", std::nullopt});
    }
    EXPECT_TRUE((*opened)->upsert(std::move(request)).ok());
    EXPECT_TRUE((*opened)->checkpoint().ok());
    return *std::move(opened);
  }
  /// All page files of points, to nothing.
  void cut(const std::string& dir) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir)) {
      if (entry.path().filename().string().starts_with("points-"))
        std::filesystem::resize_file(entry.path(), 0);
    }
  }

  std::vector<std::string> dirs_;
  ManualClock clock_;
  CommitClock commit_clock_;
  ManualExecutor executor_;
};

SearchRequest near(float value) {
  SearchRequest request;
  request.vector.assign(kDim, value);
  request.exact = true;
  return request;
}

TEST_F(LostPagesTest, StopTheirCollectionAlone) {
  const std::shared_ptr<Collection> broken = open("broken");
  const std::shared_ptr<Collection> whole = open("whole");
  ASSERT_TRUE(broken->search(near(7)).ok());
  cut(dirs_[0]);
  const auto found = broken->search(near(7));
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code(), Code::kUnavailable);
  EXPECT_NE(found.error().message().find("'broken' is unavailable"), std::string_view::npos);
  EXPECT_NE(found.error().message().find(dirs_[0]), std::string_view::npos);
  EXPECT_EQ(broken->get("7", std::nullopt).error().code(), Code::kUnavailable);
  EXPECT_EQ(broken->list({}).error().code(), Code::kUnavailable);
  EXPECT_EQ(broken->remove({{"7"}, std::nullopt}).error().code(), Code::kUnavailable);
  EXPECT_FALSE(broken->checkpoint().ok());
  EXPECT_FALSE(broken->failure().ok());
  const auto others = whole->search(near(7));
  ASSERT_TRUE(others.ok());
  EXPECT_EQ(others->hits[0].point.id, "7");
  broken->close(true).ignore();
  EXPECT_TRUE(whole->close(true).ok());
}

TEST_F(LostPagesTest, AreMetByAPointThatIsAskedFor) {
  const std::shared_ptr<Collection> broken = open("broken");
  cut(dirs_[0]);
  const auto point = broken->get("1999", std::nullopt);
  ASSERT_FALSE(point.ok());
  EXPECT_EQ(point.error().code(), Code::kUnavailable);
  broken->close(true).ignore();
}

}  // namespace
}  // namespace ferres
