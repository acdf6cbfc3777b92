// POST /api/v1/collections/{name}/search/connected (API.md 16.2): the nearest to a vector among the
// points that links lead to from another one.
#include "api/handlers.h"
#include "api/relations.h"
#include "api/requests.h"
#include "api/scope.h"
#include "api/uuid.h"

namespace ferres {
namespace {

struct ConnectedCall {
  ConnectedRequest request;
  Scope scope;
  CallSight sight;
};

Result<PointName> read_center(const JsonFields& fields, const Call& call, const Scope& scope) {
  std::string id;
  std::optional<std::string> ns;
  TRY(fields.require("center_id", id));
  TRY(fields.read("center_namespace", ns));
  if (!ns && id.find('\0') == std::string::npos) ns = scope.named();
  return point_name(call, id, ns);
}

Result<ConnectedCall> read_connected(Call& call) {
  ConnectedCall result;
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  TRY_ASSIGN(const JsonValue vector, fields.require("vector"));
  TRY(read_vector(vector, "vector", kDimensionMax, result.request.search.vector));
  uint64_t limit = 0;
  uint64_t hops = 1;
  TRY(fields.require("limit", limit));
  TRY(fields.read("hops", hops));
  // What is beyond 32 bits is beyond the limits, too.
  result.request.search.limit = static_cast<uint32_t>(std::min<uint64_t>(limit, ~uint32_t{0}));
  result.request.hops = static_cast<uint32_t>(std::min<uint64_t>(hops, ~uint32_t{0}));
  TRY_ASSIGN(result.scope, read_scope(fields, call));
  TRY_ASSIGN(result.request.center, read_center(fields, call, result.scope));
  TRY_ASSIGN(result.sight, sight_of(call));
  return result;
}

std::string result_json(const SearchResult& result, uint64_t nanos) {
  JsonWriter json;
  json.begin_object().key("results").begin_array();
  for (const SearchHit& hit : result.hits) {
    json.begin_object();
    json.field("id", std::string_view(hit.point.id)).field("score", hit.score);
    json.key("metadata").raw(hit.point.metadata_json);
    if (hit.point.ns) json.field("namespace", std::string_view(*hit.point.ns));
    json.end_object();
  }
  json.end_array();
  json.field("took_ms", nanos / 1'000'000).field("query_id", make_uuid());
  json.field("lsn", result.lsn);
  json.end_object();
  return json.take();
}

}  // namespace

Result<Answer> search_connected(Context& context, Call& call) {
  const uint64_t started = context.clock.monotonic_nanos();
  TRY_ASSIGN(ConnectedCall connected, read_connected(call));
  connected.scope.apply(connected.request.search);
  connected.request.sight = connected.sight.sight();
  TRY_ASSIGN(const std::shared_ptr<Collection> collection, context.db.find(call.collection));
  TRY_ASSIGN(const SearchResult result, collection->search_connected(connected.request));
  const uint64_t nanos = context.clock.monotonic_nanos() - started;
  return Answer{.body = result_json(result, nanos)};
}

}  // namespace ferres
