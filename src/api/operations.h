// The one table of what the server can do. A transport (REST today) offers every row; tests and
// permission checks walk it. A new operation is one file and one row. Immutable; any thread.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/answer.h"
#include "api/context.h"
#include "auth/principal.h"

namespace ferres {

enum class Verb : uint8_t { kGet, kPost, kPut, kPatch, kDelete };
std::string_view verb_name(Verb verb);

/// kLines: JSON values, one a line, of any length together; the handler gets them through a sink.
enum class Body : uint8_t { kNone, kJson, kLines };

/// Whose points an operation touches. A caller who may not see all points of a collection, or not
/// all namespaces, is kept from kAll; the handlers of kScoped keep to what it may see
/// (api/scope.h).
enum class Reach : uint8_t {
  kServer,  // nobody's
  kScoped,
  kAll,
};

/// What the audit log is told of an operation's calls.
struct Audited {
  std::string_view action;    // empty: nothing, but for calls that are refused
  std::string_view resource;  // of calls that are about no collection and name nothing themselves
};

/// What a handler adds to the audit log's entry of its call.
struct AuditNote {
  std::string user;  // empty: the principal's
  std::string resource;
  std::string details_json;
  bool partial = false;  // done in part
};

/// One request of a client. Path variables are percent-decoded UTF-8, but otherwise as sent.
struct Call {
  std::string collection;  // the path's :name
  std::string item;        // the path's *id or other variable: a point's id, a namespace, ...
  std::vector<std::pair<std::string, std::string>> query;
  std::optional<std::string> namespace_header;
  std::string body;
  Principal principal;
  /// Set by the handler of an operation whose body is kLines, unless it replied at once.
  std::shared_ptr<BodySink> sink;
  /// Null when the call is not audited. A handler that replies later keeps a reference.
  std::shared_ptr<AuditNote> audit;

  /// Says what the call is about, "KIND:NAME".
  void about(std::string resource) const;
  /// A JSON object that the audit log keeps with the call.
  void detail(std::string json) const;

  /// The value of a query parameter; nullptr when absent.
  const std::string* parameter(std::string_view name) const;
  /// The namespace named outside the body: query parameter, else the X-Namespace header.
  std::optional<std::string> ambient_namespace() const;
};

using Handler = void (*)(Context&, Call&, const Reply&);

struct Operation {
  std::string_view name;
  Verb verb;
  std::string_view path;  // ":name" and others are one segment, "*id" the rest of the path
  Permission permission;
  Reach reach;
  bool writes;  // refused on read replicas
  Body body;
  Handler handler;
};

std::span<const Operation> api_operations();
Audited audited_as(const Operation& operation);

}  // namespace ferres
