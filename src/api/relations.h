// What the operations on links have in common: how the ends of a link are named, and which points a
// caller is told of. Pure functions of their arguments; any thread.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/operations.h"
#include "collection/collection.h"
#include "filter/predicate.h"
#include "json/reader.h"
#include "json/writer.h"

namespace ferres {

/// A point as requests name it: its storage id (namespace NUL id), or its id with its namespace
/// named beside it or outside of the body. kForbidden for a namespace that the caller may not
/// enter.
Result<PointName> point_name(const Call& call, std::string_view id,
                             const std::optional<std::string>& ns = {});
/// From the fields "KEY" and "KEY_namespace".
Result<PointName> read_point_name(const JsonFields& fields, const Call& call, std::string_view key);

/// Which points a call's answer may tell links of.
struct CallSight {
  std::vector<std::string> namespaces;
  std::shared_ptr<const Predicate> restriction;

  /// Must not outlive this.
  Sight sight() const { return {namespaces, restriction.get()}; }
};
Result<CallSight> sight_of(const Call& call);

/// "relations" of a point that has links, and whether there are more.
void write_relations(JsonWriter& json, const Point& point);

}  // namespace ferres
