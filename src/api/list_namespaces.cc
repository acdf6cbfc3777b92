// GET /api/v1/collections/{name}/namespaces (API.md 16.2): those that have points, in order of
// name; points without a namespace are under "". May have to look at every point.
#include "api/errors.h"
#include "api/handlers.h"
#include "api/scope.h"
#include "json/writer.h"

namespace ferres {

void list_namespaces(Context& context, Call& call, const Reply& reply) {
  if (const Status status = check_unrestricted(call); !status.ok())
    return reply(error_answer(status));
  auto collection = context.db.find(call.collection);
  if (!collection.ok()) return reply(error_answer(collection.error()));
  context.long_requests.submit([collection = *std::move(collection), who = call.principal, reply] {
    const auto found = collection->namespaces();
    if (!found.ok()) return reply(error_answer(found.error()));
    JsonWriter json;
    json.begin_object().key("namespaces").begin_array();
    for (const NamespaceInfo& info : *found) {
      if (who.may_enter(info.ns))
        json.begin_object().field("namespace", info.ns).field("points", info.points).end_object();
    }
    json.end_array().end_object();
    reply({.body = json.take()});
  });
}

}  // namespace ferres
