// What a filter says of JSON values in memory, written a second time: no text, no index and not a
// line of the product, so that tests can hold the two beside each other. The values of a path are
// collected, then each operator is spelled out (API.md 4.5 and 16.2). Slow and plain by intent.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numbers>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "filter/test_json.h"

namespace ferres::naive {

// ---- values and paths

inline bool same(const Json& a, const Json& b) {
  if (a.type != b.type) return false;
  switch (a.type) {
    case Json::kNull:
      return true;
    case Json::kBool:
      return a.boolean == b.boolean;
    case Json::kNumber:
      return a.number == b.number;
    case Json::kString:
      return a.text == b.text;
    case Json::kArray:
      return a.elements.size() == b.elements.size() &&
             std::equal(a.elements.begin(), a.elements.end(), b.elements.begin(), same);
    default:
      if (a.members.size() != b.members.size()) return false;
      for (const auto& [name, value] : a.members) {
        const bool found = std::any_of(b.members.begin(), b.members.end(), [&](const auto& member) {
          return member.first == name && same(member.second, value);
        });
        if (!found) return false;
      }
      return true;
  }
}

inline const Json* find_member(const Json& json, const std::string& name) {
  for (const auto& [key, value] : json.members) {
    if (key == name) return &value;
  }
  return nullptr;
}

/// The values a path leads to; none: the field is missing.
inline std::vector<const Json*> values_of(const Json& object, const std::string& path) {
  if (const Json* whole = find_member(object, path)) return {whole};
  for (size_t cut = path.size(); cut-- > 0;) {
    if (path[cut] != '.') continue;
    const Json* part = find_member(object, path.substr(0, cut));
    if (part == nullptr) continue;
    const std::string rest = path.substr(cut + 1);
    std::vector<const Json*> values;
    if (part->type == Json::kObject) values = values_of(*part, rest);
    for (const Json& element : part->elements) {
      if (element.type != Json::kObject) continue;
      for (const Json* value : values_of(element, rest))
        values.push_back(value);
    }
    if (!values.empty()) return values;
  }
  return {};
}

inline bool in_list(const Json& value, const Json& list) {
  return std::any_of(list.elements.begin(), list.elements.end(),
                     [&](const Json& element) { return same(element, value); });
}

// ---- text and places

/// Lower case of ASCII, and of the letters beyond it that tests use.
inline std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  static constexpr std::pair<const char*, const char*> kLetters[] = {
      {"Ü", "ü"}, {"É", "é"}, {"Ж", "ж"}, {"Ω", "ω"}};
  for (const auto& [upper, small] : kLetters) {
    for (size_t at = text.find(upper); at != std::string::npos; at = text.find(upper, at))
      text.replace(at, std::string(upper).size(), small);
  }
  return text;
}

struct Place {
  long double lat = 0;
  long double lon = 0;
};

inline std::optional<Place> place_of(const Json& json) {
  const Json* const lat = find_member(json, "lat");
  const Json* const lon = find_member(json, "lon");
  if (lat == nullptr || lon == nullptr || lat->type != Json::kNumber ||
      lon->type != Json::kNumber || std::abs(lat->number) > 90 || std::abs(lon->number) > 180) {
    return std::nullopt;
  }
  return Place{lat->number, lon->number};
}

/// Over the surface of a sphere, from the length of the straight way through it.
inline long double meters_between(const Place& a, const Place& b) {
  constexpr long double kRadians = std::numbers::pi_v<long double> / 180;
  const auto corner = [](const Place& p) {
    const long double flat = std::cos(p.lat * kRadians);
    return std::array{flat * std::cos(p.lon * kRadians), flat * std::sin(p.lon * kRadians),
                      std::sin(p.lat * kRadians)};
  };
  const auto from = corner(a);
  const auto to = corner(b);
  long double square = 0;
  for (size_t i = 0; i < 3; ++i)
    square += (from[i] - to[i]) * (from[i] - to[i]);
  return 2 * 6371008.8L * std::asin(std::min(1.0L, std::sqrt(square) / 2));
}

inline bool in_box(const Place& place, const Place& top_left, const Place& bottom_right) {
  if (place.lat > top_left.lat || place.lat < bottom_right.lat) return false;
  const bool east = place.lon >= top_left.lon;
  const bool west = place.lon <= bottom_right.lon;
  return top_left.lon <= bottom_right.lon ? east && west : east || west;
}

// ---- conditions

using Values = std::vector<const Json*>;

/// Whether one of the values, or an element of one, passes.
inline bool some(const Values& values, const std::function<bool(const Json&)>& passes) {
  for (const Json* value : values) {
    if (passes(*value)) return true;
    if (std::any_of(value->elements.begin(), value->elements.end(), passes)) return true;
  }
  return false;
}

