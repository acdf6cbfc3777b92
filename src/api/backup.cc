// POST /api/v1/admin/backup (API.md 5.9, 16.2) and GET /api/v1/admin/backups. Answered when it is
// done; how far it is, GET /admin/tasks tells meanwhile.
#include "db/backup.h"

#include "api/backups.h"
#include "api/errors.h"
#include "api/handlers.h"
#include "json/reader.h"
#include "json/writer.h"

namespace ferres {
namespace {

Result<bool> read_incremental(Call& call) {
  bool incremental = false;
  if (call.body.empty()) return incremental;
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  TRY(fields.read("incremental", incremental));
  return incremental;
}

Answer answer_of(const BackupOutcome& outcome, const BackupStore& store, bool incremental) {
  JsonWriter json;
  json.begin_object().field("ok", outcome.skipped.empty());
  json.field("key", outcome.key).field("bucket", store.target.bucket);
  json.field("size_bytes", outcome.size_bytes).field("region", store.target.region);
  if (incremental) json.field("files", outcome.files).field("new_files", outcome.new_files);
  if (!outcome.skipped.empty()) {
    json.key("errors").begin_array();
    for (const auto& [name, status] : outcome.skipped)
      json.string(name + ": " + std::string(status.message()));
    json.end_array();
  }
  json.end_object();
  return {.body = json.take()};
}

}  // namespace

void backup(Context& context, Call& call, const Reply& reply) {
  const auto incremental = read_incremental(call);
  if (!incremental.ok()) return reply(error_answer(incremental.error()));
  const auto store = open_backup_store(context);
  if (!store.ok()) return reply(not_configured_answer(store.error()));
  const BackupRequest request{context.version, context.clock.unix_micros(), *incremental};
  BackupWork work{.kind = "backup", .about = *incremental ? "incremental" : "full"};
  work.work = [&context, store = *store, request](const BackupProgress& p) -> Result<Answer> {
    TRY_ASSIGN(const BackupOutcome outcome,
               back_up(context.db, context.files, *store.objects, request, p));
    return answer_of(outcome, store, request.incremental);
  };
  work.refusal = [](const Status& status) {
    return store_error_answer(status, "s3_upload_failed");
  };
  run_alone(context, std::move(work), reply);
}

void list_backups(Context& context, Call&, const Reply& reply) {
  const auto store = open_backup_store(context, 3);
  if (!store.ok()) return reply(not_configured_answer(store.error()));
  context.store_requests.submit([store = *store, reply] {
    const auto entries = list_backups(*store.objects);
    if (!entries.ok()) return reply(store_error_answer(entries.error(), "s3_failed"));
    JsonWriter json;
    json.begin_object().key("backups").begin_array();
    for (const BackupEntry& entry : *entries) {
      json.begin_object().field("key", entry.key).field("created_at", entry.unix_seconds);
      json.field("size_bytes", entry.size_bytes).field("incremental", entry.incremental);
      json.end_object();
    }
    json.end_array().end_object();
    reply({.body = json.take()});
  });
}

}  // namespace ferres
