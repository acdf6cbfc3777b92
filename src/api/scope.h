// Which points a call is about, kept within what its caller may see (API.md 3.4, 3.5): the one
// place where a credential's namespaces and metadata restriction meet a request. Every handler of
// points takes its namespaces and filters from here. Pure functions; any thread.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "api/operations.h"
#include "collection/collection.h"
#include "filter/predicate.h"
#include "json/reader.h"

namespace ferres {

/// What a read may look at.
struct Scope {
  std::optional<std::string> ns;
  std::vector<std::string> namespaces;  // when ns is none: these alone; empty: all
  std::optional<Predicate> filter;      // nullopt: no condition

  /// The one that is named, be it by the filter.
  std::optional<std::string> named() const { return !ns && filter ? filter->namespace_name() : ns; }
  const Predicate* predicate() const { return filter ? &*filter : nullptr; }
  /// Into a request of the collection, which must not outlive this.
  template <class Request>
  void apply(Request& request) const {
    request.ns = ns;
    request.namespaces = namespaces;
    request.filter = predicate();
  }
};

/// From a body's "namespace" and "filter", and what is named outside the body. kForbidden for a
/// namespace that the caller may not enter.
Result<Scope> read_scope(const JsonFields& fields, const Call& call);
/// From the query's "namespace" and "filter".
Result<Scope> query_scope(const Call& call);
/// Everything that the caller may see of the call's collection, or of another one.
Result<Scope> whole_scope(const Call& call, std::string_view collection);

/// The namespace that the ids of a call are in: the body's "namespace", else the one named outside
/// it, else the only one that the caller may enter. kForbidden when there are several of those.
Result<std::optional<std::string>> read_namespace(const JsonFields& fields, const Call& call);
Result<std::optional<std::string>> query_namespace(const Call& call);
/// The same of a name that a point has for itself.
Result<std::optional<std::string>> namespace_within(const Principal& who,
                                                    std::optional<std::string> named);

/// What the metadata of points must be for the caller to see and write them; null: anything.
Result<std::shared_ptr<const Predicate>> read_restriction(const Call& call);
/// kNotFound, as of a point that is not there, for one that the caller's metadata restriction
/// hides.
Status check_visible(const Call& call, const Point& point);
Status check_visible(const Call& call, Collection& collection, const std::string& id,
                     const std::optional<std::string>& ns);
/// kForbidden when a metadata restriction hides points of the collection from the caller.
Status check_unrestricted(const Call& call);
/// kForbidden when anything hides points of the namespace from the caller.
Status check_whole_namespace(const Call& call, std::string_view ns);

/// How many points the caller may see.
Result<uint64_t> visible_points(Collection& collection, const Call& call);

}  // namespace ferres
