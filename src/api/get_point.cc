// GET /api/v1/collections/{name}/points/{id} (API.md 5.3). The id is the rest of the path, so it
// may hold slashes, encoded or not; namespace%00id is a storage id.
#include "api/handlers.h"
#include "api/relations.h"
#include "api/requests.h"
#include "api/scope.h"

namespace ferres {

Result<Answer> get_point(Context& context, Call& call) {
  TRY_ASSIGN(const std::shared_ptr<Collection> collection, context.db.find(call.collection));
  TRY_ASSIGN(const PointName name, point_name(call, call.item));
  TRY_ASSIGN(const CallSight sight, sight_of(call));
  TRY_ASSIGN(const Point point, collection->get(name.id, name.ns, sight.sight()));
  TRY(check_visible(call, point));
  JsonWriter json;
  write_point(json, point);
  return Answer{.body = json.take()};
}

}  // namespace ferres
