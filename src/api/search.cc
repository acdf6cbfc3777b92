// POST /api/v1/collections/{name}/search (API.md 5.5, 16.2): the nearest points to a vector or to
// an existing point, on the connection's own thread.
#include <array>
#include <variant>

#include <fmt/format.h>

#include "api/handlers.h"
#include "api/requests.h"
#include "api/scope.h"
#include "api/search_cost.h"
#include "api/uuid.h"

namespace ferres {
namespace {

// Named by the contract, not built yet: refused rather than passed over.
constexpr std::array<std::string_view, 4> kNotYet = {"group_by", "query_text", "mmr",
                                                     "with_vectors"};
constexpr uint64_t kNanosPerMs = 1'000'000;
constexpr uint64_t kTimeoutMsMax = 86'400'000;

struct SearchCall {
  SearchRequest request;
  Scope scope;
  bool by_id = false;
  uint64_t offset = 0;
  std::optional<double> score_threshold;
  std::optional<uint64_t> budget_ms;
  uint64_t timeout_ms = 0;                                  // 0: none
  std::optional<std::vector<std::string>> metadata_fields;  // with_metadata as a list
};

Status read_target(const JsonFields& fields, SearchCall& search) {
  SearchRequest& request = search.request;
  TRY(fields.read("id", request.id));
  search.by_id = request.id.has_value();
  const JsonValue* vector = fields.find("vector");
  if (search.by_id && vector != nullptr) {
    return Status(Code::kInvalidArgument, "give either vector or id, not both");
  }
  if (search.by_id) return {};
  if (vector == nullptr) return Status(Code::kUnprocessable, "missing field 'vector' (or 'id')");
  return read_query_vector(*vector, request.vector);
}

Status read_limit(const JsonFields& fields, SearchCall& search) {
  TRY_ASSIGN(const uint32_t limit, read_limit(fields));
  TRY(fields.read("offset", search.offset));
  if (search.offset > kSearchLimitMax - limit) {
    return Status(Code::kInvalidArgument,
                  "offset plus limit too large: max " + std::to_string(kSearchLimitMax));
  }
  search.request.limit = static_cast<uint32_t>(limit + search.offset);
  return {};
}

Status read_with_metadata(const JsonFields& fields, SearchCall& search) {
  const JsonValue* value = fields.find("with_metadata");
  if (value == nullptr || value->is_bool()) {
    return fields.read("with_metadata", search.request.with_metadata);
  }
  search.metadata_fields.emplace();
  return read_strings(*value, "with_metadata", *search.metadata_fields);
}

Status read_options(const JsonFields& fields, SearchCall& search) {
  TRY(read_vector_field(fields));
  bool rerank = false;
  TRY(fields.read("rerank", rerank));  // passed over without a model, and there is none yet
  TRY(fields.refuse(kNotYet));
  TRY_ASSIGN(search.request.ef_search, read_ef_search(fields));
  TRY(fields.read("target_recall", search.request.target_recall));
  if (search.request.target_recall) {
    const double target = *search.request.target_recall;
    if (!(target > 0 && target <= 1)) {
      return Status(Code::kInvalidArgument, "target_recall must be above 0 and at most 1");
    }
    if (search.request.ef_search != 0) {
      return Status(Code::kInvalidArgument, "give either ef_search or target_recall, not both");
    }
  }
  TRY(fields.read("exact", search.request.exact));
  TRY(fields.read("with_vector", search.request.with_vector));
  TRY(fields.read("score_threshold", search.score_threshold));
  TRY(fields.read("budget_ms", search.budget_ms));
  TRY(fields.read("timeout_ms", search.timeout_ms));
  return read_with_metadata(fields, search);
}

Result<SearchCall> read_search(Call& call) {
  SearchCall search;
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  TRY(read_target(fields, search));
  TRY(read_limit(fields, search));
  TRY(read_options(fields, search));
  TRY_ASSIGN(search.scope, read_scope(fields, call));
  // An id is in one namespace.
  if (search.by_id) {
    TRY_ASSIGN(search.scope.ns, namespace_within(call.principal, search.scope.named()));
  }
  return search;
}

// The named top-level fields of stored metadata; metadata that is not an object has none.
std::string project(const std::string& metadata_json, const std::vector<std::string>& names) {
  thread_local simdjson::dom::parser parser;
  JsonWriter json;
  json.begin_object();
  simdjson::dom::object object;
  if (parser.parse(metadata_json).get_object().get(object) == simdjson::SUCCESS) {
    for (const auto field : object) {
      if (std::find(names.begin(), names.end(), field.key) == names.end()) continue;
      json.key(field.key).raw(simdjson::minify(field.value));
    }
  }
  json.end_object();
  return json.take();
}

void write_hit(JsonWriter& json, const SearchHit& hit, const SearchCall& search) {
  json.begin_object();
  json.field("id", std::string_view(hit.point.id)).field("score", hit.score);
  if (search.metadata_fields) {
    json.key("metadata").raw(project(hit.point.metadata_json, *search.metadata_fields));
  } else if (search.request.with_metadata) {
    json.key("metadata").raw(hit.point.metadata_json);
  }
  if (hit.point.ns) json.field("namespace", std::string_view(*hit.point.ns));
  if (search.request.with_vector) json.key("vector").numbers(hit.point.vector);
  if (hit.point.approximate) json.field("approximate", true);
  json.end_object();
}

std::string search_json(const SearchResult& result, const SearchCall& search, uint64_t nanos) {
  JsonWriter json;
  json.reserve(256 + result.hits.size() * 256);
  json.begin_object().key("results").begin_array();
  for (size_t i = search.offset; i < result.hits.size(); ++i) {
    const SearchHit& hit = result.hits[i];
    if (search.score_threshold && hit.score > *search.score_threshold) break;
    write_hit(json, hit, search);
  }
  json.end_array();
  json.field("took_ms", nanos / 1000000).field("query_id", make_uuid());
  json.field("lsn", result.lsn);
  json.end_object();
  return json.take();
}

Answer over_budget(const SearchEstimate& estimate, uint64_t budget_ms) {
  JsonWriter json;
  json.begin_object().field("error", "budget_exceeded");
  json.field("message", fmt::format("estimated cost ({:.1f}ms) exceeds budget ({}ms)",
                                    estimate.estimated_ms, budget_ms));
  json.field("code", 422).key("estimate").begin_object();
  write_estimate(json, estimate);
  json.end_object().end_object();
  return {.status = 422, .body = json.take()};
}

}  // namespace

Result<Answer> search_points(Context& context, Call& call) {
  const uint64_t started = context.clock.monotonic_nanos();
  TRY_ASSIGN(SearchCall search, read_search(call));
  search.scope.apply(search.request);
  TRY_ASSIGN(const std::shared_ptr<Collection> collection, context.db.find(call.collection));
  if (const auto& id = search.request.id)
    TRY(check_visible(call, *collection, *id, search.request.ns));
  SearchShape shape = shape_of(*collection, search.request);
  QueryStats& stats = context.query_stats;
  if (search.budget_ms) {
    TRY_ASSIGN(const SearchShape told, visible_shape(call, *collection, search.request));
    const SearchEstimate estimate = estimate_search(
        told, stats.cost_ratio(call.collection, kind_of(shape)), stats.latency(call.collection));
    if (estimate.estimated_ms > static_cast<double>(*search.budget_ms))
      return over_budget(estimate, *search.budget_ms);
  }
  if (search.timeout_ms != 0) {
    search.request.until_nanos = started + std::min(search.timeout_ms, kTimeoutMsMax) * kNanosPerMs;
  }
  TRY_ASSIGN(const SearchResult result, collection->search(search.request));
  const uint64_t nanos = context.clock.monotonic_nanos() - started;
  shape.ef_search = result.ef_search;  // which target_recall may have chosen
  stats.record_search(call.collection, static_cast<double>(nanos) / 1e6, kind_of(shape),
                      formula_ms(shape));
  return Answer{.body = search_json(result, search, nanos)};
}

}  // namespace ferres
