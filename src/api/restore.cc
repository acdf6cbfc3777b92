// POST /api/v1/admin/restore (API.md 5.9, 10.8, 16.2): collections become what they were at a
// moment, or an old state becomes a collection of its own. Answered when it is done; how far it is,
// GET /admin/tasks tells meanwhile.
#include <algorithm>

#include "api/errors.h"
#include "api/handlers.h"
#include "json/reader.h"
#include "json/writer.h"

namespace ferres {
namespace {

constexpr uint64_t kMicros = 1'000'000;
constexpr size_t kRestoresMax = 100;  // those that wait for their turn are not counted

Result<RestoreRequest> read_request(Call& call) {
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  std::optional<uint64_t> seconds;
  RestoreRequest request;
  TRY(fields.read("timestamp", seconds));
  TRY(fields.read("timestamp_us", request.target.unix_micros));
  TRY(fields.read("lsn", request.target.lsn));
  TRY(fields.read("collection", request.collection));
  TRY(fields.read("target_collection", request.as));
  TRY(fields.read("namespace", request.target.ns));
  if (request.collection) call.about("collection:" + *request.collection);
  TRY_ASSIGN(std::string details, to_json_text(body));
  call.detail(std::move(details));
  if (request.target.ns && !request.collection)
    return Status(Code::kInvalidArgument, "a namespace is of one collection: name the collection");
  if (std::string reason = invalid_namespace(request.target.ns.value_or("")); !reason.empty())
    return Status(Code::kInvalidArgument, std::move(reason));
  for (const auto& name : {request.collection, request.as}) {
    if (name && name->size() > kNameBytesMax) {
      return Status(Code::kInvalidArgument,
                    "a collection's name has at most " + std::to_string(kNameBytesMax) + " bytes");
    }
  }
  const int targets =
      (seconds ? 1 : 0) + (request.target.unix_micros ? 1 : 0) + (request.target.lsn ? 1 : 0);
  if (targets == 0) {
    return Status(Code::kUnprocessable, "missing field 'timestamp' (or timestamp_us, or lsn)");
  }
  if (targets > 1) {
    return Status(Code::kInvalidArgument, "give one of timestamp, timestamp_us and lsn");
  }
  // A second ends with its last microsecond: what was written in it counts.
  if (seconds) {
    request.target.unix_micros =
        std::min(*seconds, ~uint64_t{0} / kMicros - 1) * kMicros + kMicros - 1;
  }
  return request;
}

std::string message_of(const RestoreOutcome& outcome) {
  std::string text = "restored " + std::to_string(outcome.restored.size()) +
                     (outcome.restored.size() == 1 ? " collection" : " collections");
  if (!outcome.failed.empty())
    text += "; " + std::to_string(outcome.failed.size()) + " failed, see errors";
  if (!outcome.newer.empty())
    text += "; left as they are, for they were made later: " + std::to_string(outcome.newer.size());
  return text;
}

Answer answer_of(const RestoreOutcome& outcome) {
  const bool failed = outcome.restored.empty() && !outcome.failed.empty();
  JsonWriter json;
  json.begin_object();
  if (failed) json.field("error", "restore_failed");
  json.field("ok", outcome.failed.empty());
  json.field("message", message_of(outcome));
  for (const char* key : {"restored", "collections_restored"}) {
    json.key(key).begin_array();
    for (const auto& [name, result] : outcome.restored)
      json.string(name);
    json.end_array();
  }
  json.key("errors").begin_array();
  for (const auto& [name, status] : outcome.failed)
    json.string(name + ": " + std::string(status.message()));
  json.end_array();
  json.key("details").begin_array();
  for (const auto& [name, result] : outcome.restored) {
    json.begin_object().field("collection", name);
    json.field("lsn", result.lsn).field("source_lsn", result.source_lsn);
    json.field("source_timestamp_us", result.source_micros).field("points", result.points);
    json.end_object();
  }
  json.end_array().end_object();
  return {.status = failed ? 422 : 200, .body = json.take()};
}

/// The contract's answer when the one collection that was named cannot be restored.
Answer refusal(const std::string& name, const Status& status) {
  if (status.code() == Code::kNotFound && status.message().ends_with("' not found")) {
    JsonWriter json;
    json.begin_object().field("error", "collection_not_found");
    json.field("message", status.message()).end_object();
    return {.status = 404, .body = json.take()};
  }
  if (status.code() != Code::kNotFound) return error_answer(status);
  RestoreOutcome outcome;
  outcome.failed.emplace_back(name, status.clone());
  return answer_of(outcome);
}

}  // namespace

void restore(Context& context, Call& call, const Reply& reply) {
  auto request = read_request(call);
  if (!request.ok()) return reply(error_answer(request.error()));
  context.long_requests.submit([&context, request = *std::move(request), reply] {
    const Result<uint64_t> begun = context.tasks.begin(
        "restore", request.collection.value_or("all collections"), kRestoresMax);
    if (!begun.ok()) return reply(error_answer(begun.error()));
    const uint64_t task = *begun;
    const auto progress = [&context, task](uint64_t done, uint64_t total) -> Status {
      TRY(context.tasks.progress(task, done, total));
      if (!context.stopping) return {};
      return {Code::kUnavailable, "the server is stopping: nothing was restored"};
    };
    auto outcome = context.db.restore(request, progress);
    context.tasks.end(task, outcome.ok() ? Status() : outcome.error().clone());
    reply(outcome.ok() ? answer_of(*outcome)
                       : refusal(request.collection.value_or(""), outcome.error()));
  });
}

}  // namespace ferres
