// Permissions as JSON (API.md 3.4): in requests, in answers and in the file of accounts. Pure.
#pragma once
#include <vector>

#include "auth/principal.h"
#include "json/reader.h"
#include "json/writer.h"

namespace ferres {

inline constexpr size_t kGrantsMax = 1000;
inline constexpr size_t kNamespacesAllowedMax = 1000;
inline constexpr size_t kRestrictionValuesMax = 500;
inline constexpr size_t kResourceBytesMax = 256;  // names of namespaces, collections and fields
inline constexpr size_t kRestrictionBytesMax = 64 << 10;

/// An array of grants; `path` goes into messages. kUnprocessable for a wrong shape.
Result<std::vector<Grant>> read_grants(JsonValue value, std::string_view path);
void write_grants(JsonWriter& json, const std::vector<Grant>& grants);

/// Sorted and without repetition. kInvalidArgument for an empty name, or too many of them.
Result<std::vector<std::string>> read_namespaces(JsonValue value, std::string_view path);
void write_strings(JsonWriter& json, const std::vector<std::string>& strings);

}  // namespace ferres
