// POST /api/v1/collections/{name}/search/explain (API.md 5.5, 10.1): a search with the reasons for
// its answer.
#include <algorithm>
#include <cmath>

#include "api/handlers.h"
#include "api/requests.h"
#include "api/scope.h"

namespace ferres {
namespace {

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    sum += double{a[i]} * double{b[i]};
  return sum;
}

/// What the index compares by.
double raw_distance(Metric metric, float score) {
  return metric == Metric::kEuclidean ? double{score} * double{score} : double{score};
}

/// Nothing for distances that are not of directions.
std::optional<double> cosine(Metric metric, const SearchHit& hit, std::span<const float> query) {
  if (metric == Metric::kEuclidean) return std::nullopt;
  if (metric == Metric::kCosine) return 1 - double{hit.score};
  const std::span<const float> vector(hit.point.vector);
  const double lengths = std::sqrt(dot(query, query) * dot(vector, vector));
  return lengths == 0 ? 0 : dot(query, vector) / lengths;
}

void write_evaluation(JsonWriter& json, const FilterReport& report) {
  json.key("filter_evaluation").begin_object().key("conditions").begin_array();
  for (const ConditionReport& condition : report.conditions) {
    json.begin_object();
    json.field("field", std::string_view(condition.field)).field("operator", condition.op);
    json.key("expected").raw(condition.expected_json);
    json.key("actual").raw(condition.actual_json);
    json.field("passed", condition.passed).end_object();
  }
  json.end_array().field("passed", report.passed).end_object();
}

void write_point(JsonWriter& json, const ExplainedPoint& point, const SearchRequest& request,
                 Metric metric) {
  const SearchHit& hit = point.hit;
  const double raw = raw_distance(metric, hit.score);
  const std::optional<double> direction = cosine(metric, hit, request.vector);
  json.begin_object();
  json.field("id", std::string_view(hit.point.id)).field("score", hit.score);
  if (hit.point.ns) json.field("namespace", std::string_view(*hit.point.ns));
  json.field("distance_metric", metric_name(metric)).field("raw_distance", raw);
  json.key("score_breakdown").begin_object();
  json.field("raw_distance", raw).field("vector_score", hit.score);
  if (direction) json.field("cosine_similarity", *direction);
  json.end_object();
  if (request.filter != nullptr && !request.filter->empty())
    write_evaluation(json, request.filter->explain(hit.point.metadata_json));
  json.field("rank_before_filter", point.rank_before);
  json.field("rank_after_filter", point.rank_after);
  if (direction) json.field("similarity", std::clamp((1 + *direction) / 2, 0.0, 1.0));
  json.end_object();
}

/// `whole`: for a caller from whom nothing is hidden, who may know how much was looked at.
std::string explanation_json(const Explanation& told, const SearchRequest& request, Metric metric,
                             bool whole) {
  const auto passed = std::count_if(told.points.begin(), told.points.end(),
                                    [](const auto& point) { return point.rank_after != 0; });
  JsonWriter json;
  json.begin_object();
  json.field("query_vector_norm", std::sqrt(dot(request.vector, request.vector)));
  json.field("distance_metric", metric_name(metric));
  json.field("candidates_scanned", told.points.size());
  json.field("candidates_after_filter", passed);
  json.key("results").begin_array();
  for (const ExplainedPoint& point : told.points)
    write_point(json, point, request, metric);
  json.end_array().key("index_stats").begin_object();
  json.field("total_points", told.scope.points).field("hnsw_layers", told.trace.layers);
  json.field("ef_search_used", told.ef_search);
  json.field("tombstones_skipped", whole ? told.trace.tombstones : 0).end_object();
  if (whole) {
    json.key("explain_meta").begin_object();
    json.field("candidates_visited", told.trace.visited);
    json.field("layers_traversed", told.trace.layers);
    json.field("tombstones_skipped", told.trace.tombstones).end_object();
  }
  json.end_object();
  return json.take();
}

}  // namespace

Result<Answer> explain_search(Context& context, Call& call) {
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  SearchRequest request;
  TRY_ASSIGN(const JsonValue vector, fields.require("vector"));
  TRY(read_query_vector(vector, request.vector));
  TRY_ASSIGN(request.limit, read_limit(fields));
  TRY(read_vector_field(fields));
  TRY_ASSIGN(request.ef_search, read_ef_search(fields));
  TRY(fields.read("exact", request.exact));
  TRY_ASSIGN(const Scope scope, read_scope(fields, call));
  scope.apply(request);
  // What hides points from the caller hides them among the refused, too.
  TRY_ASSIGN(const std::shared_ptr<const Predicate> restriction, read_restriction(call));
  TRY_ASSIGN(const std::shared_ptr<Collection> collection, context.db.find(call.collection));
  const Metric metric = collection->config().metric;
  request.with_vector = metric == Metric::kDot;  // whose lengths the score does not tell
  TRY_ASSIGN(Explanation told, collection->explain(request, restriction.get()));
  const bool whole = call.principal.sees_all(call.collection);
  if (!whole) {
    TRY_ASSIGN(told.scope.points, visible_points(*collection, call));
  }
  return Answer{.body = explanation_json(told, request, metric, whole)};
}

}  // namespace ferres
