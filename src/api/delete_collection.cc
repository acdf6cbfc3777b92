// DELETE /api/v1/collections/{name} (API.md 5.2).
#include "api/handlers.h"

namespace ferres {

Result<Answer> delete_collection(Context& context, Call& call) {
  const std::string* purge = call.parameter("purge");
  if (purge != nullptr && *purge != "true" && *purge != "false") {
    return Status(Code::kInvalidArgument, "purge must be true or false");
  }
  const bool forget = purge != nullptr && *purge == "true";
  if (forget && call.principal.role != Role::kAdmin)
    return Status(Code::kForbidden, "only an admin may purge");
  call.detail(forget ? R"({"purge":true})" : R"({"purge":false})");
  TRY(context.db.drop(call.collection, forget));
  context.query_stats.forget(call.collection);
  context.reindex_jobs.forget(call.collection);
  return Answer{.status = 204, .body = {}};
}

}  // namespace ferres
