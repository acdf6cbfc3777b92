// The middle of the server: one request's way from the transport to its operation and back.
#include "server/service.h"

#include <utility>

#include "api/errors.h"
#include "base/logging.h"

namespace ferres {
namespace {

HttpResponse to_response(Answer answer, std::string headers) {
  return {.status = answer.status,
          .content_type = answer.content_type,
          .headers = std::move(headers),
          .body = std::move(answer.body)};
}

bool is_json(std::optional<std::string_view> content_type) {
  if (!content_type) return false;
  std::string_view type = content_type->substr(0, content_type->find(';'));
  while (type.ends_with(' '))
    type.remove_suffix(1);
  constexpr std::string_view kJson = "application/json";
  return std::equal(type.begin(), type.end(), kJson.begin(), kJson.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

}  // namespace

Service::Service(Context& context, const ApiKeys& keys, Cors cors)
    : context_(context), keys_(keys), cors_(std::move(cors)), router_(operations()) {}

HttpResponse Service::refuse(int status, std::string_view message) {
  const std::string_view word = status == 408   ? "timeout"
                                : status == 503 ? "unavailable"
                                                : "invalid_payload";
  return to_response(error_answer(status, word, message), "");
}

Result<Route> Service::admit(const HttpRequest& request, Principal& principal, Answer& refusal,
                             std::string& headers) const {
  std::string allowed;
  Result<Route> route = router_.route(request.method, request.target, &allowed);
  if (!route.ok()) {
    refusal = route.error().code() == Code::kNotFound
                  ? error_answer(404, "invalid_payload", route.error().message())
                  : error_answer(route.error());
    if (!allowed.empty()) headers += "Allow: " + allowed + "\r\n";
    return route;
  }
  const Permission permission = route->operation->permission;
  if (permission == Permission::kPublic) return route;
  Result<Principal> who = keys_.authenticate(request.authorization);
  if (!who.ok()) {
    refusal = auth_error_answer(who.error());
    if (refusal.status == 401) headers += "WWW-Authenticate: Bearer\r\n";
    return std::move(who).error();
  }
  principal = *std::move(who);
  if (!allows(principal.role, permission)) {
    Status denied(Code::kForbidden, "the role " + std::string(role_name(principal.role)) +
                                        " may not " + std::string(route->operation->name));
    refusal = error_answer(denied);
    return denied;
  }
  if (route->operation->body == Body::kJson && !is_json(request.content_type)) {
    refusal = error_answer(415, "invalid_payload",
                           "this request needs the header 'Content-Type: application/json'");
    return Status(Code::kInvalidArgument, "content type");
  }
  return route;
}

void Service::handle(HttpRequest request, Reply reply) {
  const uint64_t started = context_.clock.monotonic_nanos();
  std::string headers = request.origin ? cors_.headers(*request.origin) : std::string();
  if (request.method == "OPTIONS" && request.origin && request.preflight_method) {
    reply(to_response({.status = 204, .body = {}}, cors_.preflight_headers(*request.origin)));
    return;
  }
  Call call;
  Answer refusal;
  Result<Route> route = admit(request, call.principal, refusal, headers);
  if (!route.ok()) {
    reply(to_response(std::move(refusal), std::move(headers)));
    return;
  }
  call.collection = std::move(route->collection);
  call.point_id = std::move(route->point_id);
  call.query = std::move(route->query);
  call.namespace_header = request.namespace_header;
  call.body = std::move(request.body);
  const Operation& operation = *route->operation;
  operation.handler(context_, call,
                    [this, &operation, started, headers = std::move(headers),
                     reply = std::move(reply)](Answer answer) mutable {
                      const uint64_t nanos = context_.clock.monotonic_nanos() - started;
                      log_debug("request", {{"operation", operation.name},
                                            {"status", answer.status},
                                            {"ms", static_cast<double>(nanos) / 1e6}});
                      reply(to_response(std::move(answer), std::move(headers)));
                    });
}

}  // namespace ferres
