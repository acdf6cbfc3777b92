// Typed reading of simdjson's DOM.
#include "json/reader.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <memory>

namespace ferres {
namespace {

using simdjson::dom::element_type;

constexpr size_t kParserKeptBytesMax = 4 << 20;
constexpr size_t kSortedKeysMin = 16;

Status duplicate_key(std::string_view key) {
  return Status(Code::kInvalidArgument,
                "malformed JSON: the key '" + std::string(key) + "' appears twice in one object");
}

Status check_unique(std::span<const std::string_view> keys) {
  if (keys.size() < kSortedKeysMin) {
    for (size_t i = 1; i < keys.size(); ++i) {
      const auto before = keys.first(i);
      if (std::ranges::find(before, keys[i]) != before.end()) return duplicate_key(keys[i]);
    }
    return {};
  }
  std::vector<std::string_view> sorted(keys.begin(), keys.end());
  std::sort(sorted.begin(), sorted.end());
  const auto found = std::adjacent_find(sorted.begin(), sorted.end());
  return found == sorted.end() ? Status() : duplicate_key(*found);
}

Status wrong_type(std::string_view path, std::string_view wanted) {
  return Status(Code::kUnprocessable, std::string(path) + " must be " + std::string(wanted));
}

// Recursion is bounded by the depth that the parser let through.
Status write_value(JsonWriter& json, JsonValue value) {
  switch (value.type()) {
    case element_type::OBJECT: {
      std::vector<std::string_view> keys;
      json.begin_object();
      for (const auto field : simdjson::dom::object(value)) {
        keys.push_back(field.key);
        json.key(field.key);
        TRY(write_value(json, field.value));
      }
      json.end_object();
      return check_unique(keys);
    }
    case element_type::ARRAY:
      json.begin_array();
      for (const JsonValue item : simdjson::dom::array(value))
        TRY(write_value(json, item));
      json.end_array();
      return {};
    case element_type::STRING:
      json.string(std::string_view(value));
      return {};
    case element_type::INT64:
      json.integer(static_cast<int64_t>(value));
      return {};
    case element_type::UINT64:
      json.integer(static_cast<uint64_t>(value));
      return {};
    case element_type::DOUBLE:
      json.number(static_cast<double>(value));
      return {};
    case element_type::BOOL:
      json.boolean(static_cast<bool>(value));
      return {};
    case element_type::NULL_VALUE:
      json.null();
      return {};
  }
  return {};
}

bool beyond_64_bits(std::string_view integer) {
  const char* const begin = std::to_address(integer.begin());
  const char* const end = begin + integer.size();
  int64_t whole = 0;
  uint64_t large = 0;
  return std::from_chars(begin, end, whole).ec == std::errc::result_out_of_range &&
         (integer.front() == '-' ||
          std::from_chars(begin, end, large).ec == std::errc::result_out_of_range);
}

// Turns integers beyond 64 bits into doubles by a ".0", for simdjson refuses them. Text that is not
// JSON stays so.
std::string with_large_integers_as_doubles(std::string_view text) {
  constexpr std::string_view kNumberStarts = "-0123456789";
  constexpr std::string_view kNumberRest = "+-.eE0123456789";
  std::string result;
  result.reserve(text.size() + simdjson::SIMDJSON_PADDING);
  bool in_string = false;
  for (size_t i = 0; i < text.size();) {
    size_t length = 1;
    if (in_string) {
      if (text[i] == '\\') length = 2;
      in_string = text[i] != '"';
    } else if (text[i] == '"') {
      in_string = true;
    } else if (kNumberStarts.find(text[i]) != std::string_view::npos) {
      length = std::min(text.find_first_not_of(kNumberRest, i), text.size()) - i;
    }
    const std::string_view part = text.substr(i, length);
    result += part;
    const bool fraction = part.find_first_of(".eE") != std::string_view::npos;
    if (!in_string && length > 1 && !fraction && beyond_64_bits(part)) result += ".0";
    i += part.size();
  }
  return result;
}

simdjson::error_code parse(simdjson::dom::parser& parser, std::string& text, JsonValue& value) {
  if (parser.capacity() < text.size() &&
      parser.allocate(text.size(), kJsonDepthMax) != simdjson::SUCCESS) {
    return simdjson::MEMALLOC;
  }
  text.reserve(text.size() + simdjson::SIMDJSON_PADDING);
  return parser.parse(text.data(), text.size(), false).get(value);
}

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

// Standard alphabet, padding optional.
bool decode_base64(std::string_view text, std::vector<uint8_t>& out) {
  while (text.ends_with('='))
    text.remove_suffix(1);
  if (text.size() % 4 == 1) return false;
  out.reserve(text.size() * 3 / 4);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int digit = base64_digit(c);
    if (digit < 0) return false;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<uint8_t>(bits >> count));
  }
  return true;
}

Status too_long(std::string_view path, size_t count_max) {
  return Status(Code::kInvalidArgument, std::string(path) + " has more numbers than the limit of " +
                                            std::to_string(count_max));
}

Status read_base64_vector(std::string_view text, std::string_view path, size_t count_max,
                          std::vector<float>& out) {
  if (text.size() > count_max * 6) return too_long(path, count_max);
  std::vector<uint8_t> bytes;
  if (!decode_base64(text, bytes) || bytes.size() % sizeof(float) != 0) {
    return wrong_type(path, "an array of numbers or base64 of little-endian 32-bit floats");
  }
  if (bytes.size() / sizeof(float) > count_max) return too_long(path, count_max);
  static_assert(std::endian::native == std::endian::little);
  out.resize(bytes.size() / sizeof(float));
  if (!out.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
  return {};
}

}  // namespace

