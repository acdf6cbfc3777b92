// GET /api/v1/collections (API.md 5.2): in order of name; with ?namespace= only those that hold a
// point there, and those of which nobody can tell.
#include <algorithm>

#include "api/errors.h"
#include "api/handlers.h"
#include "api/scope.h"
#include "json/writer.h"

namespace ferres {
namespace {

struct Row {
  CollectionConfig config;
  uint64_t points = 0;
  Status failure;
};

/// The points that the caller may see: all, or those of the namespace that it names.
Result<uint64_t> points_of(Collection& collection, const Call& call) {
  TRY(collection.failure());
  const std::string& name = collection.config().name;
  if (!call.ambient_namespace() && call.principal.sees_all(name)) return collection.stats().points;
  TRY_ASSIGN(const Scope scope, whole_scope(call, name));
  ListRequest request;
  scope.apply(request);
  request.count_only = true;
  TRY_ASSIGN(const ListResult counted, collection.list(request));
  return counted.total;
}

std::vector<Row> rows_of(Database& db, const Call& call) {
  const bool of_namespace = call.ambient_namespace() || !call.principal.namespaces().empty();
  std::vector<Row> rows;
  for (const std::shared_ptr<Collection>& collection : db.list()) {
    const CollectionConfig& config = collection->config();
    if (!call.principal.may(Permission::kRead, config.name)) continue;
    const Result<uint64_t> points = points_of(*collection, call);
    if (points.ok() ? of_namespace && *points == 0 : points.error().code() == Code::kNotFound)
      continue;
    const bool whole = call.principal.sees_all(config.name);
    rows.push_back({config, points.ok() && !whole ? *points : collection->stats().points,
                    points.ok() ? Status() : points.error().clone()});
  }
  for (UnopenedCollection& unopened : db.unopened()) {
    if (call.principal.may(Permission::kRead, unopened.config.name))
      rows.push_back({std::move(unopened.config), 0, std::move(unopened.why)});
  }
  std::sort(rows.begin(), rows.end(),
            [](const Row& a, const Row& b) { return a.config.name < b.config.name; });
  return rows;
}

}  // namespace

Result<Answer> list_collections(Context& context, Call& call) {
  const std::vector<Row> rows = rows_of(context.db, call);
  JsonWriter json;
  json.begin_object().key("collections").begin_array();
  for (const auto& [config, points, failure] : rows) {
    json.begin_object();
    json.field("name", std::string_view(config.name)).field("dimension", config.dimension);
    json.field("num_points", points).field("created_at", config.created_at);
    json.field("distance", metric_name(config.metric));
    if (config.retention_days) json.field("retention_days", *config.retention_days);
    if (!failure.ok()) json.field("unavailable", message_for_clients(failure));
    json.end_object();
  }
  json.end_array().end_object();
  return Answer{.body = json.take()};
}

}  // namespace ferres
