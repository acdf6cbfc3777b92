// Reindex jobs over the operations: begin, watch, what is kept.
#include "api/reindex_jobs.h"

#include <gtest/gtest.h>

#include "api/test_api.h"

namespace ferres {
namespace {

class ReindexJobsTest : public ApiTest {
 protected:
  void fill() {
    create();
    ASSERT_EQ(call("upsert_points", R"({"points":[{"id":"a","vector":[1,2]},
      {"id":"b","vector":[2,1]},{"id":"c","vector":[1,1]}]})")
                  .status,
              200);
  }
  /// Without waiting for what it starts.
  Answer start() {
    Call started;
    started.collection = collection_;
    std::optional<Answer> answer;
    operation("start_reindex").handler(*context_, started, [&](Answer given) {
      answer = std::move(given);
    });
    return answer.value_or(Answer{.status = 0, .body = {}});
  }
  static std::string text(const Answer& answer, std::string_view pointer) {
    const std::string quoted = at(answer, pointer);
    return quoted.size() < 2 ? quoted : quoted.substr(1, quoted.size() - 2);
  }
};

TEST_F(ReindexJobsTest, BeginIsAnsweredAtOnceAndTheEndIsTold) {
  fill();
  EXPECT_EQ(call("list_reindex_jobs").body, R"({"jobs":[]})");
  const Answer started = start();
  EXPECT_EQ(started.status, 202) << started.body;
  EXPECT_EQ(at(started, "/collection"), "\"docs\"");
  EXPECT_EQ(at(started, "/status"), "\"Building\"");
  EXPECT_EQ(at(started, "/message"), "\"reindex job started\"");

  const Answer refused = start();
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(at(refused, "/error"), "\"collection_already_exists\"");

  Call watch;
  watch.collection = "docs";
  watch.item = text(started, "/job_id");
  std::optional<Answer> queued;
  operation("get_reindex_job").handler(*context_, watch, [&](Answer given) {
    queued = std::move(given);
  });
  ASSERT_TRUE(queued.has_value());
  EXPECT_EQ(at(*queued, "/status"), "\"Queued\"");
  EXPECT_EQ(at(*queued, "/completed_at"), "null");
  EXPECT_EQ(at(*queued, "/progress"), "0");

  executor_.run_all();
  clock_.advance_micros(5'000'000);
  const Answer done = call("get_reindex_job", "", text(started, "/job_id"));
  EXPECT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(at(done, "/id"), at(started, "/job_id"));
  EXPECT_EQ(at(done, "/status"), "\"Completed\"");
  EXPECT_EQ(at(done, "/progress"), "1");
  EXPECT_EQ(at(done, "/error"), "null");
  EXPECT_EQ(at(done, "/completed_at"), "1700000000");
  EXPECT_EQ(at(done, "/started_at"), "1700000000");
  EXPECT_EQ(at(done, "/stats/points_processed"), "3");
  EXPECT_EQ(at(done, "/stats/points_total"), "3");
  EXPECT_EQ(at(done, "/stats/tombstones_cleaned"), "0");
  EXPECT_NE(at(done, "/stats/old_index_size_bytes"), "0");
  EXPECT_NE(at(done, "/stats/new_index_size_bytes"), "0");
}

TEST_F(ReindexJobsTest, TheNewestFiftyAreKeptNewestFirst) {
  fill();
  std::string first;
  std::string last;
  for (int i = 0; i < 60; ++i) {
    last = text(call("start_reindex"), "/job_id");
    if (i == 0) first = last;
  }
  const Answer listed = call("list_reindex_jobs");
  EXPECT_EQ(text(listed, "/jobs/0/id"), last);
  EXPECT_NE(at(listed, "/jobs/49"), "(none)");
  EXPECT_EQ(at(listed, "/jobs/51"), "(none)");
  EXPECT_EQ(call("get_reindex_job", "", first).status, 404);
}

TEST_F(ReindexJobsTest, WhatIsNotThereIsToldSo) {
  fill();
  const Answer unknown = call("get_reindex_job", "", "no-such-job");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(at(unknown, "/error"), "\"collection_not_found\"");
  EXPECT_EQ(at(unknown, "/message"), "\"reindex job 'no-such-job' not found\"");
  const std::string id = text(call("start_reindex"), "/job_id");
  collection_ = "nobody";
  for (const char* name : {"start_reindex", "list_reindex_jobs", "get_reindex_job"})
    EXPECT_EQ(call(name, "", id).status, 404) << name;
}

TEST_F(ReindexJobsTest, JobsGoWithTheirCollection) {
  fill();
  call("start_reindex");
  ASSERT_EQ(call("delete_collection").status, 204);
  create();
  EXPECT_EQ(call("list_reindex_jobs").body, R"({"jobs":[]})");
}

}  // namespace
}  // namespace ferres
