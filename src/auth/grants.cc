// Reading and writing of grants.
#include "auth/grants.h"

#include <algorithm>
#include <array>
#include <utility>

namespace ferres {
namespace {

constexpr std::array<std::pair<std::string_view, Permission>, 5> kActions = {{
    {"read", Permission::kRead},
    {"write", Permission::kWrite},
    {"create", Permission::kCreate},
    {"delete", Permission::kDelete},
    {"admin", Permission::kAdmin},
}};

Status wrong(std::string message) {
  return {Code::kUnprocessable, std::move(message)};
}

Status check_length(std::string_view text, std::string_view path, size_t bytes_max) {
  if (text.size() <= bytes_max) return {};
  return {Code::kInvalidArgument,
          std::string(path) + " too long: max " + std::to_string(bytes_max) + " bytes"};
}

Result<std::vector<Permission>> read_actions(JsonValue value, const std::string& path) {
  std::vector<std::string> names;
  TRY(read_strings(value, path, names));
  std::vector<Permission> actions;
  for (const std::string& name : names) {
    const auto* const known = std::find_if(kActions.begin(), kActions.end(),
                                           [&](const auto& a) { return a.first == name; });
    if (known == kActions.end()) {
      std::string message = path;
      message += ": unknown action '";
      message += name;
      return wrong(std::move(message) + "'; read, write, create, delete or admin");
    }
    if (std::find(actions.begin(), actions.end(), known->second) == actions.end())
      actions.push_back(known->second);
  }
  return actions;
}

Result<Restriction> read_restriction(JsonValue value, const std::string& path) {
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(value, path));
  Restriction restriction;
  TRY(fields.require("field", restriction.field));
  // Put into a filter as a field's name: nothing that a filter would take for something else.
  if (restriction.field.empty() || restriction.field.starts_with('$'))
    return wrong(fields.path("field") + " must name a metadata field");
  TRY(check_length(restriction.field, fields.path("field"), kResourceBytesMax));
  TRY_ASSIGN(const JsonValue values, fields.require("allowed_values"));
  simdjson::dom::array array;
  if (values.get_array().get(array) != simdjson::SUCCESS)
    return wrong(fields.path("allowed_values") + " must be an array");
  if (array.size() > kRestrictionValuesMax) {
    return Status(Code::kInvalidArgument, fields.path("allowed_values") + " has too many: max " +
                                              std::to_string(kRestrictionValuesMax));
  }
  for (const JsonValue value : array) {
    if (!value.is_string() && !value.is_number() && !value.is_bool())
      return wrong(fields.path("allowed_values") + " must be strings, numbers, true or false");
  }
  TRY_ASSIGN(restriction.values_json, to_json_text(values));
  TRY(check_length(restriction.values_json, fields.path("allowed_values"), kRestrictionBytesMax));
  return restriction;
}

Result<Grant> read_grant(JsonValue value, const std::string& path) {
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(value, path));
  TRY_ASSIGN(const JsonValue resource, fields.require("resource"));
  TRY_ASSIGN(const JsonFields of, JsonFields::of(resource, fields.path("resource")));
  Grant grant;
  std::string type;
  TRY(of.require("type", type));
  if (type == "collection") {
    TRY(of.require("name", grant.collection.emplace()));
    TRY(check_length(*grant.collection, of.path("name"), kResourceBytesMax));
  } else if (type != "all_collections") {
    return wrong(of.path("type") + " must be 'collection' or 'all_collections'");
  }
  TRY_ASSIGN(const JsonValue actions, fields.require("actions"));
  TRY_ASSIGN(grant.actions, read_actions(actions, fields.path("actions")));
  if (const JsonValue* restriction = fields.find("metadata_restriction")) {
    TRY_ASSIGN(grant.restriction,
               read_restriction(*restriction, fields.path("metadata_restriction")));
  }
  return grant;
}

}  // namespace

Result<std::vector<Grant>> read_grants(JsonValue value, std::string_view path) {
  simdjson::dom::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS)
    return wrong(std::string(path) + " must be an array");
  if (array.size() > kGrantsMax) {
    return Status(Code::kInvalidArgument,
                  std::string(path) + " has too many: max " + std::to_string(kGrantsMax));
  }
  std::vector<Grant> grants;
  for (const JsonValue item : array) {
    TRY_ASSIGN(Grant grant,
               read_grant(item, std::string(path) + "[" + std::to_string(grants.size()) + "]"));
    const bool twice = std::any_of(grants.begin(), grants.end(), [&grant](const Grant& other) {
      return other.collection == grant.collection;
    });
    if (twice) {
      return Status(Code::kInvalidArgument,
                    std::string(path) + " names " + grant.collection.value_or("all_collections") +
                        " twice: which entry counts would be anybody's guess");
    }
    grants.push_back(std::move(grant));
  }
  return grants;
}

void write_grants(JsonWriter& json, const std::vector<Grant>& grants) {
  json.begin_array();
  for (const Grant& grant : grants) {
    json.begin_object().key("resource").begin_object();
    json.field("type", grant.collection ? "collection" : "all_collections");
    if (grant.collection) json.field("name", *grant.collection);
    json.end_object().key("actions").begin_array();
    for (const auto& [name, permission] : kActions) {
      if (std::find(grant.actions.begin(), grant.actions.end(), permission) != grant.actions.end())
        json.string(name);
    }
    json.end_array();
    if (grant.restriction) {
      json.key("metadata_restriction").begin_object();
      json.field("field", grant.restriction->field);
      json.key("allowed_values").raw(grant.restriction->values_json).end_object();
    }
    json.end_object();
  }
  json.end_array();
}

Result<std::vector<std::string>> read_namespaces(JsonValue value, std::string_view path) {
  std::vector<std::string> names;
  TRY(read_strings(value, path, names));
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  if (names.size() > kNamespacesAllowedMax) {
    return Status(Code::kInvalidArgument, std::string(path) + " has too many: max " +
                                              std::to_string(kNamespacesAllowedMax));
  }
  for (const std::string& name : names)
    TRY(check_length(name, path, kResourceBytesMax));
  // An empty name would be every point that has none.
  if (!names.empty() && names.front().empty())
    return Status(Code::kInvalidArgument, std::string(path) + ": a namespace's name is not empty");
  return names;
}

void write_strings(JsonWriter& json, const std::vector<std::string>& strings) {
  json.begin_array();
  for (const std::string& text : strings)
    json.string(text);
  json.end_array();
}

}  // namespace ferres
