// Reads request bodies: simdjson's DOM (the fastest way to vectors), then typed fields with the
// contract's statuses. Text that is not JSON, too deep, or an object that names a key twice is
// kInvalidArgument (400); JSON of the wrong shape is kUnprocessable (422). A key that appears twice
// is refused because two readers could understand it in two ways. An integer beyond 64 bits is the
// nearest double. null counts as absent; unknown keys are ignored. Values live until this thread's
// next parse_body; one body a thread at a time.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <simdjson.h>

#include "base/status.h"
#include "json/writer.h"

namespace ferres {

using JsonValue = simdjson::dom::element;

inline constexpr size_t kJsonDepthMax = 64;

/// May change the body's text and capacity (the parser reads past its end).
Result<JsonValue> parse_body(std::string& body);

/// The fields of one JSON object. `where` ("", "points[3]") goes into messages.
class JsonFields {
 public:
  static Result<JsonFields> of(JsonValue value, std::string where = "");

  /// nullptr when absent or null.
  const JsonValue* find(std::string_view key) const;
  /// kUnprocessable "missing field 'KEY'" when absent or null.
  Result<JsonValue> require(std::string_view key) const;

  // Leaves `out` alone when the key is absent or null.
  Status read(std::string_view key, std::string& out) const;
  Status read(std::string_view key, uint64_t& out) const;
  Status read(std::string_view key, double& out) const;
  Status read(std::string_view key, bool& out) const;
  template <class T>
  Status read(std::string_view key, std::optional<T>& out) const {
    if (find(key) == nullptr) return {};
    T value{};
    TRY(read(key, value));
    out = std::move(value);
    return {};
  }
  template <class T>
  Status require(std::string_view key, T& out) const {
    TRY_ASSIGN([[maybe_unused]] const JsonValue value, require(key));
    return read(key, out);
  }
  /// Refuses (400) the first of these keys that is present: "KEY is not supported yet".
  Status refuse(std::span<const std::string_view> keys) const;
  std::string path(std::string_view key) const;
  const std::vector<std::pair<std::string_view, JsonValue>>& all() const { return fields_; }

 private:
  std::vector<std::pair<std::string_view, JsonValue>> fields_;
  std::string where_;
};

/// An array of numbers, or a base64 string of little-endian floats (API.md 16.2). Stops with
/// kInvalidArgument beyond count_max numbers. Values too large for a float come out infinite.
Status read_vector(JsonValue value, std::string_view path, size_t count_max,
                   std::vector<float>& out);
/// The index of the first number that is not finite.
std::optional<size_t> first_non_finite(std::span<const float> vector);

Status read_strings(JsonValue value, std::string_view path, std::vector<std::string>& out);

/// The value as minified JSON text; refuses repeated keys.
Result<std::string> to_json_text(JsonValue value);

}  // namespace ferres
