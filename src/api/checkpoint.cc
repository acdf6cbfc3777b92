// POST /api/v1/admin/checkpoint (API.md 16.2): writes what has changed of one collection, or of
// all, into checkpoints, and says up to which write each one's reaches.
#include "api/errors.h"
#include "api/handlers.h"
#include "api/json_reader.h"
#include "api/json_writer.h"

namespace ferres {
namespace {

Result<std::vector<std::shared_ptr<Collection>>> asked_for(Context& context, Call& call) {
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  std::optional<std::string> name;
  TRY(fields.read("collection", name));
  if (!name) return context.db.list();
  TRY_ASSIGN(const std::shared_ptr<Collection> collection, context.db.find(*name));
  return std::vector{collection};
}

Result<Answer> write_checkpoints(const std::vector<std::shared_ptr<Collection>>& collections) {
  JsonWriter json;
  json.begin_object().field("ok", true).key("collections").begin_array();
  for (const std::shared_ptr<Collection>& collection : collections) {
    const std::string& name = collection->config().name;
    if (collection->dirty()) {
      Status status = collection->checkpoint();
      if (!status.ok()) return std::move(status).context(name);
    }
    json.begin_object().field("name", name).field("lsn", collection->stats().checkpoint_lsn);
    json.end_object();
  }
  json.end_array().end_object();
  return Answer{.body = json.take()};
}

}  // namespace

void checkpoint(Context& context, Call& call, const Reply& reply) {
  auto collections = asked_for(context, call);
  if (!collections.ok()) return reply(error_answer(collections.error()));
  context.long_requests.submit([collections = *std::move(collections), reply] {
    Result<Answer> answer = write_checkpoints(collections);
    reply(answer.ok() ? *std::move(answer) : error_answer(answer.error()));
  });
}

}  // namespace ferres
