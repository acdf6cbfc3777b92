// PATCH /api/v1/collections/{name} (API.md 5.2, 16.2): retention_days, default_ttl_days, tiers, and
// the index that searches walk, which is built in the background.
#include "api/collection_json.h"
#include "api/handlers.h"

namespace ferres {

Result<Answer> patch_collection(Context& context, Call& call) {
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  TRY_ASSIGN(std::string details, to_json_text(body));
  call.detail(std::move(details));
  TRY(context.db.configure(call.collection, [&fields](CollectionConfig& config) {
    return change_config(fields, config);
  }));
  return Answer{.status = 204, .body = {}};
}

}  // namespace ferres
