// GET /api/v1/collections/{name}/points/{id} (API.md 5.3). The id is the rest of the path, so it
// may hold slashes, encoded or not.
#include "api/handlers.h"
#include "api/requests.h"
#include "api/scope.h"

namespace ferres {

Result<Answer> get_point(Context& context, Call& call) {
  TRY_ASSIGN(const std::shared_ptr<Collection> collection, context.db.find(call.collection));
  TRY_ASSIGN(const std::optional<std::string> ns, query_namespace(call));
  TRY_ASSIGN(const Point point, collection->get(call.item, ns));
  TRY(check_visible(call, point));
  JsonWriter json;
  write_point(json, point);
  return Answer{.body = json.take()};
}

}  // namespace ferres
