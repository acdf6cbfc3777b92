// Random filters on random documents against an evaluator written a second time, over values in
// memory instead of text and without sharing a line with the first: values of a path are collected,
// then each operator is spelled out. The seed is printed and can be set: FERRES_SEED=n.
#include <cstdlib>

#include <gtest/gtest.h>

#include "base/random.h"
#include "filter/predicate.h"

namespace ferres {
namespace {

struct Json {
  enum Type : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };
  Type type = kNull;
  bool boolean = false;
  long double number = 0;  // 64 bits of mantissa: every int64, uint64 and double exactly
  std::string number_text;
  std::string text;
  std::vector<Json> elements;
  std::vector<std::pair<std::string, Json>> members;
};

Json number_json(std::string text) {
  Json json;
  json.type = Json::kNumber;
  const bool whole = text.find_first_of(".eE") == std::string::npos;
  // A fraction is the double next to it, which is what both sides keep.
  json.number = whole ? std::strtold(text.c_str(), nullptr) : std::strtod(text.c_str(), nullptr);
  json.number_text = std::move(text);
  return json;
}

Json string_json(std::string text) {
  Json json;
  json.type = Json::kString;
  json.text = std::move(text);
  return json;
}

// ---- the second evaluator

bool same(const Json& a, const Json& b) {
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

const Json* find_member(const Json& json, const std::string& name) {
  for (const auto& [key, value] : json.members) {
    if (key == name) return &value;
  }
  return nullptr;
}

/// The values a path leads to; none: the field is missing.
std::vector<const Json*> values_of(const Json& object, const std::string& path) {
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

bool in_list(const Json& value, const Json& list) {
  return std::any_of(list.elements.begin(), list.elements.end(),
                     [&](const Json& element) { return same(element, value); });
}

/// Whether one of the values, or an element of one, passes.
bool some(const std::vector<const Json*>& values, const std::function<bool(const Json&)>& passes) {
  for (const Json* value : values) {
    if (passes(*value)) return true;
    if (std::any_of(value->elements.begin(), value->elements.end(), passes)) return true;
  }
  return false;
}

bool some_array(const std::vector<const Json*>& values,
                const std::function<bool(const Json&)>& passes) {
  return std::any_of(values.begin(), values.end(), [&](const Json* value) {
    return value->type == Json::kArray && passes(*value);
  });
}

bool condition_holds(const std::string& op, const Json& operand,
                     const std::vector<const Json*>& values) {
  const auto equal = [&](const Json& value) { return same(value, operand); };
  const auto listed = [&](const Json& value) { return in_list(value, operand); };
  const auto ordered = [&](auto compare) {
    return some(values, [&](const Json& value) {
      return value.type == Json::kNumber && compare(value.number, operand.number);
    });
  };
  const auto text = [&](auto passes) {
    return some(values, [&](const Json& v) { return v.type == Json::kString && passes(v.text); });
  };
  if (op == "$eq") return some(values, equal);
  if (op == "$ne") return !some(values, equal);
  if (op == "$in") return some(values, listed);
  if (op == "$nin") return !some(values, listed);
  if (op == "$gt") return ordered(std::greater<>());
  if (op == "$gte") return ordered(std::greater_equal<>());
  if (op == "$lt") return ordered(std::less<>());
  if (op == "$lte") return ordered(std::less_equal<>());
  if (op == "$exists") return values.empty() != operand.boolean;
  if (op == "$is_null") {
    const bool null = std::all_of(values.begin(), values.end(),
                                  [](const Json* value) { return value->type == Json::kNull; });
    return null == operand.boolean;
  }
  if (op == "$contains") {
    return some_array(values, [&](const Json& array) { return in_list(operand, array); });
  }
  if (op == "$all") {
    return some_array(values, [&](const Json& array) {
      return std::all_of(operand.elements.begin(), operand.elements.end(),
                         [&](const Json& wanted) { return in_list(wanted, array); });
    });
  }
  if (op == "$any") {
    return some_array(values, [&](const Json& array) {
      return std::any_of(array.elements.begin(), array.elements.end(), listed);
    });
  }
  if (op == "$prefix") {
    return text([&](const std::string& t) { return t.rfind(operand.text, 0) == 0; });
  }
  CHECK(op == "$contains_text");
  return text([&](const std::string& t) { return t.find(operand.text) != std::string::npos; });
}

bool filter_holds(const Json& filter, const Json& document) {
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
      for (const auto& [op, operand] : value.members) {
        holds = holds && condition_holds(op, operand, values_of(document, key));
      }
    } else {
      holds = condition_holds("$eq", value, values_of(document, key));
    }
    if (!holds) return false;
  }
  return true;
}

// ---- random values and their text

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  Json document() {
    Json json;
    json.type = Json::kObject;
    for (const char* name : {"a", "b", "c", "a.b", "é\"", ""}) {
      if (random_.one_in(2)) json.members.emplace_back(name, value(3));
    }
    return json;
  }

  Json filter(int depth) {
    Json json;
    json.type = Json::kObject;
    const size_t count = random_.below(3) + (depth == 4 ? 1 : 0);
    for (size_t i = 0; i < count; ++i) {
      if (depth > 0 && random_.one_in(2)) {
        json.members.push_back(combination(depth));
      } else {
        json.members.emplace_back(path(), random_.one_in(4) ? operand() : conditions());
      }
    }
    return json;
  }

