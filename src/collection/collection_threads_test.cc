// Readers, writers, checkpoints and linking at once. What a search answers must be a state that
// some LSN had: points of one batch appear together, deleted points never come back.
#include <atomic>

#include <gtest/gtest.h>

#include "base/random.h"
#include "collection/collection.h"

namespace ferres {
namespace {

constexpr int kDim = 8;

std::vector<float> vector_of(Random& random) {
  std::vector<float> vector(kDim);
  for (float& x : vector)
    x = static_cast<float>(random.unit() - 0.5);
  return vector;
}

/// Ten points that carry the batch's number, and replace those of the batch 30 before.
UpsertRequest batch_of_ten(int batch, Random& random) {
  UpsertRequest request;
  for (int i = 0; i < 10; ++i) {
    request.points.push_back({std::to_string(batch % 30) + "-" + std::to_string(i), std::nullopt,
                              vector_of(random), "{\"batch\":" + std::to_string(batch) + "}",
                              std::nullopt});
  }
  return request;
}

class CollectionThreads : public ::testing::Test {
 protected:
  CollectionThreads() : commit_clock_(system_clock()) {
    dir_ = ::testing::TempDir() + "/collection_threads_" + random_uuid();
    executor_ = make_thread_pool(3);
    CollectionConfig config;
    config.name = "docs";
    config.dimension = kDim;
    config.metric = Metric::kCosine;
    CollectionOptions options;
    options.flat_points_max = 200;
    options.checkpoint_log_bytes = 200'000;
    const Environment env{&posix_files(), executor_.get(), &system_clock(), &commit_clock_};
    collection_ = *Collection::open(env, dir_, config, options);
  }
  ~CollectionThreads() override {
    EXPECT_TRUE(collection_->close(true).ok());
    collection_.reset();
    executor_.reset();
    (void)posix_files().remove_tree(dir_).ok();
  }
  std::string dir_;
  CommitClock commit_clock_;
  std::unique_ptr<Executor> executor_;
  std::shared_ptr<Collection> collection_;
};

TEST_F(CollectionThreads, ReadersSeeWholeBatches) {
  std::atomic<bool> done{false};
  const auto threads = make_thread_pool(4);
  threads->parallel_for(4, [&](size_t role) {
    Random random(role + 1);
    if (role == 0) {  // batches of ten points that carry the batch's number, replaced over and over
      for (int batch = 0; batch < 60; ++batch) {
        UpsertRequest request = batch_of_ten(batch, random);
        ASSERT_TRUE(collection_->upsert(std::move(request)).ok());
        if (batch % 20 == 19) {
          ASSERT_TRUE(collection_->checkpoint().ok());
        }
      }
      done = true;
      return;
    }
    do {
      ListRequest list;
      list.count_only = true;
      EXPECT_EQ(collection_->list(list)->total % 10, 0u);
      SearchRequest search;
      search.vector = vector_of(random);
      search.limit = 10;
      search.exact = role == 1;
      const auto result = collection_->search(search);
      ASSERT_TRUE(result.ok());
      for (size_t i = 1; i < result->hits.size(); ++i) {
        EXPECT_LE(result->hits[i - 1].score, result->hits[i].score);
      }
    } while (!done);
  });
  EXPECT_EQ(collection_->stats().points, 300u);
}

TEST_F(CollectionThreads, ReadersSeeWholeBatchesWhileItIsRestored) {
  std::atomic<bool> done{false};
  const auto threads = make_thread_pool(4);
  threads->parallel_for(4, [&](size_t role) {
    Random random(role + 1);
    if (role == 0) {
      for (int batch = 0; batch < 60; ++batch) {
        UpsertRequest request = batch_of_ten(batch, random);
        EXPECT_TRUE(collection_->upsert(std::move(request)).ok());
      }
      done = true;
      return;
    }
    if (role == 1) {
      while (!done) {
        const Lsn lsn = random.below(collection_->stats().lsn + 1);
        const auto restored = collection_->restore({.unix_micros = {}, .lsn = lsn}, nullptr);
        EXPECT_TRUE(restored.ok()) << restored.error().message();
      }
      return;
    }
    Lsn newest = 0;
    while (!done) {
      SearchRequest request;
      request.vector = vector_of(random);
      request.limit = 1000;
      request.exact = role == 2;
      const auto found = collection_->search(request);
      ASSERT_TRUE(found.ok()) << found.error().message();
      EXPECT_EQ(found->hits.size() % 10, 0u);
      EXPECT_GE(found->lsn, newest) << "a read went back";
      newest = found->lsn;
    }
  });
}

/// Namespaces with files of their own are opened and closed under readers, dropped and written.
class NamespaceThreads : public CollectionThreads {
 protected:
  NamespaceThreads() {
    EXPECT_TRUE(collection_->close(true).ok());
    CollectionOptions options;
    options.flat_points_max = 20;
    options.checkpoint_log_bytes = 20'000;
    options.isolate_namespaces = true;
    options.open_partitions_max = 2;
    const Environment env{&posix_files(), executor_.get(), &system_clock(), &commit_clock_};
    const CollectionConfig config = collection_->config();
    collection_.reset();
    collection_ = *Collection::open(env, dir_, config, options);
  }
};

TEST_F(NamespaceThreads, ReadersSeeWholeBatchesOfEach) {
  constexpr uint64_t kTenants = 7;
  std::atomic<bool> done{false};
  const auto threads = make_thread_pool(4);
  threads->parallel_for(4, [&](size_t role) {
    Random random(role + 1);
    if (role == 0) {
      for (int batch = 0; batch < 200; ++batch) {
        const std::string ns = "t" + std::to_string(random.below(kTenants));
        if (random.one_in(10)) {
          EXPECT_TRUE(collection_->drop_namespace(ns).ok());
          continue;
        }
        UpsertRequest request = batch_of_ten(batch, random);
        for (PointInput& point : request.points)
          point.ns = ns;
        EXPECT_TRUE(collection_->upsert(std::move(request)).ok());
        if (batch % 40 == 39) {
          EXPECT_TRUE(collection_->checkpoint().ok());
        }
      }
      done = true;
      return;
    }
    while (!done) {
      ListRequest list;
      list.ns = "t" + std::to_string(random.below(kTenants));
      list.count_only = true;
      const auto listed = collection_->list(list);
      ASSERT_TRUE(listed.ok()) << listed.error().message();
      EXPECT_EQ(listed->total % 10, 0u);
      SearchRequest request;
      request.vector = vector_of(random);
      request.limit = 1000;
      request.exact = role == 1;
      if (role == 2) request.ns = list.ns;
      const auto found = collection_->search(request);
      ASSERT_TRUE(found.ok()) << found.error().message();
      EXPECT_EQ(found->hits.size() % 10, 0u);
      if (role == 3) {
        EXPECT_TRUE(collection_->namespaces().ok());
        collection_->sweep_expired();
      }
    }
  });
}

TEST_F(CollectionThreads, StatisticsAndSweepsRunBesideWrites) {
  std::atomic<bool> done{false};
  const auto threads = make_thread_pool(2);
  threads->parallel_for(2, [&](size_t role) {
    Random random(role + 5);
    if (role == 0) {
      for (int batch = 0; batch < 30; ++batch) {
        UpsertRequest request;
        for (int i = 0; i < 20; ++i) {
          request.points.push_back({std::to_string(batch * 20 + i), std::nullopt, vector_of(random),
                                    "{}", i % 2 == 0 ? 3600 : 1});
        }
        ASSERT_TRUE(collection_->upsert(std::move(request)).ok());
      }
      done = true;
      return;
    }
    do {
      collection_->sweep_expired();
      EXPECT_LE(collection_->stats().points, 600u);
    } while (!done);
  });
}

TEST_F(CollectionThreads, AcknowledgedDeleteIsNeverAnsweredAgain) {
  std::atomic<int> deleted{0};
  Random seeded(7);
  UpsertRequest request;
  for (int i = 0; i < 600; ++i) {
    request.points.push_back(
        {std::to_string(i), std::nullopt, vector_of(seeded), "{}", std::nullopt});
  }
  ASSERT_TRUE(collection_->upsert(std::move(request)).ok());
  const auto threads = make_thread_pool(3);
  threads->parallel_for(3, [&](size_t role) {
    Random random(role + 11);
    if (role == 0) {
      for (int i = 0; i < 200; ++i) {
        ASSERT_EQ(collection_->remove({{std::to_string(i)}, std::nullopt, false})->deleted, 1u);
        deleted = i + 1;
      }
      return;
    }
    while (deleted < 200) {
      const int before = deleted;
      SearchRequest search;
      search.vector = vector_of(random);
      search.limit = 20;
      const auto result = collection_->search(search);
      ASSERT_TRUE(result.ok());
      for (const SearchHit& hit : result->hits)
        EXPECT_GE(std::stoi(hit.point.id), before);
    }
  });
  EXPECT_EQ(collection_->stats().points, 400u);
}

}  // namespace
}  // namespace ferres
