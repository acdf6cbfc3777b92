// Random filters on random documents against an evaluator written a second time
// (filter/test_filter.h). The seed is printed and can be set: FERRES_SEED=n.
#include <gtest/gtest.h>

#include "base/random.h"
#include "base/test_settings.h"
#include "filter/predicate.h"
#include "filter/test_filter.h"

namespace ferres::naive {
namespace {

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

  std::string text(const Json& json) { return JsonWriter(&random_).text(json); }

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

  Json flag() { return bool_json(random_.one_in(2)); }

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

  Random random_;
};

TEST(PredicateRandom, AgreesWithTheNaiveEvaluator) {
  const uint64_t seed = setting("FERRES_SEED", 20'260'401);
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
}  // namespace ferres::naive