inline bool some_array(const Values& values, const std::function<bool(const Json&)>& passes) {
  return std::any_of(values.begin(), values.end(), [&](const Json* value) {
    return value->type == Json::kArray && passes(*value);
  });
}

template <class Compare>
bool some_ordered(const Values& values, const Json& operand, Compare compare) {
  return some(values, [&](const Json& value) {
    if (operand.type == Json::kNumber) {
      return value.type == Json::kNumber && compare(value.number, operand.number);
    }
    return value.moment && compare(*value.moment, *operand.moment);
  });
}

inline bool list_condition_holds(const std::string& op, const Json& operand, const Values& values) {
  if (op == "$contains") {
    return some_array(values, [&](const Json& array) { return in_list(operand, array); });
  }
  if (op == "$all") {
    return some_array(values, [&](const Json& array) {
      return std::all_of(operand.elements.begin(), operand.elements.end(),
                         [&](const Json& wanted) { return in_list(wanted, array); });
    });
  }
  CHECK(op == "$any");
  return some_array(values, [&](const Json& array) {
    return std::any_of(array.elements.begin(), array.elements.end(),
                       [&](const Json& element) { return in_list(element, operand); });
  });
}

inline bool text_condition_holds(const std::string& op, const Json& operand, const Values& values) {
  const auto text = [&](auto passes) {
    return some(values, [&](const Json& v) { return v.type == Json::kString && passes(v.text); });
  };
  if (op == "$prefix") {
    return text([&](const std::string& t) { return t.rfind(operand.text, 0) == 0; });
  }
  if (op == "$contains_text") {
    return text([&](const std::string& t) { return t.find(operand.text) != std::string::npos; });
  }
  CHECK(op == "$icontains_text");
  const std::string wanted = lower(operand.text);
  return text([&](const std::string& t) { return lower(t).find(wanted) != std::string::npos; });
}

inline bool geo_condition_holds(const std::string& op, const Json& operand, const Values& values) {
  const bool circle = op == "$geo_radius";
  CHECK(circle || op == "$geo_box");
  const Place first = *place_of(circle ? operand : *find_member(operand, "top_left"));
  const Place second = circle ? first : *place_of(*find_member(operand, "bottom_right"));
  return some(values, [&](const Json& value) {
    const auto place = place_of(value);
    if (!place) return false;
    return circle ? meters_between(*place, first) <= find_member(operand, "meters")->number
                  : in_box(*place, first, second);
  });
}

inline bool condition_holds(const std::string& op, const Json& operand, const Values& values) {
  const auto equal = [&](const Json& value) { return same(value, operand); };
  const auto listed = [&](const Json& value) { return in_list(value, operand); };
  if (op == "$eq") return some(values, equal);
  if (op == "$ne") return !some(values, equal);
  if (op == "$in") return some(values, listed);
  if (op == "$nin") return !some(values, listed);
  if (op == "$gt") return some_ordered(values, operand, std::greater<>());
  if (op == "$gte") return some_ordered(values, operand, std::greater_equal<>());
  if (op == "$lt") return some_ordered(values, operand, std::less<>());
  if (op == "$lte") return some_ordered(values, operand, std::less_equal<>());
  if (op == "$exists") return values.empty() != operand.boolean;
  if (op == "$is_null") {
    const bool null = std::all_of(values.begin(), values.end(),
                                  [](const Json* value) { return value->type == Json::kNull; });
    return null == operand.boolean;
  }
  if (op.starts_with("$geo")) return geo_condition_holds(op, operand, values);
  if (op == "$prefix" || op.ends_with("_text")) return text_condition_holds(op, operand, values);
  return list_condition_holds(op, operand, values);
}

inline bool filter_holds(const Json& filter, const Json& document) {
  const auto child_holds = [&](const Json& child) { return filter_holds(child, document); };
  for (const auto& [key, value] : filter.members) {
    const auto& list = value.elements;
    bool holds = true;
    if (key == "$and") {
      holds = std::all_of(list.begin(), list.end(), child_holds);
    } else if (key == "$or") {
      holds = std::any_of(list.begin(), list.end(), child_holds);
    } else if (key == "$not") {
      holds = value.type == Json::kArray ? !std::all_of(list.begin(), list.end(), child_holds)
                                         : !filter_holds(value, document);
    } else if (value.type == Json::kObject) {
      for (const auto& [op, operand] : value.members)
        holds = holds && condition_holds(op, operand, values_of(document, key));
    } else {
      holds = condition_holds("$eq", value, values_of(document, key));
    }
    if (!holds) return false;
  }
  return true;
}

}  // namespace ferres::naive
