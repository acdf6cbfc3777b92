// POST /api/v1/collections/{name}/points (API.md 5.3): 1 to 1000 points, one log record. A bad
// point is listed in `failed` and does not fail the rest; JSON of the wrong shape fails the
// request.
#include "api/errors.h"
#include "api/handlers.h"
#include "api/requests.h"
#include "api/scope.h"

namespace ferres {
namespace {

struct UpsertCall {
  UpsertRequest request;
  std::shared_ptr<Collection> collection;
};

Status read_points(JsonValue value, const Call& call, UpsertRequest& request) {
  simdjson::dom::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS) {
    return Status(Code::kUnprocessable, "points must be an array of objects");
  }
  if (array.size() == 0) {
    return Status(Code::kInvalidArgument, "points must contain at least 1 item");
  }
  if (array.size() > kPointsPerUpsertMax) {
    return Status(
        Code::kInvalidArgument,
        "batch too large: max " + std::to_string(kPointsPerUpsertMax) + " points per request");
  }
  request.points.reserve(array.size());
  const std::optional<std::string> ambient = call.ambient_namespace();
  for (const JsonValue item : array) {
    const size_t index = request.points.size() + request.failed.size();
    TRY_ASSIGN(const JsonFields fields,
               JsonFields::of(item, "points[" + std::to_string(index) + "]"));
    PointInput point;
    std::string reason;
    TRY(read_point(fields, index, point, reason));
    TRY_ASSIGN(point.ns, namespace_within(call.principal, point.ns ? point.ns : ambient));
    if (reason.empty()) {
      request.points.push_back(std::move(point));
    } else {
      request.failed.emplace_back(std::move(point.id), std::move(reason));
    }
  }
  return {};
}

Result<OnConflict> read_on_conflict(const JsonFields& fields) {
  std::string name = "replace";
  TRY(fields.read("on_conflict", name));
  if (name == "replace") return OnConflict::kReplace;
  if (name == "skip") return OnConflict::kSkip;
  if (name == "fail") return OnConflict::kFail;
  return Status(Code::kUnprocessable,
                "on_conflict must be replace, skip or fail, not '" + name + "'");
}

/// The caller's restriction is on what points become and, in `within`, on what they were.
void refuse_outside(const Predicate& restriction, UpsertRequest& request) {
  std::vector<PointInput> kept;
  for (PointInput& point : request.points) {
    if (restriction.matches(point.metadata_json)) {
      kept.push_back(std::move(point));
    } else {
      request.failed.emplace_back(std::move(point.id), "you may not write points of this metadata");
    }
  }
  request.points = std::move(kept);
}

Result<UpsertCall> read_upsert(Context& context, Call& call) {
  UpsertCall result;
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  TRY_ASSIGN(result.request.async, read_async(fields));
  TRY(fields.read("atomic", result.request.atomic));
  TRY_ASSIGN(result.request.on_conflict, read_on_conflict(fields));
  TRY_ASSIGN(const JsonValue points, fields.require("points"));
  TRY(read_points(points, call, result.request));
  TRY_ASSIGN(result.collection, context.db.find(call.collection));
  TRY_ASSIGN(result.request.within, read_restriction(call));
  if (result.request.within) refuse_outside(*result.request.within, result.request);
  return result;
}

void write_failed(JsonWriter& json, const UpsertResult& result) {
  json.key("failed").begin_array();
  for (const auto& [id, reason] : result.failed) {
    json.begin_object();
    json.field("id", std::string_view(id)).field("reason", std::string_view(reason));
    json.end_object();
  }
  json.end_array();
}

// Nothing of an atomic request is written when one of its points is wrong.
Answer refused_answer(const UpsertResult& result) {
  JsonWriter json;
  json.begin_object();
  json.field("error", "invalid_payload");
  json.field("message", "atomic upsert refused: " + std::to_string(result.failed.size()) +
                            " of its points are invalid");
  json.field("code", 400);
  write_failed(json, result);
  json.end_object();
  return {.status = 400, .body = json.take()};
}

Answer upsert_answer(const UpsertResult& result, bool async) {
  JsonWriter json;
  json.begin_object();
  json.field("upserted", result.upserted);
  if (result.skipped != 0) json.field("skipped", result.skipped);
  write_failed(json, result);
  write_commit(json, async, result.lsn);
  json.end_object();
  return {.body = json.take()};
}

}  // namespace

void upsert_points(Context& context, Call& call, const Reply& reply) {
  Result<UpsertCall> upsert = read_upsert(context, call);
  if (!upsert.ok()) return reply(error_answer(upsert.error()));
  const bool async = upsert->request.async;
  const bool atomic = upsert->request.atomic;
  upsert->collection->upsert(
      std::move(upsert->request), [&context, name = call.collection, reply, async, atomic,
                                   note = call.audit](Result<UpsertResult> result) {
        if (!result.ok()) return reply(error_answer(result.error()));
        context.query_stats.record_written(name, result->upserted);
        if (note) {
          note->details_json = "{\"upserted\":" + std::to_string(result->upserted) + "}";
          note->partial = !result->failed.empty();
        }
        const bool refused = atomic && !result->failed.empty();
        reply(refused ? refused_answer(*result) : upsert_answer(*result, async));
      });
}

}  // namespace ferres
