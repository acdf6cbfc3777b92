// Export and import without a transport: what goes into a sink and comes out of a source.
#include "api/test_api.h"

namespace ferres {
namespace {

class ApiStreamTest : public ApiTest {
 protected:
  /// Gives an import its pieces; the answer, if there is one by then.
  struct Importing {
    std::shared_ptr<BodySink> sink;
    std::optional<Answer> answer;
    bool wants_more = true;
  };
  std::unique_ptr<Importing> begin_import(std::optional<std::string> ns = {}) {
    auto importing = std::make_unique<Importing>();
    Call call;
    call.principal = principal_;
    call.collection = collection_;
    call.namespace_header = std::move(ns);
    operation("import_points").handler(*context_, call, [&state = *importing](Answer given) {
      state.answer = std::move(given);
    });
    importing->sink = std::move(call.sink);
    return importing;
  }
  static void give(Importing& importing, std::string bytes) {
    importing.wants_more = false;
    importing.sink->write(std::move(bytes), [&importing] { importing.wants_more = true; });
  }
  Answer import(const std::string& text, size_t piece = 1 << 16) {
    auto importing = begin_import();
    for (size_t at = 0; at < text.size() && !importing->answer; at += piece) {
      give(*importing, text.substr(at, piece));
      executor_.run_all();
      EXPECT_TRUE(importing->wants_more);
    }
    importing->sink->end();
    executor_.run_all();
    EXPECT_TRUE(importing->answer.has_value());
    return importing->answer.value_or(Answer{.status = 0, .body = {}});
  }
  std::string exported(const std::string& body = "{}") {
    const Answer answer = call("export_points", body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    std::string text;
    for (;;) {
      auto piece = answer.source->next();
      EXPECT_TRUE(piece.ok()) << piece.error().message();
      if (!piece.ok() || !*piece) return text;
      text += **piece;
    }
  }
};

constexpr std::string_view kLines =
    R"({"id":"a","vector":[1,2],"metadata":{"x":1},"created_at":77})"
    "\n"
    R"({"id":"b","vector":null,"metadata":{},"created_at":78,"namespace":"n",)"
    R"("expires_at":4000000000})"
    "\n";

constexpr size_t kFirst = kLines.find('\n') + 1;

TEST_F(ApiStreamTest, WhatIsImportedIsExported) {
  create();
  for (const size_t piece : {1u, 7u, 1000u}) {
    const Answer answer = import(std::string(kLines), piece);
    EXPECT_EQ(at(answer, "/imported"), "2") << answer.body;
    EXPECT_EQ(at(answer, "/failed_total"), "0");
    const std::string text = exported();  // in any order
    EXPECT_EQ(text.size(), kLines.size());
    for (const std::string_view line : {kLines.substr(0, kFirst), kLines.substr(kFirst)})
      EXPECT_NE(text.find(line), std::string::npos) << text;
  }
  EXPECT_EQ(exported(R"({"namespace":"n","with_vector":false})"),
            R"({"id":"b","metadata":{},"created_at":78,"namespace":"n","expires_at":4000000000})"
            "\n");
}

TEST_F(ApiStreamTest, TheLastLineNeedsNoEnd) {
  create();
  EXPECT_EQ(at(import(R"({"id":"a","vector":[1,2]})"), "/imported"), "1");
}

TEST_F(ApiStreamTest, WrongLinesAreToldByNumber) {
  create();
  const Answer answer = import(
      "?\n\n"
      R"({"id":"a","vector":[1,2]})"
      "\n"
      R"({"id":"a","vector":[1,2,3]})"
      "\n"
      R"({"id":"","vector":[1,2]})"
      "\n"
      R"({"id":"old","vector":[1,2],"expires_at":1})"
      "\n");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(at(answer, "/imported"), "1");
  EXPECT_EQ(at(answer, "/expired"), "1");
  EXPECT_EQ(at(answer, "/failed_total"), "3");
  EXPECT_EQ(at(answer, "/failed/0/line"), "1");
  EXPECT_EQ(at(answer, "/failed/1/line"), "4");
  EXPECT_EQ(at(answer, "/failed/1/id"), R"("a")");
  EXPECT_EQ(at(answer, "/failed/2/line"), "5");
}

TEST_F(ApiStreamTest, PointsWithoutANamespaceGetTheRequests) {
  create();
  auto importing = begin_import("home");
  give(*importing, "{\"id\":\"a\",\"vector\":[1,2]}\n{\"id\":\"n\\u0000b\",\"vector\":[1,2]}\n");
  importing->sink->end();
  executor_.run_all();
  ASSERT_TRUE(importing->answer.has_value());
  EXPECT_NE(exported(R"({"namespace":"home"})").find(R"("id":"a")"), std::string::npos);
  EXPECT_NE(exported(R"({"namespace":"n"})").find(R"("id":"b")"), std::string::npos);
}

TEST_F(ApiStreamTest, BytesWaitForWrites) {
  create();
  auto importing = begin_import();
  std::string lines;
  for (int i = 0; i < 3000; ++i)
    lines += R"({"id":")" + std::to_string(i) + "\",\"vector\":[1,2]}\n";
  give(*importing, lines);
  EXPECT_FALSE(importing->wants_more);  // three batches wait
  executor_.run_all();
  EXPECT_TRUE(importing->wants_more);
  importing->sink->end();
  executor_.run_all();
  EXPECT_EQ(at(*importing->answer, "/imported"), "3000");
}

TEST_F(ApiStreamTest, WhoGoesAwayOrIsCancelledEndsItsTask) {
  create();
  auto importing = begin_import();
  give(*importing, std::string(kLines));
  EXPECT_EQ(at(call("tasks"), "/tasks/0/state"), R"("running")");
  importing->sink.reset();
  EXPECT_EQ(at(call("tasks"), "/tasks/0/state"), R"("failed")");
  EXPECT_NE(at(call("tasks"), "/tasks/0/error").find("went away"), std::string::npos);

  auto cancelled = begin_import();
  give(*cancelled, std::string(kLines));
  EXPECT_EQ(call("cancel_task", "", "2").status, 202);
  give(*cancelled, std::string(kLines));
  executor_.run_all();
  ASSERT_TRUE(cancelled->answer.has_value());
  EXPECT_EQ(cancelled->answer->status, 409);
  EXPECT_NE(at(*cancelled->answer, "/message").find("cancelled"), std::string::npos);

  const Answer exporting = call("export_points", "{}");
  EXPECT_EQ(call("cancel_task", "", "3").status, 202);
  EXPECT_FALSE(exporting.source->next().ok());
  EXPECT_EQ(call("cancel_task", "", "9").status, 404);
  EXPECT_EQ(call("cancel_task", "", "x").status, 400);
  EXPECT_EQ(call("cancel_task", "", "1").status, 409);
}

// The line that it says one can go on from leaves nothing out.
TEST_F(ApiStreamTest, OneThatIsCutShortTellsWhichLineIsNext) {
  create();
  std::string lines;
  for (int i = 0; i < 2500; ++i)
    lines += R"({"id":")" + std::to_string(i) + "\",\"vector\":[1,2]}\n";
  auto importing = begin_import();
  give(*importing, lines + R"({"id":"half)");  // two batches, and 500 that make none
  executor_.run_all();
  EXPECT_EQ(call("cancel_task", "", "1").status, 202);
  give(*importing, R"( a line"})");
  importing->sink->end();
  executor_.run_all();
  ASSERT_TRUE(importing->answer.has_value());
  EXPECT_EQ(at(*importing->answer, "/imported"), "2000");
  EXPECT_EQ(at(*importing->answer, "/next_line"), "2001");
  EXPECT_EQ(at(*importing->answer, "/failed_total"), "0");
  EXPECT_NE(importing->answer->body.find("ended before line 2001"), std::string::npos);

