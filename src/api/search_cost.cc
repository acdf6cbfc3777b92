// The formula of API.md 10.4 and its JSON.
#include "api/search_cost.h"

#include <algorithm>
#include <cmath>

#include "api/scope.h"

namespace ferres {
namespace {

constexpr double kNodeComponentMs = 4e-6;
constexpr double kConditionMs = 1e-5;
constexpr double kHydrationMs = 0.001;
constexpr double kNetworkMs = 0.1;
constexpr double kFilteredTimes = 10;  // candidates for each point of the answer
constexpr double kHistoryShare = 0.3;
constexpr double kExpensiveMs = 50;

constexpr uint32_t kManyResults = 100;
constexpr uint32_t kWide = 1024;
constexpr uint32_t kWideSearch = 200;
constexpr uint64_t kManyToFilter = 100'000;
constexpr uint64_t kManyPoints = 1'000'000;

uint32_t ef_of(const SearchShape& shape) {
  const uint32_t ef = shape.ef_search != 0 ? shape.ef_search : shape.scope.ef_search;
  return std::max(ef, shape.limit);
}

double nodes_of(const SearchShape& shape) {
  const auto points = static_cast<double>(shape.scope.points);
  if (shape.exact) return points;
  const double parts = std::max<double>(1, static_cast<double>(shape.scope.partitions));
  const double levels = std::max(1.0, std::log(std::max(1.0, points / parts)));
  return parts * levels * ef_of(shape);
}

/// As the formula says it.
SearchEstimate formula(const SearchShape& shape) {
  SearchEstimate cost;
  cost.index_scan_ms = nodes_of(shape) * shape.dimension * kNodeComponentMs;
  cost.filter_ms = shape.limit * kFilteredTimes * shape.conditions * kConditionMs;
  cost.hydration_ms = shape.limit * kHydrationMs;
  cost.network_ms = kNetworkMs;
  cost.estimated_ms = cost.index_scan_ms + cost.filter_ms + cost.hydration_ms + cost.network_ms;
  return cost;
}

std::vector<std::string> recommendations(const SearchShape& shape) {
  std::vector<std::string> advice;
  const bool filtered = shape.conditions > 0;
  if (shape.limit > kManyResults) advice.emplace_back("ask for fewer results: limit is above 100");
  if (filtered && shape.scope.points > kManyToFilter)
    advice.emplace_back("filters on more than 100000 points take time: narrow by namespace");
  if (shape.dimension > kWide)
    advice.emplace_back("vectors have more than 1024 components: a smaller model or quantization");
  if (ef_of(shape) > kWideSearch)
    advice.emplace_back("a smaller ef_search is faster and finds a little less: it is above 200");
  if (!filtered && shape.scope.points > kManyPoints)
    advice.emplace_back("more than 1000000 points are searched: add a filter or a namespace");
  return advice;
}

}  // namespace

SearchShape shape_of(const Collection& collection, const SearchRequest& request) {
  SearchShape shape;
  shape.scope = collection.search_scope(request);
  shape.dimension = collection.config().dimension;
  shape.limit = request.limit;
  shape.ef_search = request.ef_search;
  shape.exact = request.exact || request.target_recall == 1;
  bool in_namespace = request.ns.has_value() || !request.namespaces.empty();
  if (request.filter != nullptr) {
    shape.conditions = request.filter->conditions();
    in_namespace = in_namespace || request.filter->namespace_name().has_value();
  }
  if (in_namespace) ++shape.conditions;
  return shape;
}

Result<SearchShape> visible_shape(const Call& call, Collection& collection,
                                  const SearchRequest& request) {
  SearchShape shape = shape_of(collection, request);
  if (call.principal.sees_all(call.collection)) return shape;
  TRY_ASSIGN(shape.scope.points, visible_points(collection, call));
  return shape;
}

SearchKind kind_of(const SearchShape& shape) {
  if (shape.exact) return shape.conditions > 0 ? SearchKind::kExactFiltered : SearchKind::kExact;
  return shape.conditions > 0 ? SearchKind::kFiltered : SearchKind::kPlain;
}

double formula_ms(const SearchShape& shape) {
  return formula(shape).estimated_ms;
}

SearchEstimate estimate_search(const SearchShape& shape, double ratio,
                               const LatencySummary& latency) {
  SearchEstimate estimate = formula(shape);
  double expected = estimate.estimated_ms * ratio;
  if (latency.p50_ms > 0) expected += kHistoryShare * (latency.p50_ms - expected);
  const double scale = expected / estimate.estimated_ms;
  estimate.index_scan_ms *= scale;
  estimate.filter_ms *= scale;
  estimate.hydration_ms *= scale;
  estimate.network_ms *= scale;
  estimate.estimated_ms = expected;
  estimate.low_ms = 0.5 * expected;
  estimate.high_ms = std::max(1.5 * expected, latency.p95_ms);
  const double vector_bytes = sizeof(float) * static_cast<double>(shape.dimension);
  const double nodes = std::ceil(nodes_of(shape));
  estimate.nodes_visited = static_cast<uint64_t>(nodes);
  estimate.memory_bytes =
      static_cast<uint64_t>(nodes * (vector_bytes + 64) + shape.limit * (vector_bytes + 256));
  estimate.is_expensive = expected > (latency.p95_ms > 0 ? latency.p95_ms : kExpensiveMs);
  estimate.recommendations = recommendations(shape);
  return estimate;
}

void write_estimate(JsonWriter& json, const SearchEstimate& estimate) {
  json.field("estimated_ms", estimate.estimated_ms);
  json.key("confidence_range").begin_array();
  json.number(estimate.low_ms).number(estimate.high_ms).end_array();
  json.field("estimated_memory_bytes", estimate.memory_bytes);
  json.field("estimated_nodes_visited", estimate.nodes_visited);
  json.field("is_expensive", estimate.is_expensive);
  json.key("recommendations").begin_array();
  for (const std::string& advice : estimate.recommendations)
    json.string(advice);
  json.end_array();
  json.key("breakdown").begin_object();
  json.field("index_scan_cost", estimate.index_scan_ms).field("filter_cost", estimate.filter_ms);
  json.field("hydration_cost", estimate.hydration_ms);
  json.field("network_overhead", estimate.network_ms).end_object();
}

}  // namespace ferres
