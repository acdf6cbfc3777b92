// POST /api/v1/admin/checkpoint (API.md 16.2): writes what has changed of one collection, or of
// all, into checkpoints, and says up to which write each one's reaches.
#include "api/errors.h"
#include "api/handlers.h"
#include "api/json_reader.h"
#include "api/json_writer.h"

namespace ferres {
namespace {

struct Asked {
  std::vector<std::shared_ptr<Collection>> collections;
  bool all = false;
};

Result<Asked> asked_for(Context& context, Call& call) {
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  std::optional<std::string> name;
  TRY(fields.read("collection", name));
  if (!name) return Asked{context.db.list(), true};
  TRY_ASSIGN(const std::shared_ptr<Collection> collection, context.db.find(*name));
  return Asked{{collection}};
}

Result<Answer> write_checkpoints(const Asked& asked) {
  JsonWriter json;
  json.begin_object().field("ok", true).key("collections").begin_array();
  for (const std::shared_ptr<Collection>& collection : asked.collections) {
    const std::string& name = collection->config().name;
    // One that is unavailable says why.
    if (collection->dirty() || !collection->failure().ok()) {
      Status status = collection->checkpoint();
      if (status.code() == Code::kNotFound && asked.all) continue;
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
  auto asked = asked_for(context, call);
  if (!asked.ok()) return reply(error_answer(asked.error()));
  context.long_requests.submit([asked = *std::move(asked), reply] {
    Result<Answer> answer = write_checkpoints(asked);
    reply(answer.ok() ? *std::move(answer) : error_answer(answer.error()));
  });
}

}  // namespace ferres
