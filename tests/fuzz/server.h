// The operations as they stand behind HTTP, for fuzz targets: over a database with a small
// collection "docs", on a disk that takes nothing any more. So no request changes what the next one
// finds.
#pragma once
#include <cstdlib>
#include <optional>
#include <string>

#include <simdjson.h>

#include "api/context.h"
#include "api/operations.h"
#include "auth/accounts.h"
#include "base/logging.h"
#include "base/sim_files.h"

namespace ferres {

class FuzzServer {
  static constexpr uint64_t kLongestWaitMicros = 61'000'000;

 public:
  FuzzServer() {
    configure_logging({.level = LogLevel::kOff});
    context_.open_store = [](const S3Target&, const S3Options&) {
      return Status(Code::kUpstream, "there is no store");
    };
    ask("create_collection", R"({"name":"docs","dimension":2,"distance":"Euclidean"})");
    ask("upsert_points", R"({"points":[
        {"id":"a","vector":[1,2],"metadata":{"x":1,"tags":["red","green"],"deep":{"y":null}}},
        {"id":"b","vector":[3,4],"metadata":{"x":2.5,"at":"2024-01-01T00:00:00Z"},"ttl":60},
        {"id":"c","vector":[5,6],"metadata":{"place":{"lat":52.5,"lon":13.4}},"namespace":"n"},
        {"id":"d","metadata":{"x":"Text"}}]})");
    ask("checkpoint", "{}");
    files_.fail_at(1, FaultKind::kEnospc, true);
  }

  /// Lines go to a call's sink in pieces of so many bytes. The answer is JSON, or lines of it, and
  /// blames the server for nothing but its disk and the store.
  Answer run(const Operation& operation, Call& call, size_t piece_bytes) {
    std::optional<Answer> answer;
    call.principal = *accounts_->authenticate("Bearer k");
    operation.handler(context_, call, [&answer](Answer given) { answer = std::move(given); });
    for (std::string_view left = call.body; call.sink != nullptr && !left.empty();) {
      call.sink->write(std::string(left.substr(0, piece_bytes)), [] {});
      left.remove_prefix(std::min(left.size(), piece_bytes));
      executor_.run_all();
    }
    if (call.sink != nullptr) call.sink->end();
    executor_.run_all();
    if (!answer) {  // it waits for an LSN to come, a minute at most
      clock_.advance_micros(kLongestWaitMicros);
      executor_.advance_micros(kLongestWaitMicros);
      executor_.run_all();
    }
    if (!answer || answer->status == 500 || answer->status == 503) std::abort();
    for (bool more = answer->source != nullptr; more;) {
      const auto piece = answer->source->next();
      if (!piece.ok()) std::abort();
      more = piece->has_value();
      if (more) answer->body += **piece;
    }
    if (answer->content_type.find("json") != std::string_view::npos) check_json(answer->body);
    return *std::move(answer);
  }

  static const Operation& operation(std::string_view name) {
    for (const Operation& row : api_operations())
      if (row.name == name) return row;
    std::abort();
  }

 private:
  static void check_json(std::string_view lines) {
    simdjson::dom::parser parser;
    while (!lines.empty()) {
      const std::string_view line = lines.substr(0, lines.find('\n'));
      if (parser.parse(line.data(), line.size()).error() != simdjson::SUCCESS) std::abort();
      lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    }
  }
  void ask(std::string_view name, std::string body) {
    Call call{.collection = "docs", .body = std::move(body)};
    if (run(operation(name), call, 1).status >= 300) std::abort();
  }
  std::shared_ptr<Database> open() {
    const Environment environment{
        .files = &files_, .executor = &executor_, .clock = &clock_, .commit_clock = &commit_clock_};
    return *Database::open(environment, {.dir = "data"});
  }

  SimFiles files_{1};
  ManualExecutor executor_{1};
  ManualClock clock_{1'700'000'000'000'000};
  CommitClock commit_clock_{clock_};
  std::shared_ptr<Database> db_ = open();
  std::unique_ptr<Accounts> accounts_ = Accounts::open(
      files_, clock_, {.path = "data/system/accounts.json", .keys = {"k"}, .token_secret = {}});
  Context context_{*db_,      *accounts_, clock_, files_,       executor_,
                   executor_, "fuzz",     "data", "127.0.0.1:1"};
};

}  // namespace ferres
