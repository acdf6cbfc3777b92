// GET /api/v1/collections/{name}/points (API.md 5.3): a page of points in a stable order.
#include "api/handlers.h"
#include "api/relations.h"
#include "api/requests.h"
#include "api/scope.h"

namespace ferres {
namespace {

constexpr uint64_t kLimitDefault = 100;
constexpr uint64_t kLimitMax = 1000;

}  // namespace

Result<Answer> list_points(Context& context, Call& call) {
  ListRequest request;
  TRY_ASSIGN(const uint64_t limit, query_number(call, "limit", kLimitDefault));
  TRY_ASSIGN(request.offset, query_number(call, "offset", 0));
  request.limit = std::min(limit, kLimitMax);
  TRY_ASSIGN(const Scope scope, query_scope(call));
  scope.apply(request);
  TRY_ASSIGN(const CallSight sight, sight_of(call));
  request.sight = sight.sight();
  TRY_ASSIGN(const std::shared_ptr<Collection> collection, context.db.find(call.collection));
  TRY_ASSIGN(const ListResult result, collection->list(request));
  JsonWriter json;
  json.begin_object().key("points").begin_array();
  for (const Point& point : result.points)
    write_point(json, point);
  json.end_array();
  json.field("total", result.total).field("limit", request.limit).field("offset", request.offset);
  json.field("has_more", request.offset + result.points.size() < result.total);
  json.end_object();
  return Answer{.body = json.take()};
}

}  // namespace ferres
