// POST /api/v1/collections/{name}/namespaces/{ns}/snapshot (API.md 16.2): a checkpoint of what was
// written to a namespace. It can be restored alone, to the LSN that is answered.
#include "api/errors.h"
#include "api/handlers.h"
#include "api/scope.h"
#include "json/writer.h"

namespace ferres {

void snapshot_namespace(Context& context, Call& call, const Reply& reply) {
  if (const Status status = check_whole_namespace(call, call.item); !status.ok())
    return reply(error_answer(status));
  if (std::string reason = invalid_namespace(call.item); !reason.empty())
    return reply(error_answer(Status(Code::kInvalidArgument, std::move(reason))));
  auto collection = context.db.find(call.collection);
  if (!collection.ok()) return reply(error_answer(collection.error()));
  context.long_requests.submit([collection = *std::move(collection), ns = call.item, reply] {
    if (const Status status = collection->checkpoint(); !status.ok())
      return reply(error_answer(status));
    ListRequest count;
    count.ns = ns;
    count.count_only = true;
    const auto counted = collection->list(count);
    if (!counted.ok()) return reply(error_answer(counted.error()));
    JsonWriter json;
    json.begin_object().field("ok", true).field("namespace", ns);
    json.field("points", counted->total);
    json.field("lsn", collection->stats().checkpoint_lsn).end_object();
    reply({.body = json.take()});
  });
}

}  // namespace ferres