  auto refused = begin_import();
  give(*refused, std::string(kLines));
  ASSERT_TRUE((*db_->find("docs"))->close(false).ok());
  refused->sink->end();
  executor_.run_all();
  ASSERT_TRUE(refused->answer.has_value());
  EXPECT_EQ(at(*refused->answer, "/next_line"), "1");
}

TEST_F(ApiStreamTest, OnlySoManyRunAtOnce) {
  create();
  std::vector<std::unique_ptr<Importing>> running;
  for (int i = 0; i < 16; ++i)
    running.push_back(begin_import());
  const auto refused = begin_import();
  ASSERT_TRUE(refused->answer.has_value());
  EXPECT_EQ(refused->answer->status, 429);
  EXPECT_EQ(refused->sink, nullptr);
  running.clear();
  EXPECT_NE(begin_import()->sink, nullptr);
}

TEST_F(ApiStreamTest, AStopEndsStreams) {
  create();
  const Answer exporting = call("export_points", "{}");
  auto importing = begin_import();
  context_->stopping = true;
  EXPECT_FALSE(exporting.source->next().ok());
  give(*importing, std::string(kLines));
  executor_.run_all();
  ASSERT_TRUE(importing->answer.has_value());
  EXPECT_EQ(importing->answer->status, 503);
}

