// Writes under conditions: what is asked is the state that all writes before have left, also of
// those that wait for the same round of the lane.
#include <gtest/gtest.h>

#include "collection/test_collection.h"

namespace ferres {
namespace {

class Guarded : public CollectionFixture {
 protected:
  Guarded() : CollectionFixture(1, Disk::kSimulated) { open(); }

  static UpsertRequest one(const std::string& id, float value) {
    UpsertRequest request;
    request.points.emplace_back();
    request.points.back().id = id;
    request.points.back().vector = {value};
    return request;
  }
  /// Waits for its turn beside others until run_all().
  void enqueue(UpsertRequest request) {
    collection_->upsert(std::move(request), [this](Result<UpsertResult> result) {
      ASSERT_TRUE(result.ok());
      outcomes_.push_back(*std::move(result));
    });
  }
  float value(const std::string& id) const {
    const auto point = collection_->get(id, std::nullopt);
    return point.ok() ? point->vector.front() : -1;
  }

  std::vector<UpsertResult> outcomes_;
};

TEST_F(Guarded, OfWritesThatWaitTogetherOneWins) {
  enqueue(one("a", 1));
  executor_->run_all();
  for (int i = 0; i < 10; ++i) {
    UpsertRequest request = one("a", static_cast<float>(10 + i));
    request.points.front().if_version = 1;
    enqueue(std::move(request));
  }
  for (int i = 0; i < 10; ++i) {
    UpsertRequest request = one("b", static_cast<float>(10 + i));
    request.points.front().if_absent = true;
    enqueue(std::move(request));
  }
  executor_->run_all();
  ASSERT_EQ(outcomes_.size(), 21u);
  uint64_t upserted = 0;
  for (const UpsertResult& outcome : outcomes_) {
    upserted += outcome.upserted;
    EXPECT_EQ(outcome.upserted + outcome.failed.size(), 1u);
    EXPECT_EQ(outcome.failed.size(), outcome.failed_points.size());
  }
  EXPECT_EQ(upserted, 3u);
  EXPECT_EQ(value("a"), 10);
  EXPECT_EQ(value("b"), 10);
}

TEST_F(Guarded, AConditionSeesTheWritesThatWaitBeforeIt) {
  enqueue(one("a", 1));
  UpsertRequest second = one("a", 2);
  second.points.front().if_version = 1;
  enqueue(std::move(second));
  enqueue(one("a", 3));
  UpsertRequest late = one("a", 4);
  late.points.front().if_version = 2;
  enqueue(std::move(late));
  executor_->run_all();
  ASSERT_EQ(outcomes_.size(), 4u);
  EXPECT_EQ(outcomes_[1].upserted, 1u);
  EXPECT_EQ(outcomes_[3].upserted, 0u);
  EXPECT_EQ(value("a"), 3);
}

TEST_F(Guarded, WhatDoesNotHoldIsNoRecord) {
  enqueue(one("a", 1));
  executor_->run_all();
  UpsertRequest request = one("a", 2);
  request.on_conflict = OnConflict::kSkip;
  enqueue(std::move(request));
  executor_->run_all();
  EXPECT_EQ(outcomes_.back().skipped, 1u);
  EXPECT_EQ(outcomes_.back().lsn, 1u);
  EXPECT_EQ(collection_->stats().lsn, 1u);
  reopen();
  EXPECT_EQ(value("a"), 1);
}

TEST_F(Guarded, ADeleteLeavesWhatItsConditionDoesNotMatch) {
  for (const char* kind : {"x", "y"}) {
    UpsertRequest request = one(kind, 1);
    request.points.front().metadata_json = R"({"kind":")" + std::string(kind) + R"("})";
    enqueue(std::move(request));
  }
  executor_->run_all();
  DeleteRequest request;
  request.ids = {"x", "y", "none"};
  request.within = std::make_shared<const Predicate>(*Predicate::parse(R"({"kind":"x"})"));
  uint64_t deleted = 0;
  collection_->remove(std::move(request), [&](Result<DeleteResult> result) {
    ASSERT_TRUE(result.ok());
    deleted = result->deleted;
  });
  executor_->run_all();
  EXPECT_EQ(deleted, 1u);
  EXPECT_EQ(value("x"), -1);
  EXPECT_EQ(value("y"), 1);
}

}  // namespace
}  // namespace ferres
