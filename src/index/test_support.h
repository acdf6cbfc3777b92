// What the tests of this folder share: an index over its stores in a temporary folder, made-up
// vectors, and the exact answer to compare with.
#pragma once
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/epoch.h"
#include "base/files.h"
#include "base/random.h"
#include "index/ann_index.h"
#include "index/hnsw.h"
#include "index/vector_store.h"
#include "storage/page_store.h"

namespace ferres {

using Vector = std::vector<float>;

class AdmitAll : public SlotFilter {
 public:
  bool admits(Slot) const override { return true; }
  bool selective() const override { return false; }
};

/// Admits the slots of a set.
class AdmitSome : public SlotFilter {
 public:
  AdmitSome(std::set<Slot> slots, bool selective)
      : slots_(std::move(slots)), selective_(selective) {}
  bool admits(Slot slot) const override { return slots_.count(slot) != 0; }
  bool selective() const override { return selective_; }

 private:
  std::set<Slot> slots_;
  bool selective_;
};

/// Roughly normal: the sum of uniform numbers, the same on every machine.
inline float normal(Random& random) {
  double sum = 0;
  for (int i = 0; i < 12; ++i)
    sum += random.unit();
  return static_cast<float>(sum - 6);
}

inline Vector random_vector(Random& random, size_t dim) {
  Vector vector(dim);
  for (float& value : vector)
    value = normal(random);
  return vector;
}

/// Points around centres, `per_cluster` each, cluster by cluster. With less spread the clusters are
/// further apart for their size.
inline std::vector<Vector> clustered(Random& random, size_t clusters, size_t per_cluster,
                                     size_t dim, float spread) {
  std::vector<Vector> points;
  for (size_t c = 0; c < clusters; ++c) {
    const Vector centre = random_vector(random, dim);
    for (size_t i = 0; i < per_cluster; ++i) {
      Vector point = random_vector(random, dim);
      for (size_t d = 0; d < dim; ++d)
        point[d] = centre[d] + spread * point[d];
      points.push_back(std::move(point));
    }
  }
  return points;
}

/// A way in which a graph keeps vectors: tests of what any graph does go over all of them.
struct Form {
  const char* name;
  GraphLayout layout;
  std::optional<QuantizerSpec> quantizer;

  IndexConfig config(uint32_t m = 16, uint32_t ef_construction = 200) const {
    IndexConfig config;
    config.m = m;
    config.ef_construction = ef_construction;
    config.layout = layout;
    config.quantizer = quantizer;
    return config;
  }
};
inline void PrintTo(const Form& form, std::ostream* out) {
  *out << form.name;
}
inline std::vector<Form> all_forms() {
  const QuantizerSpec eight{.kind = "rabitq", .bits = 8};
  const QuantizerSpec four{.kind = "rabitq", .bits = 4};
  return {{"CompactVectors", GraphLayout::kCompact, std::nullopt},
          {"FastVectors", GraphLayout::kFast, std::nullopt},
          {"FastCodes8", GraphLayout::kFast, eight},
          {"CompactCodes4", GraphLayout::kCompact, four}};
}
inline std::string name_of_form(const ::testing::TestParamInfo<Form>& info) {
  return info.param.name;
}

/// An index, its vectors and the stores of both.
class IndexBench {
 public:
  IndexBench(const std::string& name, Metric metric, uint32_t dim, const IndexConfig& config = {},
             const VectorPlace& place = {})
      : dir_(::testing::TempDir() + "ferres_index_" + std::to_string(::getpid()) + "_" + name),
        metric_(metric),
        dim_(dim),
        config_(config),
        place_(place) {
    EXPECT_TRUE(posix_files().remove_tree(dir_).ok());
    for (const char* family : {"/points", "/index"})
      EXPECT_TRUE(posix_files().make_dirs(dir_ + family).ok());
    points_manifest_.family = "points";
    index_manifest_.family = "index";
    EXPECT_TRUE(open());
  }
  ~IndexBench() {
    close();
    posix_files().remove_tree(dir_).ignore();  // a leftover in the temporary folder harms nobody
  }
  IndexBench(const IndexBench&) = delete;
  IndexBench& operator=(const IndexBench&) = delete;

  ANNIndex& index() { return *index_; }
  const VectorStore& vectors() const { return *vectors_; }
  PageStore& store() { return *index_store_; }
  std::string dir() const { return dir_; }
  std::string inconsistency() const {
    return dynamic_cast<const HnswIndex&>(*index_).graph().inconsistency();
  }

  void checkpoint() {
    points_manifest_ = checkpoint(*points_store_);
    index_manifest_ = checkpoint(*index_store_);
  }
  /// As after a start: what the last checkpoint holds.
  void reopen() { EXPECT_TRUE(try_reopen()); }
  /// False when the index is refused as damaged.
  bool try_reopen() {
    close();
    return open();
  }

