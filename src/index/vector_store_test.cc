// The store against vectors kept by the test, with distances in double precision.
#include "index/vector_store.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/epoch.h"
#include "base/files.h"
#include "base/types.h"
#include "storage/page_store.h"

namespace ferres {
namespace {

constexpr Metric kMetrics[] = {Metric::kCosine, Metric::kDot, Metric::kEuclidean};

using Vector = std::vector<float>;

double exact(Metric metric, const Vector& a, const Vector& b) {
  double dot = 0;
  double square = 0;
  double norms = 1;
  for (size_t i = 0; i < a.size(); ++i) {
    dot += double{a[i]} * b[i];
    square += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  }
  for (const Vector* vector : {&a, &b}) {
    norms *= std::sqrt(std::inner_product(vector->begin(), vector->end(), vector->begin(), 0.0));
  }
  if (metric == Metric::kEuclidean) return square;
  return metric == Metric::kDot ? -dot : 1 - dot / norms;
}

Vector random_vector(size_t dim, std::mt19937& random) {
  std::normal_distribution<float> normal;
  Vector vector(dim);
  for (float& value : vector)
    value = normal(random);
  return vector;
}

class VectorStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = ::testing::TempDir() + "vector_store_" + std::to_string(::getpid());
    ASSERT_TRUE(posix_files().make_dirs(dir_).ok());
  }
  void TearDown() override {
    vectors_.reset();
    store_.reset();
    posix_files().remove_tree(dir_).ignore();  // a leftover in the temporary folder harms nobody
  }
  void open(Metric metric, uint32_t dim, const StoreManifest& manifest = {"points", 1, {}, {}}) {
    vectors_.reset();
    auto store = PageStore::open(posix_files(), dir_, manifest);
    ASSERT_TRUE(store.ok()) << store.error().message();
    store_ = *std::move(store);
    auto vectors = VectorStore::open(*store_, 4, metric, dim);
    ASSERT_TRUE(vectors.ok()) << vectors.error().message();
    vectors_ = *std::move(vectors);
  }
  float distance(const Vector& query, Slot slot) const {
    float out = 0;
    distances(vectors_->view(), vectors_->prepare(query), &slot, 1, &out);
    return out;
  }

  std::string dir_;
  std::unique_ptr<PageStore> store_;
  std::unique_ptr<VectorStore> vectors_;
};

TEST_F(VectorStoreTest, GivesBackWhatWasPutAndExactDistancesForEveryMetric) {
  constexpr unsigned kSeed = 71;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  for (const Metric metric : kMetrics) {
    for (const uint32_t dim : {1u, 15u, 16u, 100u, 384u}) {
      open(metric, dim);
      if (HasFatalFailure()) return;
      const EpochGuard guard;
      std::vector<Vector> all;
      std::vector<Slot> slots;
      for (Slot slot = 0; slot < 77; ++slot) {  // two full batches and a rest
        all.push_back(random_vector(dim, random));
        ASSERT_TRUE(vectors_->put(slot, all.back()).ok());
        slots.push_back(76 - slot);
      }
      const VectorView view = vectors_->view();
      ASSERT_GE(view.slots, 77u);
      EXPECT_GE(vectors_->memory_bytes(), 77u * dim * sizeof(float));
      const Vector query = random_vector(dim, random);
      std::vector<float> out(slots.size());
      distances(view, vectors_->prepare(query), slots.data(), slots.size(), out.data());
      for (size_t i = 0; i < slots.size(); ++i) {
        const Vector& vector = all[slots[i]];
        const double want = exact(metric, query, vector);
        EXPECT_NEAR(out[i], want, 1e-5 * (1 + std::abs(want))) << "dim " << dim;
        const auto got = vectors_->get(slots[i]);
        EXPECT_EQ(Vector(got.begin(), got.end()), vector);
        const double between = exact(metric, all[0], vector);
        EXPECT_NEAR(distance_between(view, 0, slots[i]), between, 1e-5 * (1 + std::abs(between)));
      }
    }
  }
}

