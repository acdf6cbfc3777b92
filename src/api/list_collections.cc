// GET /api/v1/collections (API.md 5.2): in order of name; with ?namespace= only those that hold a
// point there, and those of which nobody can tell.
#include <algorithm>

#include "api/errors.h"
#include "api/handlers.h"
#include "json/writer.h"

namespace ferres {
namespace {

struct Row {
  CollectionConfig config;
  uint64_t points = 0;
  Status failure;
};

/// Whether the collection holds a point of a namespace.
Result<bool> holds(Collection& collection, const std::string& ns) {
  TRY(collection.failure());
  if (ns.empty()) return true;
  ListRequest request;
  request.ns = ns;
  request.count_only = true;
  TRY_ASSIGN(const ListResult counted, collection.list(request));
  return counted.total > 0;
}

std::vector<Row> rows_of(Database& db, const std::string& ns) {
  std::vector<Row> rows;
  for (const std::shared_ptr<Collection>& collection : db.list()) {
    const Result<bool> listed = holds(*collection, ns);
    if (listed.ok() ? !*listed : listed.error().code() == Code::kNotFound) continue;
    rows.push_back({collection->config(), collection->stats().points,
                    listed.ok() ? Status() : listed.error().clone()});
  }
  for (UnopenedCollection& unopened : db.unopened())
    rows.push_back({std::move(unopened.config), 0, std::move(unopened.why)});
  std::sort(rows.begin(), rows.end(),
            [](const Row& a, const Row& b) { return a.config.name < b.config.name; });
  return rows;
}

}  // namespace

Result<Answer> list_collections(Context& context, Call& call) {
  const std::vector<Row> rows = rows_of(context.db, call.ambient_namespace().value_or(""));
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
