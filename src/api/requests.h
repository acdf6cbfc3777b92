// What several operations read and write in the same way: durability, points, LSNs.
// Pure functions of their arguments; any thread.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "api/context.h"
#include "api/operations.h"
#include "collection/collection.h"
#include "json/reader.h"
#include "json/writer.h"

namespace ferres {

inline constexpr uint64_t kTtlDaysMax = 36500;
inline constexpr uint64_t kTtlSecondsMax = kTtlDaysMax * 86400;

/// "durability": true for "async", false for "sync" or when absent.
Result<bool> read_async(const JsonFields& fields);
/// The same from the query parameter.
Result<bool> read_async(const Call& call);
/// The vector to search for, and what refuses a "vector_field" that the collection has not.
Status read_query_vector(JsonValue value, std::vector<float>& vector);
Status read_vector_field(const JsonFields& fields);
/// "limit" of a search, checked.
Result<uint32_t> read_limit(const JsonFields& fields);
/// "ef_search" of a search, checked; 0 when absent.
Result<uint32_t> read_ef_search(const JsonFields& fields);
/// A query parameter that is a whole number; kInvalidArgument otherwise.
Result<uint64_t> query_number(const Call& call, std::string_view name, uint64_t fallback);

/// One point of an upsert. An error is about the request's shape; `reason` is set when the point
/// fails alone.
Status read_point(const JsonFields& fields, size_t index, PointInput& point, std::string& reason);

/// "durability" and "lsn" of a write's answer.
void write_commit(JsonWriter& json, bool async, Lsn lsn);
/// A whole point as get and list answer it.
void write_point(JsonWriter& json, const Point& point);

}  // namespace ferres