TEST_F(VectorStoreTest, RowsStartOnCacheLines) {
  open(Metric::kDot, 100);
  ASSERT_TRUE(vectors_->put(3, Vector(100, 1.0f)).ok());
  const EpochGuard guard;
  const VectorView view = vectors_->view();
  EXPECT_EQ(view.stride, 448u);
  for (Slot slot = 0; slot < 4; ++slot) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(view.row(slot)) % 64, 0u);
  }
}

TEST_F(VectorStoreTest, PutReplacesVectorAndNorm) {
  open(Metric::kCosine, 2);
  ASSERT_TRUE(vectors_->put(0, Vector{5, 0}).ok());
  ASSERT_TRUE(vectors_->put(0, Vector{0, 9}).ok());
  const EpochGuard guard;
  EXPECT_NEAR(distance({0, 1}, 0), 0, 1e-6);
  EXPECT_NEAR(distance({1, 0}, 0), 1, 1e-6);
}

TEST_F(VectorStoreTest, WithoutDirectionEverythingIsAtARightAngle) {
  open(Metric::kCosine, 4);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  ASSERT_TRUE(vectors_->put(0, Vector{0, 0, 0, 0}).ok());
  ASSERT_TRUE(vectors_->put(1, Vector{kInfinity, 0, 0, 0}).ok());
  ASSERT_TRUE(vectors_->put(2, Vector{nan, 1, 0, 0}).ok());
  ASSERT_TRUE(vectors_->put(3, Vector{3e38f, 3e38f, 3e38f, 0}).ok());
  ASSERT_TRUE(vectors_->put(4, Vector{1, 2, 3, 4}).ok());
  const EpochGuard guard;
  const VectorView view = vectors_->view();
  for (Slot slot = 0; slot < 4; ++slot) {
    EXPECT_EQ(view.inverse_norms[slot], 0) << slot;
    EXPECT_EQ(distance({1, 1, 1, 1}, slot), 1) << slot;
    EXPECT_EQ(distance_between(view, slot, 4), 1) << slot;
  }
  EXPECT_EQ(distance({0, 0, 0, 0}, 4), 1);
}

TEST_F(VectorStoreTest, HugeAndTinyVectorsKeepTheirAngles) {
  open(Metric::kCosine, 2);
  ASSERT_TRUE(vectors_->put(0, Vector{2e37f, 0}).ok());
  ASSERT_TRUE(vectors_->put(1, Vector{1e37f, 1e37f}).ok());
  ASSERT_TRUE(vectors_->put(2, Vector{2e-30f, 0}).ok());
  ASSERT_TRUE(vectors_->put(3, Vector{1e-30f, 1e-30f}).ok());
  const EpochGuard guard;
  const VectorView view = vectors_->view();
  const double diagonal = 1 - std::sqrt(0.5);
  EXPECT_NEAR(distance_between(view, 0, 1), diagonal, 1e-5);
  EXPECT_NEAR(distance_between(view, 2, 3), diagonal, 1e-5);
  EXPECT_NEAR(distance_between(view, 0, 3), diagonal, 1e-5);
  for (const float scale : {1e37f, 1.0f, 1e-30f}) {
    EXPECT_NEAR(distance({scale, 0}, 1), diagonal, 1e-5) << scale;
    EXPECT_NEAR(distance({scale, 0}, 3), diagonal, 1e-5) << scale;
  }
}

TEST_F(VectorStoreTest, ProductThatIsNoNumberIsFarthest) {
  open(Metric::kDot, 64);
  Vector huge(64, 3e38f);
  Vector signs(64, 3e38f);
  for (size_t i = 0; i < 64; i += 2)
    signs[i] = -3e38f;
  ASSERT_TRUE(vectors_->put(0, huge).ok());
  const EpochGuard guard;
  EXPECT_FALSE(std::isnan(distance(signs, 0)));
}

