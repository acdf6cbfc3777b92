// PATCH /api/v1/collections/{name} (API.md 5.2): changing retention_days. The catalog cannot change
// a configuration yet, and says so.
#include "api/handlers.h"
#include "api/json_reader.h"

namespace ferres {

Result<Answer> patch_collection(Context& context, Call& call) {
  TRY_ASSIGN(const std::shared_ptr<Collection> collection, context.db.find(call.collection));
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  std::optional<uint64_t> days;
  TRY(fields.read("retention_days", days));
  if (days == collection->config().retention_days) return Answer{.status = 204, .body = {}};
  return Status(Code::kUnimplemented,
                "changing retention_days of an existing collection is not supported yet");
}

}  // namespace ferres
