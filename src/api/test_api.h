// For tests: the operations over a real database on a simulated disk, single-threaded from a seed.
// Included by tests alone.
#pragma once
#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <simdjson.h>

#include "api/context.h"
#include "api/operations.h"
#include "auth/accounts.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/sim_files.h"
#include "db/database.h"

namespace ferres {

class ApiTest : public testing::Test {
 protected:
  ApiTest() { open(); }
  ~ApiTest() override { EXPECT_TRUE(db_->close().ok()); }

  void open() {
    const Environment environment{
        .files = &files_, .executor = &executor_, .clock = &clock_, .commit_clock = &commit_clock_};
    DatabaseOptions options;
    options.dir = "data";
    Result<std::shared_ptr<Database>> db = Database::open(environment, options);
    EXPECT_TRUE(db.ok()) << (db.ok() ? "" : db.error().message());
    db_ = *std::move(db);
    accounts_ = Accounts::open(files_, clock_,
                               {.path = "data/system/accounts.json",
                                .keys = {"secret"},
                                .token_secret = {},
                                .open_without_keys = false});
    principal_ = *accounts_->authenticate("Bearer secret");
    context_ = std::make_unique<Context>(*db_, *accounts_, clock_, files_, executor_, executor_,
                                         "test", "data", "127.0.0.1:1");
  }

  void reopen() {
    EXPECT_TRUE(db_->close().ok());
    db_.reset();
    open();
  }

  static const Operation& operation(std::string_view name) {
    for (const Operation& row : api_operations()) {
      if (row.name == name) return row;
    }
    ADD_FAILURE() << "no operation " << name;
    return api_operations().front();
  }

  /// Runs an operation on the collection "docs" to its answer.
  Answer call(std::string_view name, std::string body = "", std::string point_id = "",
              std::vector<std::pair<std::string, std::string>> query = {}) {
    Call call;
    call.principal = principal_;
    call.collection = collection_;
    call.item = std::move(point_id);
    call.query = std::move(query);
    call.body = std::move(body);
    return run(operation(name), call);
  }

  Answer run(const Operation& row, Call& call) {
    std::optional<Answer> answer;
    row.handler(*context_, call, [&](Answer given) { answer = std::move(given); });
    executor_.run_all();
    EXPECT_TRUE(answer.has_value()) << row.name << " did not answer";
    return answer.value_or(Answer{.status = 0, .body = {}});
  }

  void create(std::string_view distance = "Cosine") {
    const Answer answer = call("create_collection", R"({"name":"docs","dimension":2,"distance":")" +
                                                        std::string(distance) + R"("})");
    ASSERT_EQ(answer.status, 201) << answer.body;
  }

  /// The JSON text at a JSON pointer of an answer; "(none)" when absent.
  static std::string at(const Answer& answer, std::string_view pointer) {
    simdjson::dom::parser parser;
    simdjson::dom::element value;
    if (parser.parse(answer.body).at_pointer(pointer).get(value) != simdjson::SUCCESS) {
      return "(none)";
    }
    return simdjson::minify(value);
  }

  struct Refused {
    const char* body;
    int status;
    const char* error;
    const char* message;  // a part of it
  };
  /// Every body is answered with its status, error word and message, in shape A.
  void expect_refused(std::string_view name, std::initializer_list<Refused> cases) {
    for (const Refused& wrong : cases) {
      const Answer answer = call(name, wrong.body);
      EXPECT_EQ(answer.status, wrong.status) << wrong.body << "\n" << answer.body;
      EXPECT_EQ(at(answer, "/error"), "\"" + std::string(wrong.error) + "\"") << wrong.body;
      EXPECT_EQ(at(answer, "/code"), std::to_string(wrong.status)) << wrong.body;
      EXPECT_NE(answer.body.find(wrong.message), std::string::npos) << wrong.body << "\n"
                                                                    << answer.body;
    }
  }

  SimFiles files_{1};
  ManualExecutor executor_{1};
  ManualClock clock_{1'700'000'000'000'000};
  CommitClock commit_clock_{clock_};
  std::shared_ptr<Database> db_;
  std::unique_ptr<Accounts> accounts_;
  std::unique_ptr<Context> context_;
  std::string collection_ = "docs";
  Principal principal_;  // an admin
};

}  // namespace ferres
