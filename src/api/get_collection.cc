// GET /api/v1/collections/{name} (API.md 5.2).
#include "api/collection_json.h"
#include "api/handlers.h"
#include "api/scope.h"

namespace ferres {

Result<Answer> get_collection(Context& context, Call& call) {
  TRY_ASSIGN(const std::shared_ptr<Collection> collection, context.db.find(call.collection));
  const CollectionStats stats = collection->stats();
  const bool whole = call.principal.sees_all(call.collection);
  TRY_ASSIGN(const uint64_t points, visible_points(*collection, call));
  JsonWriter json;
  json.begin_object();
  write_config_fields(json, collection->config());
  json.field("num_points", points).field("last_updated", stats.last_updated);
  json.field("lsn", stats.lsn);
  json.key("stats").begin_object();
  // What others have is none of a limited caller's business, not even its size.
  json.field("index_size_bytes", whole ? stats.memory_bytes_vectors + stats.memory_bytes_index
                                       : points * collection->config().dimension * sizeof(float));
  if (whole) json.field("disk_bytes", stats.disk_bytes);
  json.end_object();
  json.end_object();
  return Answer{.body = json.take()};
}

}  // namespace ferres
