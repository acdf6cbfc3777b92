// POST /api/v1/admin/checkpoint (API.md 16.2): writes what has changed of one collection, or of
// all, into checkpoints, and says up to which write each one's reaches. Of all, those that can be
// are written, and the others named.
#include "api/errors.h"
#include "api/handlers.h"
#include "json/reader.h"
#include "json/writer.h"

namespace ferres {
namespace {

using Failed = std::vector<std::pair<std::string, Status>>;  // names

Answer answer_of(const std::vector<std::pair<std::string, Lsn>>& written, const Failed& failed) {
  JsonWriter json;
  json.begin_object().field("ok", failed.empty()).key("collections").begin_array();
  for (const auto& [name, lsn] : written)
    json.begin_object().field("name", name).field("lsn", lsn).end_object();
  json.end_array();
  if (!failed.empty()) {
    json.key("errors").begin_array();
    for (const auto& [name, status] : failed)
      json.string(name + ": " + message_for_clients(status));
    json.end_array();
  }
  json.end_object();
  return {.body = json.take()};
}

/// One that is unavailable says why.
Status write_checkpoint(Collection& collection) {
  if (!collection.dirty() && collection.failure().ok()) return {};
  return collection.checkpoint();
}

Result<Answer> checkpoint_one(Database& db, const std::string& name) {
  TRY_ASSIGN(const std::shared_ptr<Collection> collection, db.find(name));
  TRY(write_checkpoint(*collection));
  return answer_of({{name, collection->stats().checkpoint_lsn}}, {});
}

Result<Answer> checkpoint_all(Database& db) {
  std::vector<std::pair<std::string, Lsn>> written;
  Failed failed;
  for (UnopenedCollection& unopened : db.unopened())
    failed.emplace_back(unopened.config.name, std::move(unopened.why));
  for (const std::shared_ptr<Collection>& collection : db.list()) {
    const std::string& name = collection->config().name;
    Status status = write_checkpoint(*collection);
    if (status.ok()) {
      written.emplace_back(name, collection->stats().checkpoint_lsn);
    } else if (status.code() != Code::kNotFound) {  // else it was dropped meanwhile
      failed.emplace_back(name, std::move(status));
    }
  }
  if (written.empty() && !failed.empty()) return std::move(failed.front().second);
  return answer_of(written, failed);
}

Result<std::optional<std::string>> read_name(Call& call) {
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  std::optional<std::string> name;
  TRY(fields.read("collection", name));
  return name;
}

}  // namespace

void checkpoint(Context& context, Call& call, const Reply& reply) {
  auto name = read_name(call);
  if (!name.ok()) return reply(error_answer(name.error()));
  context.long_requests.submit([&db = context.db, name = *std::move(name), reply] {
    Result<Answer> answer = name ? checkpoint_one(db, *name) : checkpoint_all(db);
    reply(answer.ok() ? *std::move(answer) : error_answer(answer.error()));
  });
}

}  // namespace ferres