TEST_F(ApiStreamTest, ACheckpointSaysHowFarItReaches) {
  create();
  ASSERT_EQ(call("upsert_points", R"({"points":[{"id":"a","vector":[1,2]}]})").status, 200);
  EXPECT_EQ(call("checkpoint", "{}").body,
            R"({"ok":true,"collections":[{"name":"docs","lsn":1}]})");
  EXPECT_EQ(call("checkpoint", R"({"collection":"none"})").status, 404);
}

TEST_F(ApiStreamTest, AnUnavailableCollectionIsNotSaidToBeSaved) {
  create();
  ASSERT_TRUE((*context_->db.find("docs"))->close(false).ok());
  EXPECT_EQ(call("checkpoint", "{}").status, 503);
  EXPECT_EQ(call("checkpoint", R"({"collection":"docs"})").status, 503);
}

TEST_F(ApiStreamTest, ACheckpointOfAllWritesWhatItCanAndNamesTheOthers) {
  create();
  ASSERT_TRUE(files_.remove("data/collections/docs/config.json").ok());
  reopen();  // it cannot be opened
  for (const char* name : {"failed", "whole"}) {
    const std::string body = R"({"name":")" + std::string(name) + R"(","dimension":2,)";
    const Answer made = call("create_collection", body + R"("distance":"Cosine"})");
    ASSERT_EQ(made.status, 201) << made.body;
  }
  ASSERT_TRUE((*db_->find("failed"))->close(false).ok());
  for (const char* name : {"docs", "failed"}) {
    collection_ = name;
    const Answer search = call("search", R"({"vector":[1,2],"limit":1})");
    EXPECT_GE(search.status, 500) << search.body;
    const Answer one = call("checkpoint", R"({"collection":")" + collection_ + "\"}");
    EXPECT_EQ(one.status, search.status);
    EXPECT_EQ(one.body, search.body);
  }
  const Answer all = call("checkpoint", "{}");
  EXPECT_EQ(all.status, 200) << all.body;
  EXPECT_EQ(at(all, "/ok"), "false");
  EXPECT_EQ(at(all, "/collections"), R"([{"name":"whole","lsn":0}])");
  EXPECT_NE(at(all, "/errors/0").find("docs: "), std::string::npos) << all.body;
  EXPECT_NE(at(all, "/errors/1").find("failed: "), std::string::npos) << all.body;
}

TEST_F(ApiStreamTest, ACheckpointOfAllPassesOverWhatIsDroppedMeanwhile) {
  for (const char* operation : {"checkpoint", "save"}) {
    for (const char* name : {"a", "b"}) {
      collection_ = name;
      call("create_collection",
           R"({"name":")" + std::string(name) + R"(","dimension":2,"distance":"Cosine"})");
      ASSERT_EQ(call("upsert_points", R"({"points":[{"id":"a","vector":[1,2]}]})").status, 200);
    }
    // While a is being written.
    bool dropped = false;
    files_.on_operation([&](uint64_t) {
      if (std::exchange(dropped, true)) return;
      executor_.submit([this] { EXPECT_TRUE(db_->drop("b").ok()); });
    });
    const Answer all = call(operation, "{}");
    files_.on_operation(nullptr);
    EXPECT_TRUE(dropped);
    EXPECT_FALSE(db_->find("b").ok());
    EXPECT_EQ(all.status, 200) << all.body;
    EXPECT_EQ(at(all, "/ok"), "true");
  }
}

TEST_F(ApiStreamTest, AnImportIntoADroppedCollectionSaysSo) {
  create();
  auto importing = begin_import();
  give(*importing, std::string(kLines));
  ASSERT_TRUE(context_->db.drop("docs", false).ok());
  importing->sink->end();
  executor_.run_all();
  ASSERT_TRUE(importing->answer.has_value());
  EXPECT_EQ(importing->answer->status, 404) << importing->answer->body;
}

}  // namespace
}  // namespace ferres
