// POST /api/v1/admin/settings/test-s3 (API.md 5.9): writes an object, reads it back and removes it,
// which is what a backup and its restore need.
#include "api/backups.h"
#include "api/errors.h"
#include "api/handlers.h"
#include "base/random.h"
#include "json/writer.h"

namespace ferres {
namespace {

Status try_out(ObjectStore& objects) {
  const std::string key = "backups/connection-test-" + random_uuid();
  constexpr std::string_view kContent = "ferresdb";
  TRY(objects.put(key, as_bytes(kContent)));
  TRY_ASSIGN(const std::string back, objects.get(key, 0, kContent.size()));
  TRY(objects.remove(key));
  if (back == kContent) return {};
  return {Code::kUpstream, "the bucket gave back something else than was written"};
}

Answer answer_of(int status, std::string_view message) {
  JsonWriter json;
  json.begin_object().field("ok", status == 200).field("message", message).end_object();
  return {.status = status, .body = json.take()};
}

}  // namespace

void test_s3(Context& context, Call&, const Reply& reply) {
  const auto store = open_backup_store(context, 2);
  if (!store.ok()) return reply(answer_of(400, store.error().message()));
  context.store_requests.submit([store = *store, reply] {
    const Status status = try_out(*store.objects);
    reply(status.ok()
              ? answer_of(200, "the bucket '" + store.target.bucket + "' can be written and read")
              : answer_of(502, status.message()));
  });
}

}  // namespace ferres
