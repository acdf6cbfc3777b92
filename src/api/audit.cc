// GET /api/v1/audit (API.md 5.9): entries of the audit log, newest first. It reads files of any
// length, so the connection's thread serves others meanwhile.
#include "api/errors.h"
#include "api/handlers.h"
#include "api/requests.h"
#include "filter/instant.h"

namespace ferres {
namespace {

constexpr uint64_t kLimitDefault = 100;
constexpr uint64_t kLimitMax = 1000;
constexpr uint64_t kWeekMicros = 7ull * 86400 * 1'000'000;

Result<uint64_t> time_of(const Call& call, std::string_view name, uint64_t fallback) {
  const std::string* const text = call.parameter(name);
  if (text == nullptr) return fallback;
  const auto instant = parse_instant(*text);
  if (!instant || instant->seconds < 0) {
    return Status(Code::kInvalidArgument, "query parameter " + std::string(name) +
                                              " must be an RFC 3339 time, not '" + *text + "'");
  }
  return static_cast<uint64_t>(instant->seconds) * 1'000'000 + instant->nanos / 1000;
}

Result<AuditQuery> read_query(const Context& context, const Call& call) {
  AuditQuery query;
  for (const auto& [name, member] :
       {std::pair("user", &AuditQuery::user), std::pair("action", &AuditQuery::action),
        std::pair("resource", &AuditQuery::resource)}) {
    if (const std::string* const text = call.parameter(name)) query.*member = *text;
  }
  const uint64_t now = context.clock.unix_micros();
  TRY_ASSIGN(query.from_micros, time_of(call, "from", now - kWeekMicros));
  TRY_ASSIGN(query.to_micros, time_of(call, "to", now));
  TRY_ASSIGN(const uint64_t limit, query_number(call, "limit", kLimitDefault));
  query.limit = std::min(limit, kLimitMax);
  return query;
}

}  // namespace

void get_audit(Context& context, Call& call, const Reply& reply) {
  Result<AuditQuery> query = read_query(context, call);
  if (!query.ok()) return reply(error_answer(query.error()));
  if (context.audit == nullptr) return reply(Answer{.body = "[]"});
  context.long_requests.submit([log = context.audit, query = *std::move(query), reply] {
    // What is still waiting is part of the answer.
    if (const Status status = log->flush(); !status.ok()) return reply(error_answer(status));
    const auto found = log->query(query);
    if (!found.ok()) return reply(error_answer(found.error()));
    std::string body = "[";
    for (const std::string& entry : *found) {
      if (body.size() > 1) body += ',';
      body += entry;
    }
    body += ']';
    reply({.body = std::move(body)});
  });
}

}  // namespace ferres
