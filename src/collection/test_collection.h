// A fixture of one collection, "docs", on a disk of its own and with time that stands still until a
// test moves it.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/sim_files.h"
#include "collection/collection.h"

namespace ferres {

class CollectionFixture : public testing::Test {
 protected:
  static constexpr uint64_t kStartMicros = 1'700'000'000'000'000;
  static constexpr uint64_t kSecond = 1'000'000;
  enum class Disk { kReal, kSimulated };

  explicit CollectionFixture(uint32_t dimension, Disk disk = Disk::kReal)
      : files_(disk == Disk::kReal ? posix_files() : simulated_),
        dir_(disk == Disk::kReal ? testing::TempDir() + "/collection_" + random_uuid() : "/docs") {
    config_.name = "docs";
    config_.dimension = dimension;
    config_.metric = Metric::kEuclidean;
    config_.uuid = "u";
  }
  ~CollectionFixture() override {
    close();
    executor_.reset();
    files_.remove_tree(dir_).ignore();
  }

  void open() {
    const Environment env{&files_, executor(), &clock_, &commit_clock_};
    auto opened = Collection::open(env, dir_, config_, options_);
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    collection_ = *std::move(opened);
  }
  void close(bool checkpoint = false) {
    if (collection_ == nullptr) return;
    EXPECT_TRUE(collection_->close(checkpoint).ok());
    collection_.reset();
  }
  void reopen(bool checkpoint = false) {
    close(checkpoint);
    open();
  }
  /// What became due in so many seconds is done.
  void pass_seconds(uint64_t seconds) {
    for (uint64_t i = 0; i < seconds; ++i) {
      clock_.advance_micros(kSecond);
      executor_->advance_micros(kSecond);
      executor_->run_all();
    }
  }
  uint64_t count(const std::optional<std::string>& ns = {}) {
    ListRequest request;
    request.ns = ns;
    request.count_only = true;
    const auto listed = collection_->list(request);
    EXPECT_TRUE(listed.ok());
    return listed.ok() ? listed->total : ~uint64_t{0};
  }
  /// Threads of a test that wants them work instead of run_all().
  virtual Executor* executor() { return executor_.get(); }

  SimFiles simulated_{1};
  FileSystem& files_;
  std::string dir_;
  ManualClock clock_{kStartMicros};
  CommitClock commit_clock_{clock_};
  std::unique_ptr<ManualExecutor> executor_ = std::make_unique<ManualExecutor>(1);
  CollectionConfig config_;
  CollectionOptions options_;
  std::shared_ptr<Collection> collection_;
};

}  // namespace ferres
