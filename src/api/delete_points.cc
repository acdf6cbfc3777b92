// DELETE /api/v1/collections/{name}/points and POST .../points/delete (API.md 5.3, 16.2): points by
// id. Answers how many of them existed.
#include <array>

#include "api/errors.h"
#include "api/handlers.h"
#include "api/requests.h"
#include "api/scope.h"

namespace ferres {
namespace {

constexpr std::array<std::string_view, 1> kNotYet = {"filter"};

struct DeleteCall {
  DeleteRequest request;
  std::shared_ptr<Collection> collection;
};

Result<DeleteCall> read_delete(Context& context, Call& call) {
  DeleteCall result;
  TRY_ASSIGN(const JsonValue body, parse_body(call.body));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(body));
  TRY(fields.refuse(kNotYet));
  TRY_ASSIGN(result.request.async, read_async(fields));
  TRY_ASSIGN(result.request.ns, read_namespace(fields, call));
  TRY_ASSIGN(const JsonValue ids, fields.require("ids"));
  TRY(read_strings(ids, "ids", result.request.ids));
  if (result.request.ids.empty()) {
    return Status(Code::kInvalidArgument, "ids cannot be empty");
  }
  if (result.request.ids.size() > kIdsPerDeleteMax) {
    return Status(
        Code::kInvalidArgument,
        "batch too large: max " + std::to_string(kIdsPerDeleteMax) + " ids per delete request");
  }
  TRY_ASSIGN(result.collection, context.db.find(call.collection));
  TRY_ASSIGN(result.request.within, read_restriction(call));
  return result;
}

}  // namespace

void delete_points(Context& context, Call& call, const Reply& reply) {
  Result<DeleteCall> parsed = read_delete(context, call);
  if (!parsed.ok()) return reply(error_answer(parsed.error()));
  const bool async = parsed->request.async;
  parsed->collection->remove(
      std::move(parsed->request), [reply, async, note = call.audit](Result<DeleteResult> result) {
        if (!result.ok()) return reply(error_answer(result.error()));
        if (note) note->details_json = "{\"deleted\":" + std::to_string(result->deleted) + "}";
        JsonWriter json;
        json.begin_object();
        json.field("deleted", result->deleted);
        write_commit(json, async, result->lsn);
        json.end_object();
        reply({.body = json.take()});
      });
}

}  // namespace ferres
