// POST /api/v1/admin/restore/backup (API.md 16.2): collections out of a backup, under names that
// are free.
#include "api/backups.h"
#include "api/errors.h"
#include "api/handlers.h"
#include "db/backup.h"
#include "json/reader.h"
#include "json/writer.h"

namespace ferres {
namespace {

Result<BackupRestoreRequest> read_request(Call& call) {
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  BackupRestoreRequest request;
  TRY(fields.require("key", request.key));
  TRY(fields.read("collection", request.collection));
  TRY(fields.read("target_collection", request.as));
  if (request.as && !request.collection) {
    return Status(Code::kInvalidArgument,
                  "target_collection is the new name of one collection: name it by 'collection'");
  }
  for (const auto& text : {std::optional(request.key), request.collection, request.as}) {
    if (text && text->size() > kNameBytesMax) {
      return Status(Code::kInvalidArgument,
                    "keys of backups and names of collections have at "
                    "most " +
                        std::to_string(kNameBytesMax) + " bytes");
    }
  }
  return request;
}

Answer answer_of(const std::vector<RestoredCollection>& restored) {
  JsonWriter json;
  json.begin_object().field("ok", true);
  json.field("message", "restored " + std::to_string(restored.size()) +
                            (restored.size() == 1 ? " collection" : " collections"));
  json.key("restored").begin_array();
  for (const RestoredCollection& collection : restored)
    json.string(collection.name);
  json.end_array().key("details").begin_array();
  for (const RestoredCollection& collection : restored) {
    json.begin_object().field("collection", collection.name).field("lsn", collection.lsn);
    json.field("points", collection.points).end_object();
  }
  json.end_array().end_object();
  return {.body = json.take()};
}

Answer refusal(const Status& status) {
  if (status.code() == Code::kNotFound)
    return error_answer(404, "backup_not_found", status.message());
  if (status.code() == Code::kCorruption)
    return error_answer(422, "backup_damaged", status.message());
  return store_error_answer(status, "s3_failed");
}

}  // namespace

void restore_backup(Context& context, Call& call, const Reply& reply) {
  auto request = read_request(call);
  if (!request.ok()) return reply(error_answer(request.error()));
  const auto store = open_backup_store(context);
  if (!store.ok()) return reply(not_configured_answer(store.error()));
  BackupWork work{.kind = "restore_backup", .about = request->key};
  work.work = [&context, store = *store,
               request = *std::move(request)](const BackupProgress& p) -> Result<Answer> {
    TRY_ASSIGN(const std::vector<RestoredCollection> restored,
               restore_backup(context.db, context.files, *store.objects, request, p));
    return answer_of(restored);
  };
  work.refusal = refusal;
  run_alone(context, std::move(work), reply);
}

}  // namespace ferres