  std::unique_ptr<ANNIndex::Plan> plan(const Vector& vector) const {
    const EpochGuard guard;
    auto plan = index_->plan_point(vector);
    EXPECT_TRUE(plan.ok()) << plan.error().message();
    return *std::move(plan);
  }
  void add(Slot slot, const Vector& vector) { add(slot, vector, *plan(vector)); }
  void add(Slot slot, const Vector& vector, ANNIndex::Plan& plan) {
    const EpochGuard guard;
    EXPECT_TRUE(vectors_->put(slot, vector).ok());
    if (index_->needs_training()) {
      EXPECT_TRUE(index_->train({&slot, 1}).ok());
    }
    const Status added = index_->add_point(slot, vector, plan);
    EXPECT_TRUE(added.ok()) << added.message();
  }
  void add_all(const std::vector<Vector>& all) {
    train(all);
    for (size_t i = 0; i < all.size(); ++i)
      add(static_cast<Slot>(i), all[i]);
  }
  void remove(Slot slot) {
    const EpochGuard guard;
    index_->remove_point(slot);
  }
  /// Learns from vectors that slots 0, 1, ... will have.
  void train(const std::vector<Vector>& sample) {
    const EpochGuard guard;
    std::vector<Slot> slots;
    for (const Vector& vector : sample) {
      slots.push_back(static_cast<Slot>(slots.size()));
      EXPECT_TRUE(vectors_->put(slots.back(), vector).ok());
    }
    EXPECT_TRUE(index_->train(slots).ok());
  }

  Explain explain(const Vector& query, const SearchParams& params,
                  const SlotFilter& filter = AdmitAll()) const {
    const EpochGuard guard;
    Explain explain;
    const Status status = index_->search_explain(query, params, filter, explain);
    EXPECT_TRUE(status.ok()) << status.message();
    return explain;
  }
  std::vector<Hit> search(const Vector& query, uint32_t k, uint32_t ef,
                          const SlotFilter& filter = AdmitAll()) const {
    return explain(query, {k, ef, 0}, filter).hits;
  }
  /// The exact answer among the linked slots.
  std::vector<Hit> nearest(const Vector& query, uint32_t k,
                           const SlotFilter& filter = AdmitAll()) const {
    const EpochGuard guard;
    std::vector<Slot> slots;
    for (Slot slot = 0; slot < vectors_->view().slots; ++slot) {
      if (index_->contains(slot)) slots.push_back(slot);
    }
    std::vector<Hit> hits;
    EXPECT_TRUE(scan_slots(*vectors_, vectors_->prepare(query), slots, k, filter, hits).ok());
    return hits;
  }
  /// Share of the true k nearest that searches find, over `queries`.
  double recall(const std::vector<Vector>& queries, uint32_t k, uint32_t ef) const {
    size_t found = 0;
    size_t wanted = 0;
    for (const Vector& query : queries) {
      std::set<Slot> truth;
      for (const Hit& hit : nearest(query, k))
        truth.insert(hit.slot);
      wanted += truth.size();
      for (const Hit& hit : search(query, k, ef))
        found += truth.count(hit.slot);
    }
    return static_cast<double>(found) / static_cast<double>(wanted);
  }

 private:
  static StoreManifest checkpoint(PageStore& store) {
    store.begin_checkpoint();
    Result<StoreManifest> manifest = store.write_checkpoint();
    EXPECT_TRUE(manifest.ok()) << manifest.error().message();
    store.commit_checkpoint();
    return *std::move(manifest);
  }
  bool open() {
    auto points = PageStore::open(posix_files(), dir_ + "/points", points_manifest_);
    EXPECT_TRUE(points.ok()) << points.error().message();
    points_store_ = *std::move(points);
    auto vectors = VectorStore::open(*points_store_, 1, metric_, dim_, place_);
    EXPECT_TRUE(vectors.ok()) << vectors.error().message();
    vectors_ = *std::move(vectors);
    auto links = PageStore::open(posix_files(), dir_ + "/index", index_manifest_);
    if (!links.ok()) return false;
    index_store_ = *std::move(links);
    auto index = create_ann_index(config_, *vectors_, *index_store_, 1);
    if (!index.ok()) return false;
    index_ = *std::move(index);
    return true;
  }
  void close() {
    index_.reset();
    vectors_.reset();
    index_store_.reset();
    points_store_.reset();
  }

  std::string dir_;
  Metric metric_;
  uint32_t dim_;
  IndexConfig config_;
  VectorPlace place_;
  StoreManifest points_manifest_;
  StoreManifest index_manifest_;
  std::unique_ptr<PageStore> points_store_;
  std::unique_ptr<PageStore> index_store_;
  std::unique_ptr<VectorStore> vectors_;
  std::unique_ptr<ANNIndex> index_;
};

}  // namespace ferres
