// POST /api/v1/collections/{name}/search/estimate (API.md 5.5): what a search would cost. Nothing
// is searched.
#include "api/handlers.h"
#include "api/requests.h"
#include "api/scope.h"
#include "api/search_cost.h"

namespace ferres {
namespace {

void write_history(JsonWriter& json, const LatencySummary& latency, uint64_t searches) {
  json.key("historical_latency").begin_object();
  json.field("p50_ms", latency.p50_ms).field("p95_ms", latency.p95_ms);
  json.field("p99_ms", latency.p99_ms).field("avg_ms", latency.avg_ms);
  json.field("total_queries", searches).end_object();
}

}  // namespace

Result<Answer> estimate_search_cost(Context& context, Call& call) {
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  SearchRequest request;
  TRY_ASSIGN(request.limit, read_limit(fields));
  TRY_ASSIGN(request.ef_search, read_ef_search(fields));
  TRY(fields.read("exact", request.exact));
  bool include_history = false;
  TRY(fields.read("include_history", include_history));
  TRY_ASSIGN(const Scope scope, read_scope(fields, call));
  scope.apply(request);
  TRY_ASSIGN(const std::shared_ptr<Collection> collection, context.db.find(call.collection));

  TRY_ASSIGN(const SearchShape shape, visible_shape(call, *collection, request));
  const LatencySummary latency = context.query_stats.latency(call.collection);
  const double ratio = context.query_stats.cost_ratio(call.collection, kind_of(shape));
  JsonWriter json;
  json.begin_object();
  write_estimate(json, estimate_search(shape, ratio, latency));
  if (include_history) {
    uint64_t searches = 0;
    for (const MinuteOfUse& minute : context.query_stats.minutes(call.collection))
      searches += minute.searches;
    write_history(json, latency, searches);
  }
  json.end_object();
  return Answer{.body = json.take()};
}

}  // namespace ferres
