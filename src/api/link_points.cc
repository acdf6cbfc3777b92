// POST and DELETE /api/v1/collections/{name}/points/link (API.md 5.4, 16.2): links two points, or
// ends their link. Answers with their storage ids.
#include "api/errors.h"
#include "api/handlers.h"
#include "api/relations.h"
#include "api/requests.h"
#include "api/scope.h"

namespace ferres {
namespace {

struct LinkCall {
  LinkRequest request;
  std::shared_ptr<Collection> collection;
  bool async = false;
};

/// In the contract's words: clients look for them.
Status missing_point(const Status& status) {
  const std::string message(status.message());
  if (status.code() != Code::kNotFound || !message.starts_with("point '")) return status.clone();
  return {Code::kNotFound, "collection '" + message + "' not found"};
}

Result<LinkCall> read_link(Context& context, Call& call) {
  LinkCall result;
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  TRY_ASSIGN(result.async, read_async(fields));
  TRY_ASSIGN(result.request.from, read_point_name(fields, call, "from"));
  TRY_ASSIGN(result.request.to, read_point_name(fields, call, "to"));
  TRY_ASSIGN(result.collection, context.db.find(call.collection));
  JsonWriter details;
  details.begin_object().field("from", storage_id(result.request.from));
  details.field("to", storage_id(result.request.to)).end_object();
  call.detail(details.take());
  // What is hidden from the caller is not there.
  for (const PointName* const end : {&result.request.from, &result.request.to}) {
    const Status visible = check_visible(call, *result.collection, end->id, end->ns);
    if (!visible.ok()) return missing_point(visible);
  }
  return result;
}

LinkCallback answer_to(const LinkCall& call, bool unlink, const Reply& reply) {
  return [reply, unlink, request = call.request, async = call.async](Result<LinkResult> result) {
    if (!result.ok()) return reply(error_answer(missing_point(result.error())));
    JsonWriter json;
    json.begin_object().field("ok", true);
    json.field("from", storage_id(request.from)).field("to", storage_id(request.to));
    if (unlink) json.field("unlinked", result->there);
    write_commit(json, async, result->lsn);
    json.end_object();
    reply({.body = json.take()});
  };
}

}  // namespace

void link_points(Context& context, Call& call, const Reply& reply) {
  const Result<LinkCall> parsed = read_link(context, call);
  if (!parsed.ok()) return reply(error_answer(parsed.error()));
  parsed->collection->link(parsed->request, answer_to(*parsed, false, reply));
}

void unlink_points(Context& context, Call& call, const Reply& reply) {
  const Result<LinkCall> parsed = read_link(context, call);
  if (!parsed.ok()) return reply(error_answer(parsed.error()));
  parsed->collection->unlink(parsed->request, answer_to(*parsed, true, reply));
}

}  // namespace ferres
