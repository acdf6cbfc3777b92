// The middle of the server: one request's way from the transport to its operation and back.
#include "server/service.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>

#include "api/errors.h"
#include "base/logging.h"

namespace ferres {
namespace {

HttpResponse to_response(Answer answer, std::string headers) {
  return {.status = answer.status,
          .content_type = answer.content_type,
          .headers = std::move(headers),
          .body = std::move(answer.body),
          .source = std::move(answer.source)};
}

bool same_word(std::string_view sent, std::string_view lower) {
  return std::equal(sent.begin(), sent.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

/// What a request with a body must say that it is. None of these can be sent by a page of another
/// origin without a preflight.
std::span<const std::string_view> content_types(Body body) {
  static constexpr std::array<std::string_view, 1> kJson = {"application/json"};
  static constexpr std::array<std::string_view, 4> kLines = {
      "application/x-ndjson", "application/jsonl", "application/x-jsonlines", "application/json"};
  if (body == Body::kNone) return {};
  return body == Body::kJson ? std::span<const std::string_view>(kJson) : kLines;
}

bool is_one_of(std::optional<std::string_view> content_type,
               std::span<const std::string_view> types) {
  if (!content_type) return false;
  std::string_view type = content_type->substr(0, content_type->find(';'));
  while (type.ends_with(' '))
    type.remove_suffix(1);
  return std::any_of(types.begin(), types.end(),
                     [type](std::string_view one) { return same_word(type, one); });
}

MetricLabels request_labels(const Operation& operation) {
  std::string endpoint(operation.path);
  std::replace(endpoint.begin(), endpoint.end(), '*', ':');
  return {{"method", std::string(verb_name(operation.verb))}, {"endpoint", std::move(endpoint)}};
}

std::shared_ptr<Counter> requests_total(const Operation& operation, int status) {
  MetricLabels labels = request_labels(operation);
  labels.emplace_back("status", std::to_string(status));
  return metrics().counter("http_requests_total", "Requests answered", std::move(labels));
}

// Requests that never reach an operation; what clients send must not become labels.
void count_unmatched(int status) {
  metrics()
      .counter("http_requests_total", "Requests answered",
               {{"method", "other"}, {"endpoint", "none"}, {"status", std::to_string(status)}})
      ->add();
}

// Refusals of strangers that the audit log is told, beyond which they are counted.
constexpr double kStrangersRate = 1;
constexpr double kStrangersBurst = 60;
constexpr size_t kNameBytesTold = 256;

/// A name as the audit log has it: clients choose them, of any length.
std::string short_name(std::string name) {
  if (name.size() <= kNameBytesTold) return name;
  size_t end = kNameBytesTold;
  while (end > 0 && (name[end] & '\xC0') == '\x80')
    --end;
  return name.substr(0, end) + "...";
}

Answer forbidden(std::string message) {
  return error_answer(Status(Code::kForbidden, std::move(message)));
}

/// Who needs no credential must not be a page of somewhere else: not one that a browser was made to
/// take for this machine by its name (DNS rebinding), nor one that sends what needs no preflight.
bool is_from_here(const HttpRequest& request, const Cors& cors) {
  if (request.origin && !cors.allows(*request.origin)) return false;
  if (!request.host) return true;  // no browser leaves it out
  const std::string_view host = request.host->substr(0, request.host->rfind(':'));
  const bool is_address = host.find_first_not_of("0123456789.") == std::string_view::npos;
  return host == "localhost" || (is_address && host.starts_with("127.")) || host == "[::1]" ||
         *request.host == "[::1]";
}

/// What the caller may not do at all.
std::optional<Answer> refusal_of(const Principal& who, const Operation& operation,
                                 const Call& call) {
  const std::string name(operation.name);
  const bool of_collection = operation.path.find("/:name") != std::string_view::npos;
  const bool may = of_collection ? who.may(operation.permission, call.collection)
                   : operation.permission == Permission::kCreate
                       ? who.may_somewhere(operation.permission)  // where: its body says
                       : allows(who.role, operation.permission);
  if (!may && of_collection && allows(who.role, operation.permission))
    return forbidden("your permissions do not cover " + name + " on this collection");
  if (!may) return forbidden("the role " + std::string(role_name(who.role)) + " may not " + name);
  if (const auto ns = call.ambient_namespace(); ns && !ns->empty() && !who.may_enter(*ns)) {
    return auth_error_answer(403, "forbidden_namespace",
                             "API key does not have access to this namespace");
  }
  if (operation.reach != Reach::kAll) return std::nullopt;
  if (!who.namespaces().empty())
    return forbidden("an API key that is limited to namespaces may not " + name);
  if (of_collection && who.restriction(call.collection) != nullptr)
    return forbidden("a permission for some points of the collection alone is not for " + name);
  return std::nullopt;
}

}  // namespace

Service::Service(Context& context, Options options)
    : context_(context),
      cors_(std::move(options.cors)),
      audit_searches_(options.audit_searches),
      rate_limit_(options.rate_limit),
      router_(api_operations()),
      strangers_(kStrangersRate, kStrangersBurst, context.clock.monotonic_nanos()) {
  constexpr std::array kBoundsMs = {10.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0};
  for (const Operation& operation : api_operations()) {
    series_.push_back({requests_total(operation, 200),
                       metrics().histogram("http_request_duration_ms",
                                           "Time that a request took, in milliseconds", kBoundsMs,
                                           request_labels(operation)),
                       audited_as(operation)});
  }
}

/// Searches are left out unless they are wished for: there are more of them than of all else.
bool Service::is_audited(const Operation& operation, bool refused) const {
  if (context_.audit == nullptr) return false;
  if (!refused && series_of(operation).audited.action.empty()) return false;
  return refused || audit_searches_ || operation.permission != Permission::kRead ||
         operation.path.find("/search") == std::string_view::npos;
}

void Service::ended(const Asked& asked, int status) {
  const Operation& operation = asked.operation;
  const uint64_t nanos = context_.clock.monotonic_nanos() - asked.started_nanos;
  const double ms = static_cast<double>(nanos) / 1e6;
  const Series& series = series_of(operation);
  (status == 200 ? series.ok : requests_total(operation, status))->add();
  series.duration_ms->observe(ms);
  log_debug("request", {{"operation", operation.name}, {"status", status}, {"ms", ms}});
  if (asked.note != nullptr) audit(asked, status, nanos);
}

/// Whoever knocks must not fill the disk: of strangers one in a second is told, and how many more.
std::optional<std::string> Service::told_refusal(const Asked& asked) {
  if (!asked.is_stranger) return R"({"denied":true})";
  const MutexLock lock(strangers_mutex_);
  if (!strangers_.take(context_.clock.monotonic_nanos())) {
    ++strangers_untold_;
    return std::nullopt;
  }
  const uint64_t untold = std::exchange(strangers_untold_, 0);
  if (untold == 0) return R"({"denied":true})";
  return R"({"denied":true,"not_told_before":)" + std::to_string(untold) + "}";
}

void Service::audit(const Asked& asked, int status, uint64_t nanos) {
  const Operation& operation = asked.operation;
  const Series& series = series_of(operation);
  const AuditNote& note = *asked.note;
  const bool denied = status == 401 || status == 403;
  std::string details = note.details_json;
  if (denied) {
    auto told = told_refusal(asked);
    if (!told) return;
    details = *std::move(told);
  }
  context_.audit->add({.unix_micros = context_.clock.unix_micros(),
                       .user = short_name(note.user.empty() ? asked.user : note.user),
                       .action = std::string(series.audited.action.empty() ? operation.name
                                                                           : series.audited.action),
                       .resource = short_name(resource_of(asked)),
                       .details_json = std::move(details),
                       .result = denied          ? "denied"
                                 : status >= 400 ? "error"
                                 : note.partial  ? "partial"
                                                 : "success",
                       .ip_address = asked.client_ip,
                       .duration_micros = nanos / 1000});
  // What an administrator did is told before it is answered; of the rest a crash may take a moment.
  if (status < 400 && allows(Role::kAdmin, operation.permission) &&
      !allows(Role::kEditor, operation.permission)) {
    context_.audit->flush().ignore();  // it has been logged, and is tried again
  }
}

std::string Service::resource_of(const Asked& asked) const {
  if (!asked.note->resource.empty()) return asked.note->resource;
  if (!asked.collection.empty()) return "collection:" + asked.collection;
  const std::string_view named = series_of(asked.operation).audited.resource;
  return named.empty() ? "system:" + std::string(asked.operation.name) : std::string(named);
}

HttpResponse Service::refuse(int status, std::string_view message) {
  const std::string_view word = status == 408   ? "timeout"
                                : status == 503 ? "unavailable"
                                                : "invalid_payload";
  count_unmatched(status);
  return to_response(error_answer(status, word, message), "");
}

// Credential, permission, namespaces and content type; the answer that refuses the call, or none.
std::optional<Answer> Service::refusal(const HttpRequest& request, const Operation& operation,
                                       Call& call, std::string& headers) {
  if (operation.permission != Permission::kPublic) {
    Result<Principal> who = context_.accounts.authenticate(request.authorization);
    if (!who.ok()) {
      if (who.error().code() == Code::kUnauthenticated) headers += "WWW-Authenticate: Bearer\r\n";
      return auth_error_answer(who.error());
    }
    call.principal = *std::move(who);
    if (call.principal.account.empty() && !is_from_here(request, cors_)) {
      return auth_error_answer(403, "forbidden",
                               "without an API key only programs and pages of this machine are "
                               "served: make a key, or ask for localhost");
    }
    if (auto refused = refusal_of(call.principal, operation, call)) return refused;
  }
  uint64_t retry_seconds = 0;
  if (!call.collection.empty() &&
      !rate_limit_.take(call.collection, context_.clock.monotonic_nanos(), retry_seconds)) {
    headers += "Retry-After: " + std::to_string(retry_seconds) + "\r\n";
    return Answer{.status = 429,
                  .body = "Too many requests for this collection",
                  .content_type = "text/plain; charset=utf-8"};
  }
  const auto types = content_types(operation.body);
  if (!types.empty() && !is_one_of(request.content_type, types)) {
    return error_answer(
        415, "invalid_payload",
        "this request needs the header 'Content-Type: " + std::string(types.front()) + "'");
  }
  return std::nullopt;
}

bool Service::streams(std::string_view method, std::string_view target) const {
  std::string allowed;
  const Result<Route> route = router_.route(method, target, &allowed);
  return route.ok() && route->operation->body == Body::kLines;
}

std::shared_ptr<BodySink> Service::handle(HttpRequest request, Reply reply) {
  const uint64_t started = context_.clock.monotonic_nanos();
  std::string headers = request.origin ? cors_.headers(*request.origin) : std::string();
  if (request.method == "OPTIONS" && request.origin && request.preflight_method) {
    reply(to_response({.status = 204, .body = {}}, cors_.preflight_headers(*request.origin)));
    return nullptr;
  }
  std::string allowed;
  Result<Route> route = router_.route(request.method, request.target, &allowed);
  if (!route.ok()) {
    const Status& error = route.error();
    Answer answer = error.code() == Code::kNotFound
                        ? error_answer(404, "invalid_payload", error.message())
                        : error_answer(error);
    if (!allowed.empty()) headers += "Allow: " + allowed + "\r\n";
    count_unmatched(answer.status);
    reply(to_response(std::move(answer), std::move(headers)));
    return nullptr;
  }
  const Operation& operation = *route->operation;
  Call call;
  call.collection = std::move(route->collection);
  call.item = std::move(route->item);
  call.query = std::move(route->query);
  call.namespace_header = request.namespace_header;
  auto refused = refusal(request, operation, call, headers);
  if (is_audited(operation, refused.has_value())) call.audit = std::make_shared<AuditNote>();
  const bool is_stranger = refused && call.principal.account.empty();
  Asked asked{operation,           started,     call.collection,
              call.principal.user, is_stranger, std::string(request.client_ip),
              call.audit};
  if (refused) {
    ended(asked, refused->status);
    reply(to_response(*std::move(refused), std::move(headers)));
    return nullptr;
  }
  call.body = std::move(request.body);
  operation.handler(context_, call,
                    [this, asked = std::move(asked), headers = std::move(headers),
                     reply = std::move(reply)](Answer answer) mutable {
                      ended(asked, answer.status);
                      reply(to_response(std::move(answer), std::move(headers)));
                    });
  return std::move(call.sink);
}

}  // namespace ferres
