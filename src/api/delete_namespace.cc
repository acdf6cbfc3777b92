// DELETE /api/v1/collections/{name}/namespaces/{ns} (API.md 16.2): all points of a namespace, by
// one record. With ?purge=true they cannot be restored either: the log is the collection's, so all
// its history up to now goes with them.
#include <algorithm>

#include "api/errors.h"
#include "api/handlers.h"
#include "api/requests.h"
#include "api/scope.h"
#include "json/writer.h"

namespace ferres {
namespace {

/// What is purged cannot come back, of no namespace: a name that is not there is a mistake. None
/// when it is there.
std::optional<Answer> refusal(Collection& collection, const std::string& ns) {
  const auto all = collection.namespaces();
  if (!all.ok()) return error_answer(all.error());
  const bool there = std::any_of(all->begin(), all->end(),
                                 [&ns](const NamespaceInfo& one) { return one.ns == ns; });
  if (there) return std::nullopt;
  return error_answer(404, "namespace_not_found",
                      "the collection has no namespace '" + ns +
                          "', and nothing was purged. retention_days 0 forgets the history of the "
                          "whole collection");
}

}  // namespace

void delete_namespace(Context& context, Call& call, const Reply& reply) {
  const std::string* purge = call.parameter("purge");
  if (purge != nullptr && *purge != "true" && *purge != "false")
    return reply(error_answer(Status(Code::kInvalidArgument, "purge must be true or false")));
  if (const Status status = check_whole_namespace(call, call.item); !status.ok())
    return reply(error_answer(status));
  // No point can be in it, and the log would keep the name.
  if (std::string reason = invalid_namespace(call.item); !reason.empty())
    return reply(error_answer(Status(Code::kInvalidArgument, std::move(reason))));
  const Result<bool> async = read_async(call);
  if (!async.ok()) return reply(error_answer(async.error()));
  auto collection = context.db.find(call.collection);
  if (!collection.ok()) return reply(error_answer(collection.error()));
  const bool forget = purge != nullptr && *purge == "true";
  // It takes the history of everybody's points.
  const bool may_purge =
      call.principal.role == Role::kAdmin && call.principal.sees_all(call.collection);
  if (forget && !may_purge) {
    return reply(error_answer(
        Status(Code::kForbidden, "only an admin who is limited to no namespace may purge")));
  }
  JsonWriter details;
  details.begin_object().field("namespace", call.item).field("purge", forget).end_object();
  call.detail(details.take());
  context.long_requests.submit(
      [collection = *std::move(collection), ns = call.item, forget, async = *async, reply] {
        if (auto refused = forget ? refusal(*collection, ns) : std::nullopt)
          return reply(*std::move(refused));
        const auto dropped = collection->drop_namespace(ns);
        if (!dropped.ok()) return reply(error_answer(dropped.error()));
        if (forget) {
          if (const Status status = collection->forget(); !status.ok())
            return reply(error_answer(status));
        }
        JsonWriter json;
        json.begin_object().field("deleted", dropped->deleted);
        write_commit(json, async, dropped->lsn);
        json.field("purged", forget).end_object();
        reply({.body = json.take()});
      });
}

}  // namespace ferres
