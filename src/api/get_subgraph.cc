// GET /api/v1/collections/{name}/graph/subgraph (API.md 5.4, 15): points and the links among them,
// around one point or all over the collection.
#include "api/handlers.h"
#include "api/relations.h"
#include "api/requests.h"
#include "api/scope.h"

namespace ferres {
namespace {

constexpr uint64_t kLimitDefault = 500;
constexpr uint64_t kLimitMax = 2000;
constexpr uint64_t kDepthMax = 1000;

Result<std::optional<PointName>> read_center(const Call& call, SubgraphRequest& request) {
  TRY_ASSIGN(const uint64_t depth, query_number(call, "depth", 1));
  if (const std::string* const id = call.parameter("center_id"); id != nullptr && !id->empty()) {
    request.depth = static_cast<uint32_t>(std::min(depth, kDepthMax));
    TRY_ASSIGN(PointName center, point_name(call, *id));
    return std::optional(std::move(center));
  }
  const std::string* const seed = call.parameter("seed");
  if (seed == nullptr || seed->empty()) return std::optional<PointName>();
  request.depth = 1;
  TRY_ASSIGN(PointName center, point_name(call, *seed));
  return std::optional(std::move(center));
}

void write_node(JsonWriter& json, const Point& node) {
  json.begin_object();
  json.field("id", storage_id(PointName{node.id, node.ns}));
  json.key("metadata").raw(node.metadata_json);
  if (node.ns) json.field("namespace", std::string_view(*node.ns));
  json.field("created_at", node.created_at);
  write_relations(json, node);
  json.end_object();
}

std::string graph_json(const Subgraph& graph) {
  JsonWriter json;
  json.begin_object().key("nodes").begin_array();
  for (const Point& node : graph.nodes)
    write_node(json, node);
  json.end_array().key("edges").begin_array();
  const auto id_of = [&](size_t place) {
    const Point& node = graph.nodes[place];
    return storage_id(PointName{node.id, node.ns});
  };
  for (const auto& [one, other] : graph.edges) {
    const std::string source = id_of(one);
    const std::string target = id_of(other);
    json.begin_object().field("source", source).field("target", target);
    json.field("from", source).field("to", target).end_object();
  }
  json.end_array().field("truncated", graph.cut).end_object();
  return json.take();
}

}  // namespace

Result<Answer> get_subgraph(Context& context, Call& call) {
  SubgraphRequest request;
  TRY_ASSIGN(const uint64_t limit, query_number(call, "limit", kLimitDefault));
  request.limit = std::min(limit, kLimitMax);
  TRY_ASSIGN(request.center, read_center(call, request));
  TRY_ASSIGN(const Scope scope, query_scope(call));
  scope.apply(request);
  TRY_ASSIGN(const CallSight sight, sight_of(call));
  request.sight = sight.sight();
  TRY_ASSIGN(const std::shared_ptr<Collection> collection, context.db.find(call.collection));
  TRY_ASSIGN(const Subgraph graph, collection->subgraph(request));
  return Answer{.body = graph_json(graph)};
}

}  // namespace ferres
