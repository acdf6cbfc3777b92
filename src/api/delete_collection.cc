// DELETE /api/v1/collections/{name} (API.md 5.2).
#include "api/handlers.h"

namespace ferres {

Result<Answer> delete_collection(Context& context, Call& call) {
  if (const std::string* purge = call.parameter("purge"); purge != nullptr && *purge == "true") {
    return Status(Code::kInvalidArgument, "purge is not supported yet");
  }
  TRY(context.db.drop(call.collection));
  context.query_stats.forget(call.collection);
  return Answer{.status = 204, .body = {}};
}

}  // namespace ferres
