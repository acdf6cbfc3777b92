// Shared parts of requests and answers.
#include "api/requests.h"

#include <array>
#include <charconv>

#include "api/relations.h"

namespace ferres {
namespace {

constexpr uint64_t kEfSearchMax = 10000;
Status refuse_named_vectors(const JsonFields& fields) {
  const JsonValue* vectors = fields.find("vectors");
  if (vectors == nullptr) return {};
  simdjson::dom::object object;
  if (vectors->get_object().get(object) == simdjson::SUCCESS && object.size() == 0) return {};
  return Status(Code::kInvalidArgument,
                fields.path("vectors") + ": named vectors are not supported yet");
}

Result<bool> is_async(const std::string& durability, Code otherwise) {
  if (durability == "sync" || durability == "async") return durability == "async";
  return Status(otherwise, "durability must be 'sync' or 'async', not '" + durability + "'");
}

}  // namespace

Result<bool> read_async(const JsonFields& fields) {
  std::string durability = "sync";
  TRY(fields.read("durability", durability));
  return is_async(durability, Code::kUnprocessable);
}

Result<bool> read_async(const Call& call) {
  const std::string* const durability = call.parameter("durability");
  return durability == nullptr ? false : is_async(*durability, Code::kInvalidArgument);
}

Status read_query_vector(JsonValue value, std::vector<float>& vector) {
  Status status = read_vector(value, "vector", kDimensionMax, vector);
  if (status.code() != Code::kInvalidArgument) return status;
  return Status(Code::kInvalidArgument,
                "vector dimension too large: max " + std::to_string(kDimensionMax));
}

Status read_vector_field(const JsonFields& fields) {
  std::string vector_field = "default";
  TRY(fields.read("vector_field", vector_field));
  if (vector_field == "default") return {};
  return Status(Code::kInvalidArgument, "unknown vector field: " + vector_field);
}

Result<uint32_t> read_limit(const JsonFields& fields) {
  uint64_t limit = 0;
  TRY(fields.require("limit", limit));
  if (limit == 0) return Status(Code::kInvalidArgument, "limit must be greater than 0");
  if (limit > kSearchLimitMax) {
    return Status(Code::kInvalidArgument,
                  "limit too large: max " + std::to_string(kSearchLimitMax));
  }
  return static_cast<uint32_t>(limit);
}

Result<uint32_t> read_ef_search(const JsonFields& fields) {
  std::optional<uint64_t> ef_search;
  TRY(fields.read("ef_search", ef_search));
  if (ef_search && (*ef_search == 0 || *ef_search > kEfSearchMax)) {
    return Status(Code::kInvalidArgument,
                  "ef_search must be between 1 and " + std::to_string(kEfSearchMax));
  }
  return static_cast<uint32_t>(ef_search.value_or(0));
}

Result<uint64_t> query_number(const Call& call, std::string_view name, uint64_t fallback) {
  const std::string* text = call.parameter(name);
  if (text == nullptr) return fallback;
  uint64_t value = 0;
  const auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (ec != std::errc() || end != text->data() + text->size()) {
    return Status(Code::kInvalidArgument, "query parameter " + std::string(name) +
                                              " must be a whole number, not '" + *text + "'");
  }
  return value;
}

Status read_point(const JsonFields& fields, size_t index, PointInput& point, std::string& reason) {
  TRY(fields.require("id", point.id));
  TRY(fields.read("if_version", point.if_version));
  TRY(fields.read("if_absent", point.if_absent));
  if (point.if_version && point.if_absent) reason = "give either if_version or if_absent, not both";
  TRY(refuse_named_vectors(fields));
  TRY(fields.read("namespace", point.ns));
  TRY(fields.read("ttl", point.ttl_seconds));
  if (point.ttl_seconds && (*point.ttl_seconds == 0 || *point.ttl_seconds > kTtlSecondsMax)) {
    reason = "ttl must be between 1 and " + std::to_string(kTtlSecondsMax) + " seconds";
  }
  if (const JsonValue* vector = fields.find("vector")) {
    Status status = read_vector(*vector, fields.path("vector"), kDimensionMax, point.vector);
    if (status.code() == Code::kInvalidArgument) {
      return Status(Code::kInvalidArgument, "vector dimension too large at point index " +
                                                std::to_string(index) + ": max " +
                                                std::to_string(kDimensionMax));
    }
    TRY(std::move(status));
    if (point.vector.empty()) reason = "vector cannot be empty";
  }
  if (const JsonValue* metadata = fields.find("metadata")) {
    Result<std::string> text = to_json_text(*metadata);
    if (text.ok()) {
      point.metadata_json = *std::move(text);
    } else {
      reason = "metadata: " + std::string(text.error().message());
    }
  }
  return {};
}

void write_commit(JsonWriter& json, bool async, Lsn lsn) {
  json.field("lsn", lsn).field("durability", async ? "async" : "sync");
}

void write_point(JsonWriter& json, const Point& point) {
  json.begin_object();
  json.field("id", std::string_view(point.id));
  json.key("vector");
  if (point.vector.empty()) {
    json.null();
  } else {
    json.numbers(point.vector);
  }
  if (point.approximate) json.field("approximate", true);
  json.key("metadata").raw(point.metadata_json);
  json.field("created_at", point.created_at);
  if (point.ns) json.field("namespace", std::string_view(*point.ns));
  json.field("version", point.version);
  write_relations(json, point);
  json.end_object();
}

}  // namespace ferres
