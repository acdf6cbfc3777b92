// POST /api/v1/collections/{name}/points/count (API.md 16.2): how many points match.
#include "api/handlers.h"
#include "api/requests.h"
#include "api/scope.h"

namespace ferres {

Result<Answer> count_points(Context& context, Call& call) {
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  ListRequest request;
  request.count_only = true;
  TRY_ASSIGN(const Scope scope, read_scope(fields, call));
  scope.apply(request);
  TRY_ASSIGN(const std::shared_ptr<Collection> collection, context.db.find(call.collection));
  TRY_ASSIGN(const ListResult result, collection->list(request));
  JsonWriter json;
  json.begin_object().field("count", result.total).end_object();
  return Answer{.body = json.take()};
}

}  // namespace ferres
