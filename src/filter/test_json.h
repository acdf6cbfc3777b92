// JSON values in memory for tests: made by hand or by chance, written as text, and compared without
// the product's own readers (filter/test_filter.h).
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"

namespace ferres::naive {

/// Seconds since 1970, and nanoseconds.
using Moment = std::pair<int64_t, int64_t>;

struct Json {
  enum Type : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };
  Type type = kNull;
  bool boolean = false;
  long double number = 0;        // 64 bits of mantissa: every int64, uint64 and double exactly
  std::string text;              // of a string; of a number, as it is written
  std::optional<Moment> moment;  // of a string that is a time
  std::vector<Json> elements;
  std::vector<std::pair<std::string, Json>> members;
};

/// Whether the text is the shape with any digit for each 9.
inline bool shaped(const std::string& text, const std::string& shape) {
  return std::equal(text.begin(), text.end(), shape.begin(), shape.end(), [](char c, char wanted) {
    return wanted == '9' ? c >= '0' && c <= '9' : c == wanted;
  });
}

/// The forms of filter/instant.h: RFC 3339, also without an offset or as a date alone.
inline std::optional<Moment> moment_of(const std::string& text) {
  const auto number = [&](size_t at, size_t digits) { return std::stoi(text.substr(at, digits)); };
  if (!shaped(text.substr(0, 10), "9999-99-99")) return std::nullopt;
  std::tm day{};
  day.tm_year = number(0, 4) - 1900;
  day.tm_mon = number(5, 2) - 1;
  day.tm_mday = number(8, 2);
  const int64_t midnight = timegm(&day);
  // A day that the calendar lacks is moved to one that it has.
  if (day.tm_mon != number(5, 2) - 1 || day.tm_mday != number(8, 2)) return std::nullopt;
  if (text.size() == 10) return Moment(midnight, 0);
  const std::string separators = "Tt ";
  if (separators.find(text[10]) == std::string::npos || text.size() < 19 ||
      !shaped(text.substr(11, 8), "99:99:99")) {
    return std::nullopt;
  }
  const int seconds = number(11, 2) * 3600 + number(14, 2) * 60 + number(17, 2);
  if (number(11, 2) > 23 || number(14, 2) > 59 || number(17, 2) > 60) return std::nullopt;
  size_t end = 19;
  std::string fraction;
  if (text.size() > end && text[end] == '.') {
    end = std::min(text.find_first_not_of("0123456789", 20), text.size());
    fraction = text.substr(20, end - 20);
    if (fraction.empty()) return std::nullopt;
  }
  const int64_t nanos = std::stoll((fraction + "000000000").substr(0, 9));
  const std::string zone = text.substr(end);
  if (zone.empty() || zone == "Z" || zone == "z") return Moment(midnight + seconds, nanos);
  if (!shaped(zone, "+99:99") && !shaped(zone, "-99:99")) return std::nullopt;
  const int hours = number(end + 1, 2);
  const int minutes = number(end + 4, 2);
  if (hours > 23 || minutes > 59) return std::nullopt;
  const int offset = (hours * 60 + minutes) * (zone[0] == '-' ? -60 : 60);
  return Moment(midnight + seconds - offset, nanos);
}

inline Json bool_json(bool value) {
  Json json;
  json.type = Json::kBool;
  json.boolean = value;
  return json;
}

inline Json number_json(std::string text) {
  Json json;
  json.type = Json::kNumber;
  const bool whole = text.find_first_of(".eE") == std::string::npos;
  // A fraction is the double next to it, which is what both sides keep.
  json.number = whole ? std::strtold(text.c_str(), nullptr) : std::strtod(text.c_str(), nullptr);
  json.text = std::move(text);
  return json;
}

inline Json string_json(std::string text) {
  Json json;
  json.type = Json::kString;
  json.moment = moment_of(text);
  json.text = std::move(text);
  return json;
}

inline Json array_json(std::vector<Json> elements = {}) {
  Json json;
  json.type = Json::kArray;
  json.elements = std::move(elements);
  return json;
}

inline Json object_json(std::vector<std::pair<std::string, Json>> members = {}) {
  Json json;
  json.type = Json::kObject;
  json.members = std::move(members);
  return json;
}

/// Writes values; with a source of chance also with escapes that need not be, and spaces.
class JsonWriter {
 public:
  explicit JsonWriter(Random* chance = nullptr) : chance_(chance) {}

  std::string text(const Json& json) {
    switch (json.type) {
      case Json::kNull:
        return "null";
      case Json::kBool:
        return json.boolean ? "true" : "false";
      case Json::kNumber:
        return json.text;
      case Json::kString:
        return quoted(json.text);
      case Json::kArray: {
        std::string out = "[";
        for (const Json& element : json.elements)
          out += (out.size() > 1 ? "," : "") + space() + text(element) + space();
        return out + "]";
      }
      default: {
        std::string out = "{" + space();
        bool first = true;
        for (const auto& [name, member] : json.members) {
          out += (first ? "" : ",") + space() + quoted(name) + space() + ":" + space();
          out += text(member) + space();
          first = false;
        }
        return out + "}";
      }
    }
  }

 private:
  bool one_in(uint64_t n) { return chance_ != nullptr && chance_->one_in(n); }
  std::string space() {
    constexpr const char* kSpaces[] = {" ", "\n", "\t "};
    return one_in(20) ? kSpaces[chance_->below(3)] : "";
  }
  std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20 || (byte < 0x80 && one_in(10))) {
        std::array<char, 8> escape{};
        std::snprintf(escape.data(), escape.size(), "\\u%04x", byte);
        out += escape.data();
      } else {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
      }
    }
    return out + "\"";
  }

  Random* chance_;
};

}  // namespace ferres::naive