TEST_F(VectorStoreTest, ComesBackFromACheckpoint) {
  std::mt19937 random(9);
  for (const Metric metric : kMetrics) {
    open(metric, 100);
    std::vector<Vector> all;
    for (Slot slot = 0; slot < 500; ++slot) {
      all.push_back(random_vector(100, random));
      ASSERT_TRUE(vectors_->put(slot, all.back()).ok());
    }
    const Vector query = random_vector(100, random);
    const float before = distance(query, 499);
    store_->begin_checkpoint();
    const auto manifest = store_->write_checkpoint();
    ASSERT_TRUE(manifest.ok());
    store_->commit_checkpoint();
    open(metric, 100, *manifest);
    if (HasFatalFailure()) return;
    const EpochGuard guard;
    ASSERT_GE(vectors_->view().slots, 500u);
    EXPECT_EQ(distance(query, 499), before);
    for (Slot slot = 0; slot < 500; ++slot) {
      EXPECT_TRUE(vectors_->verify(slot).ok());
      const auto got = vectors_->get(slot);
      EXPECT_EQ(Vector(got.begin(), got.end()), all[slot]);
    }
    while (store_->scrub(1 << 20)) {
    }
    EXPECT_TRUE(vectors_->all_verified());
    ASSERT_TRUE(posix_files().remove_tree(dir_).ok());
    ASSERT_TRUE(posix_files().make_dirs(dir_).ok());
  }
}

TEST_F(VectorStoreTest, WhatIsReadFromTheDiskIsToBeReleasedSoon) {
  open(Metric::kDot, 64);
  for (const Residency residency : {Residency::kMemory, Residency::kMapped, Residency::kDisk}) {
    auto vectors = VectorStore::open(*store_,
                                     residency == Residency::kMemory   ? 10
                                     : residency == Residency::kMapped ? 20
                                                                       : 30,
                                     Metric::kDot, 64, {RowFormat::kF32, residency});
    ASSERT_TRUE(vectors.ok());
    const std::vector<float> vector(64, 1.0f);
    for (Slot slot = 0; slot < 1000; ++slot)
      ASSERT_TRUE((*vectors)->put(slot, vector).ok());
    const EpochGuard guard;
    EXPECT_FALSE((*vectors)->release_due());
    for (Slot slot = 0; slot < 300; ++slot)
      EXPECT_EQ((*vectors)->get(slot), vector);
    // The system may have mapped 64 KiB around each of the rows.
    EXPECT_EQ((*vectors)->release_due(), residency == Residency::kDisk);
    (*vectors)->release();
    EXPECT_FALSE((*vectors)->release_due());
    EXPECT_EQ((*vectors)->get(7), vector);
  }
}

TEST_F(VectorStoreTest, OfTieredOnesOnlyColdRowsAreToBeReleased) {
  open(Metric::kDot, 64);
  auto vectors =
      VectorStore::open(*store_, 10, Metric::kDot, 64, {RowFormat::kF32, Residency::kTiered});
  ASSERT_TRUE(vectors.ok());
  (*vectors)->set_minute(1);
  const std::vector<float> vector(64, 1.0f);
  for (Slot slot = 0; slot < 1024; ++slot)  // four pages
    ASSERT_TRUE((*vectors)->put(slot, vector).ok());
  store_->begin_checkpoint();
  ASSERT_TRUE(store_->write_checkpoint().ok());
  store_->commit_checkpoint();
  const EpochGuard guard;
  const auto move_at = [&](uint32_t minute) {
    (*vectors)->begin_moves({.hot_minutes = 10, .warm_minutes = 20}, minute);
    while ((*vectors)->move_some(kPageBytes)) {
    }
  };
  const auto read_many = [&] {
    for (Slot slot = 0; slot < 300; ++slot)
      EXPECT_EQ((*vectors)->get(slot), vector);
  };
  move_at(1);
  EXPECT_EQ((*vectors)->tier(0), Tier::kHot);
  read_many();
  EXPECT_FALSE((*vectors)->release_due());
  move_at(21);
  EXPECT_EQ((*vectors)->tier(0), Tier::kCold);
  (*vectors)->set_minute(21);
  read_many();
  EXPECT_TRUE((*vectors)->release_due());
  (*vectors)->release();
  EXPECT_FALSE((*vectors)->release_due());
  move_at(22);
  EXPECT_EQ((*vectors)->tier(0), Tier::kHot);
  EXPECT_EQ((*vectors)->tier(299), Tier::kHot);  // the page after
  EXPECT_EQ((*vectors)->tier(600), Tier::kCold);
  read_many();
}

}  // namespace
}  // namespace ferres
