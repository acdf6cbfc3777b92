// POST /api/v1/collections (API.md 5.2).
#include "api/collection_json.h"
#include "api/handlers.h"

namespace ferres {

Result<Answer> create_collection(Context& context, Call& call) {
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  TRY_ASSIGN(CollectionConfig config, read_config(fields));
  call.about("collection:" + config.name);
  if (!call.principal.may(Permission::kCreate, config.name))
    return Status(Code::kForbidden, "you may not create the collection '" + config.name + "'");
  TRY_ASSIGN(const std::shared_ptr<Collection> collection, context.db.create(std::move(config)));
  context.query_stats.forget(collection->config().name);
  context.reindex_jobs.forget(collection->config().name);
  JsonWriter json;
  json.begin_object();
  write_config_fields(json, collection->config());
  json.field("lsn", collection->stats().lsn);
  json.end_object();
  return Answer{.status = 201, .body = json.take()};
}

}  // namespace ferres