Result<JsonValue> parse_body(std::string& body) {
  thread_local std::unique_ptr<simdjson::dom::parser> parser;
  if (body.empty()) return Status(Code::kInvalidArgument, "the request body is empty");
  // A parser keeps several times its largest document: big ones are not kept.
  if (!parser || parser->capacity() > kParserKeptBytesMax) {
    parser = std::make_unique<simdjson::dom::parser>();
  }
  JsonValue value;
  simdjson::error_code error = parse(*parser, body, value);
  if (error == simdjson::NUMBER_ERROR) {
    body = with_large_integers_as_doubles(body);
    error = parse(*parser, body, value);
  }
  if (error == simdjson::MEMALLOC) {
    return Status(Code::kResourceExhausted, "not enough memory to parse the request body");
  }
  if (error == simdjson::DEPTH_ERROR) {
    return Status(Code::kInvalidArgument, "malformed JSON: nested deeper than the limit of " +
                                              std::to_string(kJsonDepthMax) + " levels");
  }
  if (error != simdjson::SUCCESS) {
    return Status(Code::kInvalidArgument,
                  std::string("malformed JSON: ") + simdjson::error_message(error));
  }
  return value;
}

Result<JsonFields> JsonFields::of(JsonValue value, std::string where) {
  simdjson::dom::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) {
    return wrong_type(where.empty() ? "the request body" : where, "a JSON object");
  }
  JsonFields result;
  result.where_ = std::move(where);
  std::vector<std::string_view> keys;
  for (const auto field : object) {
    keys.push_back(field.key);
    result.fields_.emplace_back(field.key, field.value);
  }
  TRY(check_unique(keys));
  return result;
}

std::string JsonFields::path(std::string_view key) const {
  return where_.empty() ? std::string(key) : where_ + "." + std::string(key);
}

const JsonValue* JsonFields::find(std::string_view key) const {
  for (const auto& [name, value] : fields_) {
    if (name == key) return value.is_null() ? nullptr : &value;
  }
  return nullptr;
}

Result<JsonValue> JsonFields::require(std::string_view key) const {
  const JsonValue* value = find(key);
  if (value == nullptr) {
    return Status(Code::kUnprocessable, "missing field '" + path(key) + "'");
  }
  return *value;
}

Status JsonFields::read(std::string_view key, std::string& out) const {
  const JsonValue* value = find(key);
  if (value == nullptr) return {};
  std::string_view text;
  if (value->get_string().get(text) != simdjson::SUCCESS) return wrong_type(path(key), "a string");
  out = text;
  return {};
}

Status JsonFields::read(std::string_view key, uint64_t& out) const {
  const JsonValue* value = find(key);
  if (value == nullptr) return {};
  if (value->get_uint64().get(out) == simdjson::SUCCESS) return {};
  // JSON does not tell 3.0 from 3, and some clients write every number with a point.
  double number = 0;
  constexpr double kTwoTo64 = 18446744073709551616.0;
  if (value->get_double().get(number) != simdjson::SUCCESS || std::trunc(number) != number ||
      number < 0 || number >= kTwoTo64) {
    return wrong_type(path(key), "a whole number, not negative");
  }
  out = static_cast<uint64_t>(number);
  return {};
}

Status JsonFields::read(std::string_view key, double& out) const {
  const JsonValue* value = find(key);
  if (value == nullptr) return {};
  if (value->get_double().get(out) != simdjson::SUCCESS) return wrong_type(path(key), "a number");
  return {};
}

Status JsonFields::read(std::string_view key, bool& out) const {
  const JsonValue* value = find(key);
  if (value == nullptr) return {};
  if (value->get_bool().get(out) != simdjson::SUCCESS) {
    return wrong_type(path(key), "true or false");
  }
  return {};
}

Status JsonFields::refuse(std::span<const std::string_view> keys) const {
  for (const std::string_view key : keys) {
    if (find(key) != nullptr) {
      return Status(Code::kInvalidArgument, path(key) + " is not supported yet");
    }
  }
  return {};
}

Status read_vector(JsonValue value, std::string_view path, size_t count_max,
                   std::vector<float>& out) {
  out.clear();
  std::string_view text;
  if (value.get_string().get(text) == simdjson::SUCCESS) {
    return read_base64_vector(text, path, count_max, out);
  }
  simdjson::dom::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS) {
    return wrong_type(path, "an array of numbers");
  }
  out.reserve(std::min(array.size(), count_max));
  for (const JsonValue item : array) {
    double number = 0;
    if (item.get_double().get(number) != simdjson::SUCCESS) {
      return wrong_type(std::string(path) + "[" + std::to_string(out.size()) + "]", "a number");
    }
    if (out.size() == count_max) return too_long(path, count_max);
    out.push_back(static_cast<float>(number));
  }
  return {};
}

std::optional<size_t> first_non_finite(std::span<const float> vector) {
  for (size_t i = 0; i < vector.size(); ++i) {
    if (!std::isfinite(vector[i])) return i;
  }
  return std::nullopt;
}

Status read_strings(JsonValue value, std::string_view path, std::vector<std::string>& out) {
  simdjson::dom::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS) {
    return wrong_type(path, "an array of strings");
  }
  for (const JsonValue item : array) {
    std::string_view text;
    if (item.get_string().get(text) != simdjson::SUCCESS) {
      return wrong_type(std::string(path) + "[" + std::to_string(out.size()) + "]", "a string");
    }
    out.emplace_back(text);
  }
  return {};
}

Result<std::string> to_json_text(JsonValue value) {
  JsonWriter json;
  TRY(write_value(json, value));
  return json.take();
}

}  // namespace ferres
