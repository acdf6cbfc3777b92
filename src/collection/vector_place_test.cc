// Collections that keep their vectors elsewhere than in memory, or shorter than they were sent.
#include <algorithm>
#include <cmath>
#include <string>

#include "base/random.h"
#include "collection/test_collection.h"

namespace ferres {
namespace {

constexpr uint32_t kDim = 48;
constexpr uint32_t kPoints = 3000;

struct Place {
  const char* vectors;
  const char* precision;
  float error;  // of a component in [0, 1]
};

class VectorPlaceTest : public CollectionFixture, public testing::WithParamInterface<Place> {
 protected:
  VectorPlaceTest() : CollectionFixture(kDim) {
    config_.quantization_json = R"({"RaBitQ":{"bits":4}})";
    config_.vectors = *parse_vector_place(GetParam().vectors, GetParam().precision);
    options_.flat_points_max = 100;
    EXPECT_TRUE(resolve_index(config_).ok());
    open();
  }
  std::vector<float> vector() {
    std::vector<float> made(kDim);
    for (float& x : made)
      x = static_cast<float>(random_.unit());
    return made;
  }
  void fill(uint32_t first, uint32_t count) {
    UpsertRequest request;
    for (uint32_t i = first; i < first + count; ++i) {
      sent_.resize(std::max<size_t>(sent_.size(), i + 1));
      sent_[i] = vector();
      request.points.push_back({std::to_string(i), std::nullopt, sent_[i], "{}", std::nullopt});
    }
    ASSERT_TRUE(collection_->upsert(std::move(request)).ok());
    ASSERT_TRUE(collection_->link_all().ok());
  }
  /// Of the nearest ten among what was sent.
  double recall() {
    uint32_t found = 0;
    for (int i = 0; i < 100; ++i) {
      SearchRequest request;
      request.vector = vector();
      request.limit = 10;
      request.ef_search = 100;
      const auto result = collection_->search(request);
      EXPECT_TRUE(result.ok());
      std::vector<std::pair<double, std::string>> all;
      for (size_t j = 0; j < sent_.size(); ++j)
        all.emplace_back(distance(request.vector, sent_[j]), std::to_string(j));
      std::partial_sort(all.begin(), all.begin() + 10, all.end());
      for (const SearchHit& hit : result->hits) {
        EXPECT_NEAR(hit.score, distance(request.vector, sent_[std::stoul(hit.point.id)]),
                    GetParam().error * std::sqrt(kDim) + 1e-5);
        found += std::any_of(all.begin(), all.begin() + 10,
                             [&](const auto& near) { return near.second == hit.point.id; });
      }
    }
    return found / 1000.0;
  }
  static double distance(const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i)
      sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    return std::sqrt(sum);
  }
  void expect_vectors() {
    for (size_t i = 0; i < sent_.size(); i += 7) {
      const auto point = collection_->get(std::to_string(i), std::nullopt);
      ASSERT_TRUE(point.ok());
      EXPECT_EQ(point->approximate, GetParam().error > 0);
      ASSERT_EQ(point->vector.size(), kDim);
      for (uint32_t j = 0; j < kDim; ++j)
        ASSERT_NEAR(point->vector[j], sent_[i][j], GetParam().error);
    }
  }

  Random random_{20261126};
  std::vector<std::vector<float>> sent_;
};

TEST_P(VectorPlaceTest, FindsAndGivesBackWhatItKeeps) {
  fill(0, kPoints);
  expect_vectors();
  EXPECT_GT(recall(), 0.9);
  ASSERT_TRUE(collection_->checkpoint().ok());
  expect_vectors();
  EXPECT_GT(recall(), 0.9);
  fill(kPoints / 2, kPoints);  // half of them replaced, half new
  expect_vectors();
  EXPECT_GT(recall(), 0.9);
  close(true);
  open();
  expect_vectors();
  EXPECT_GT(recall(), 0.9);
}

TEST_P(VectorPlaceTest, MemoryAfterACheckpointIsAsPromised) {
  fill(0, kPoints);
  ASSERT_TRUE(collection_->checkpoint().ok());
  const uint64_t bytes = collection_->stats().memory_bytes_vectors;
  const uint64_t row = (row_bytes(config_.vectors.format, kDim) + 63) / 64 * 64;
  // The last page of an arena may stay.
  const uint64_t rows = config_.vectors.residency == Residency::kMemory ? kPoints * row : 0;
  EXPECT_LE(bytes, rows + 2 * kPageBytes);
  EXPECT_GE(bytes, rows);
}

INSTANTIATE_TEST_SUITE_P(
    Places, VectorPlaceTest,
    ::testing::Values(Place{"ram", "f32", 0}, Place{"mmap", "f32", 0}, Place{"disk", "f32", 0},
                      Place{"ram", "f16", 0x1p-12f}, Place{"disk", "f16", 0x1p-12f},
                      Place{"mmap", "bf16", 0x1p-9f}, Place{"none", "", 0.5f / 255}),
    [](const auto& place) { return std::string(place.param.vectors) + place.param.precision; });

}  // namespace
}  // namespace ferres
