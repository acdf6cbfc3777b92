// Reads that wait for a write, on every operation that reads a collection.
#include "api/min_lsn.h"

#include <gtest/gtest.h>

#include "api/test_api.h"

namespace ferres {
namespace {

class MinLsnTest : public ApiTest {
 protected:
  struct Read {
    const char* name;
    const char* body;  // null: min_lsn goes into the query
    const char* item;
  };
  static constexpr Read kReads[] = {
      {"collection_stats", nullptr, ""},
      {"collection_tiers", nullptr, ""},
      {"list_points", nullptr, ""},
      {"get_point", nullptr, "a"},
      {"list_namespaces", nullptr, ""},
      {"count_points", "{", ""},
      {"search", R"({"vector":[1,2],"limit":1,)", ""},
      {"explain_search", R"({"vector":[1,2],"limit":1,)", ""},
      {"export_points", "{", ""},
  };

  void begin(const Read& read, uint64_t min_lsn, uint64_t timeout_ms) {
    Call call;
    call.principal = principal_;
    call.collection = "docs";
    call.item = read.item;
    const std::string lsn = std::to_string(min_lsn);
    const std::string timeout = std::to_string(timeout_ms);
    if (read.body == nullptr) {
      call.query = {{"min_lsn", lsn}, {"timeout_ms", timeout}};
    } else {
      call.body =
          std::string(read.body) + R"("min_lsn":)" + lsn + R"(,"timeout_ms":)" + timeout + "}";
    }
    answer_.reset();
    operation(read.name).handler(*context_, call,
                                 [this](Answer given) { answer_ = std::move(given); });
    executor_.run_all();
  }
  void pass_ms(uint64_t ms) {
    for (; ms > 0; --ms) {
      clock_.advance_micros(1000);
      executor_.advance_micros(1000);
      executor_.run_all();
    }
  }
  void write() {
    ASSERT_EQ(call("upsert_points", R"({"points":[{"id":"a","vector":[1,2]}]})").status, 200);
  }

  std::optional<Answer> answer_;
};

TEST_F(MinLsnTest, EveryReadWaitsForTheWrite) {
  create();
  write();
  uint64_t lsn = 1;
  for (const Read& read : kReads) {
    SCOPED_TRACE(read.name);
    begin(read, lsn, 0);
    ASSERT_TRUE(answer_.has_value());
    EXPECT_EQ(answer_->status, 200) << answer_->body;
    begin(read, lsn + 1, 50);
    pass_ms(20);
    EXPECT_FALSE(answer_.has_value());
    write();
    pass_ms(5);
    ASSERT_TRUE(answer_.has_value());
    EXPECT_EQ(answer_->status, 200) << answer_->body;
    ++lsn;
  }
}

TEST_F(MinLsnTest, AWaitEndsWithItsTimeout) {
  create();
  for (const Read& read : kReads) {
    SCOPED_TRACE(read.name);
    begin(read, 9, 30);
    pass_ms(28);
    EXPECT_FALSE(answer_.has_value());
    pass_ms(4);
    ASSERT_TRUE(answer_.has_value());
    EXPECT_EQ(answer_->status, 412);
    EXPECT_EQ(at(*answer_, "/error"), "\"precondition_failed\"");
    begin(read, 9, 0);
    ASSERT_TRUE(answer_.has_value());
    EXPECT_EQ(answer_->status, 412);
  }
}

TEST_F(MinLsnTest, AStopOrADropEndsIt) {
  create();
  begin(kReads[2], 9, 60'000);
  context_->stopping = true;
  pass_ms(3);
  ASSERT_TRUE(answer_.has_value());
  EXPECT_EQ(answer_->status, 412);
  context_->stopping = false;
  begin(kReads[6], 9, 60'000);
  ASSERT_EQ(call("delete_collection").status, 204);
  pass_ms(3);
  ASSERT_TRUE(answer_.has_value());
  EXPECT_EQ(answer_->status, 404);
}

TEST_F(MinLsnTest, WrongOnesAreToldSo) {
  create();
  EXPECT_EQ(call("list_points", "", "", {{"min_lsn", "x"}}).status, 400);
  EXPECT_EQ(call("count_points", R"({"min_lsn":"x"})").status, 422);
  EXPECT_EQ(call("count_points", R"({"min_lsn":)").status, 400);
}

}  // namespace
}  // namespace ferres
