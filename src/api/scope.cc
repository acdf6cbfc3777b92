// Namespaces and filters of calls.
#include "api/scope.h"

#include "json/writer.h"

namespace ferres {
namespace {

/// An empty name is no name: it must not widen what the caller's surroundings say.
std::optional<std::string> first_named(std::optional<std::string> a, std::optional<std::string> b) {
  return a && !a->empty() ? std::move(a) : std::move(b);
}

/// A filter with the restriction in place of what it says of the same field at the top.
Result<Predicate> restricted(std::string_view filter, const Restriction& restriction) {
  const std::string text(filter.empty() ? "{}" : filter);
  JsonWriter json;
  json.begin_object();
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(text).get_object().get(object) == simdjson::SUCCESS) {
    for (const auto field : object) {
      if (field.key != restriction.field) json.key(field.key).raw(simdjson::minify(field.value));
    }
  }
  json.key(restriction.field).begin_object().key("$in").raw(restriction.values_json).end_object();
  json.end_object();
  return Predicate::parse(json.text());
}

/// `named` is what the request says outside of its filter, whose text may be empty.
Result<Scope> scope_of(const Call& call, std::string_view collection,
                       std::optional<std::string> named, std::string_view filter) {
  Scope scope;
  std::optional<std::string> in_filter;
  if (!filter.empty()) {
    TRY_ASSIGN(scope.filter, Predicate::parse(filter));
    in_filter = scope.filter->namespace_name();
  }
  named = first_named(std::move(named), std::move(in_filter));
  const auto allowed = call.principal.namespaces();
  if (allowed.size() > 1 && (!named || named->empty())) {
    scope.namespaces.assign(allowed.begin(), allowed.end());
  } else {
    TRY_ASSIGN(scope.ns, namespace_within(call.principal, std::move(named)));
  }
  if (const Restriction* const restriction = call.principal.restriction(collection)) {
    TRY_ASSIGN(scope.filter, restricted(filter, *restriction));
  }
  return scope;
}

}  // namespace

Result<std::optional<std::string>> namespace_within(const Principal& who,
                                                    std::optional<std::string> named) {
  const auto allowed = who.namespaces();
  if (allowed.empty()) return named;
  if (named && !named->empty()) {
    if (who.may_enter(*named)) return named;
    return Status(Code::kForbidden, "API key does not have access to this namespace");
  }
  if (allowed.size() == 1) return std::optional(allowed.front());
  return Status(Code::kForbidden, "this API key is limited to " + std::to_string(allowed.size()) +
                                      " namespaces: name one of them");
}

Result<Scope> read_scope(const JsonFields& fields, const Call& call) {
  std::optional<std::string> named;
  TRY(fields.read("namespace", named));
  std::string filter;
  if (const JsonValue* value = fields.find("filter")) {
    TRY_ASSIGN(filter, to_json_text(*value));
  }
  return scope_of(call, call.collection, first_named(std::move(named), call.ambient_namespace()),
                  filter);
}

Result<Scope> query_scope(const Call& call) {
  const std::string* const filter = call.parameter("filter");
  return scope_of(call, call.collection, call.ambient_namespace(),
                  filter == nullptr ? std::string_view() : *filter);
}

Result<Scope> whole_scope(const Call& call, std::string_view collection) {
  return scope_of(call, collection, call.ambient_namespace(), "");
}

Result<std::optional<std::string>> read_namespace(const JsonFields& fields, const Call& call) {
  std::optional<std::string> named;
  TRY(fields.read("namespace", named));
  return namespace_within(call.principal, first_named(std::move(named), call.ambient_namespace()));
}

Result<std::optional<std::string>> query_namespace(const Call& call) {
  return namespace_within(call.principal, call.ambient_namespace());
}

Result<std::shared_ptr<const Predicate>> read_restriction(const Call& call) {
  const Restriction* const restriction = call.principal.restriction(call.collection);
  if (restriction == nullptr) return std::shared_ptr<const Predicate>();
  TRY_ASSIGN(Predicate predicate, restricted("", *restriction));
  return std::shared_ptr<const Predicate>(std::make_shared<Predicate>(std::move(predicate)));
}

Status check_visible(const Call& call, const Point& point) {
  TRY_ASSIGN(const std::shared_ptr<const Predicate> restriction, read_restriction(call));
  if (!restriction || restriction->matches(point.metadata_json)) return {};
  return {Code::kNotFound, "point '" + point.id + "' not found"};
}

Status check_visible(const Call& call, Collection& collection, const std::string& id,
                     const std::optional<std::string>& ns) {
  if (call.principal.restriction(call.collection) == nullptr) return {};
  TRY_ASSIGN(const Point point, collection.get(id, ns));
  return check_visible(call, point);
}

Status check_unrestricted(const Call& call) {
  if (call.principal.restriction(call.collection) == nullptr) return {};
  return {Code::kForbidden, "your permission on this collection is for some of its points alone"};
}

Status check_whole_namespace(const Call& call, std::string_view ns) {
  if (!call.principal.may_enter(ns))
    return {Code::kForbidden, "API key does not have access to this namespace"};
  return check_unrestricted(call);
}

Result<uint64_t> visible_points(Collection& collection, const Call& call) {
  if (call.principal.sees_all(collection.config().name)) return collection.stats().points;
  TRY_ASSIGN(const Scope scope, whole_scope(call, collection.config().name));
  ListRequest request;
  scope.apply(request);
  request.count_only = true;
  TRY_ASSIGN(const ListResult counted, collection.list(request));
  return counted.total;
}

}  // namespace ferres
