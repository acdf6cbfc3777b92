// GET /api/v1/collections (API.md 5.2): in order of name; with ?namespace= only those that hold a
// point there.
#include "api/handlers.h"
#include "api/json_writer.h"

namespace ferres {
namespace {

Result<bool> has_namespace(Collection& collection, const std::string& ns) {
  ListRequest request;
  request.ns = ns;
  request.count_only = true;
  TRY_ASSIGN(const ListResult counted, collection.list(request));
  return counted.total > 0;
}

}  // namespace

Result<Answer> list_collections(Context& context, Call& call) {
  const std::optional<std::string> ns = call.ambient_namespace();
  JsonWriter json;
  json.begin_object().key("collections").begin_array();
  for (const std::shared_ptr<Collection>& collection : context.db.list()) {
    if (ns && !ns->empty()) {
      TRY_ASSIGN(const bool holds, has_namespace(*collection, *ns));
      if (!holds) continue;
    }
    const CollectionConfig& config = collection->config();
    const CollectionStats stats = collection->stats();
    json.begin_object();
    json.field("name", std::string_view(config.name)).field("dimension", config.dimension);
    json.field("num_points", stats.points).field("created_at", config.created_at);
    json.field("distance", metric_name(config.metric));
    if (config.retention_days) json.field("retention_days", *config.retention_days);
    if (!stats.unavailable.empty()) {
      json.field("unavailable", std::string_view(stats.unavailable));
    }
    json.end_object();
  }
  json.end_array().end_object();
  return Answer{.body = json.take()};
}

}  // namespace ferres
