// GET /api/v1/collections/{name} (API.md 5.2).
#include "api/collection_json.h"
#include "api/handlers.h"

namespace ferres {

Result<Answer> get_collection(Context& context, Call& call) {
  TRY_ASSIGN(const std::shared_ptr<Collection> collection, context.db.find(call.collection));
  const CollectionStats stats = collection->stats();
  JsonWriter json;
  json.begin_object();
  write_config_fields(json, collection->config());
  json.field("num_points", stats.points).field("last_updated", stats.last_updated);
  json.field("lsn", stats.lsn);
  json.key("stats").begin_object();
  json.field("index_size_bytes", stats.memory_bytes_vectors + stats.memory_bytes_index);
  json.field("disk_bytes", stats.disk_bytes);
  json.end_object();
  json.end_object();
  return Answer{.body = json.take()};
}

}  // namespace ferres