  std::string text(const Json& json) {
    switch (json.type) {
      case Json::kNull:
        return "null";
      case Json::kBool:
        return json.boolean ? "true" : "false";
      case Json::kNumber:
        return json.number_text;
      case Json::kString:
        return quoted(json.text);
      case Json::kArray: {
        std::string out = "[";
        for (const Json& element : json.elements) {
          out += (out.size() > 1 ? "," : "") + space() + text(element) + space();
        }
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
  template <size_t N>
  const char* pick(const char* const (&from)[N]) {
    return from[random_.below(N)];
  }

  std::string path() {
    return pick({"a", "b", "c", "a.b", "a.c", "b.a", "a.b.c", "c.a.b", "é\"", "", "a.", "zz"});
  }

  Json number() {
    if (random_.one_in(3)) {
      return number_json(pick({"9007199254740992", "9007199254740993", "9007199254740992.0",
                               "-9223372036854775808", "9223372036854775807", "9223372036854775808",
                               "18446744073709551615", "1.8e19"}));
    }
    return number_json(pick({"0", "-0.0", "1", "1.0", "2", "-1", "1.5", "100e-2"}));
  }

  Json scalar() {
    switch (random_.below(8)) {
      case 0:
        return {};
      case 1:
        return flag();
      case 2:
      case 3:
      case 4:
        return number();
      default:
        return string_json(pick({"", "x", "xy", "y", "x\"\\y", "é", "1", "\t", "😀x"}));
    }
  }

  Json value(int depth) {
    if (depth == 0 || random_.below(3) != 0) return scalar();
    Json json;
    const size_t count = random_.below(4);
    if (random_.one_in(2)) {
      json.type = Json::kArray;
      for (size_t i = 0; i < count; ++i)
        json.elements.push_back(value(depth - 1));
    } else {
      json.type = Json::kObject;
      static constexpr const char* kNames[] = {"a", "b", "c", "b.c"};
      for (const char* name : kNames) {
        if (random_.one_in(2)) json.members.emplace_back(name, value(depth - 1));
      }
    }
    return json;
  }

  /// An operand that may stand alone: no object.
  Json operand() {
    Json json = value(2);
    return json.type == Json::kObject ? scalar() : json;
  }

  Json list() {
    Json json;
    json.type = Json::kArray;
    for (size_t i = random_.below(4); i > 0; --i)
      json.elements.push_back(value(1));
    return json;
  }

  Json flag() {
    Json json;
    json.type = Json::kBool;
    json.boolean = random_.one_in(2);
    return json;
  }

  Json conditions() {
    Json json;
    json.type = Json::kObject;
    for (size_t i = random_.below(3); i > 0; --i) {
      const std::string op =
          pick({"$eq", "$ne", "$in", "$nin", "$gt", "$gte", "$lt", "$lte", "$exists", "$is_null",
                "$contains", "$all", "$any", "$prefix", "$contains_text"});
      Json with = value(2);
      if (op == "$in" || op == "$nin" || op == "$all" || op == "$any") with = list();
      if (op == "$exists" || op == "$is_null") with = flag();
      if (op == "$prefix" || op == "$contains_text") with = string_json(pick({"", "x", "y", "é"}));
      if (op == "$gt" || op == "$gte" || op == "$lt" || op == "$lte") with = number();
      json.members.emplace_back(op, std::move(with));
    }
    return json;
  }

  std::pair<std::string, Json> combination(int depth) {
    const std::string name = pick({"$and", "$or", "$not"});
    if (name == "$not" && random_.one_in(2)) return {name, filter(depth - 1)};
    Json json;
    json.type = Json::kArray;
    for (size_t i = random_.below(3); i > 0; --i)
      json.elements.push_back(filter(depth - 1));
    return {name, json};
  }

  std::string space() { return random_.one_in(20) ? pick({" ", "\n", "\t "}) : ""; }

  std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20 || (byte < 0x80 && random_.one_in(10))) {
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

  Random random_;
};

TEST(PredicateRandom, AgreesWithTheNaiveEvaluator) {
  const char* const set = std::getenv("FERRES_SEED");
  const uint64_t seed = set != nullptr ? std::strtoull(set, nullptr, 10) : 20'260'401;
  SCOPED_TRACE("FERRES_SEED=" + std::to_string(seed));
  Generator generate(seed);
  size_t matched = 0;
  for (int round = 0; round < 5'000; ++round) {
    const Json filter = generate.filter(4);
    const std::string filter_text = generate.text(filter);
    auto predicate = Predicate::parse(filter_text);
    ASSERT_TRUE(predicate.ok()) << filter_text << ": " << predicate.error().message();
    for (int i = 0; i < 20; ++i) {
      const Json document = generate.document();
      const std::string text = generate.text(document);
      const bool wanted = filter_holds(filter, document);
      ASSERT_EQ(predicate->matches(text), wanted) << filter_text << " on " << text;
      matched += wanted ? 1 : 0;
    }
  }
  // A generator whose filters nearly all match, or none, would test nothing.
  EXPECT_GT(matched, 20'000u);
  EXPECT_LT(matched, 80'000u);
}

}  // namespace
}  // namespace ferres
