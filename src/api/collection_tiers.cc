// GET /api/v1/collections/{name}/tiers (API.md 5.2).
#include "api/handlers.h"
#include "json/writer.h"

namespace ferres {

Result<Answer> get_collection_tiers(Context& context, Call& call) {
  TRY_ASSIGN(const std::shared_ptr<Collection> collection, context.db.find(call.collection));
  TRY_ASSIGN(const TierStats tiers, collection->tiers());
  JsonWriter json;
  json.begin_object();
  json.field("hot", tiers.hot).field("warm", tiers.warm).field("cold", tiers.cold);
  json.field("hot_memory_bytes", tiers.bytes.hot);
  json.field("warm_memory_bytes", tiers.bytes.warm);
  json.field("cold_memory_bytes", tiers.bytes.cold);
  json.end_object();
  return Answer{.body = json.take()};
}

}  // namespace ferres
