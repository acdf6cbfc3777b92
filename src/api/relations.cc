// See relations.h.
#include "api/relations.h"

#include "api/scope.h"

namespace ferres {

Result<PointName> point_name(const Call& call, std::string_view id,
                             const std::optional<std::string>& ns) {
  PointName name;
  const size_t nul = id.find('\0');
  name.id = nul == std::string_view::npos ? id : id.substr(nul + 1);
  if (nul != std::string_view::npos) name.ns = id.substr(0, nul);
  if (ns && name.ns && *ns != *name.ns) {
    return Status(Code::kInvalidArgument,
                  "the id names namespace '" + *name.ns + "', and the request '" + *ns + "'");
  }
  if (!name.ns) name.ns = ns ? ns : call.ambient_namespace();
  TRY_ASSIGN(name.ns, namespace_within(call.principal, std::move(name.ns)));
  return name;
}

Result<PointName> read_point_name(const JsonFields& fields, const Call& call,
                                  std::string_view key) {
  std::string id;
  std::optional<std::string> ns;
  TRY(fields.require(key, id));
  TRY(fields.read(std::string(key) + "_namespace", ns));
  return point_name(call, id, ns);
}

Result<CallSight> sight_of(const Call& call) {
  CallSight sight;
  const auto allowed = call.principal.namespaces();
  sight.namespaces.assign(allowed.begin(), allowed.end());
  TRY_ASSIGN(sight.restriction, read_restriction(call));
  return sight;
}

void write_relations(JsonWriter& json, const Point& point) {
  if (!point.relations.empty()) {
    json.key("relations").begin_array();
    for (const std::string& id : point.relations)
      json.string(id);
    json.end_array();
  }
  if (point.relations_cut) json.field("relations_truncated", true);
}

}  // namespace ferres
