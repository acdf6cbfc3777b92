// Filters as a whole: shape, messages, limits, paths, numbers by value, hostile texts.
#include "filter/predicate.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

bool matches(const std::string& filter, const std::string& document) {
  auto predicate = Predicate::parse(filter);
  EXPECT_TRUE(predicate.ok()) << filter << ": " << predicate.error().message();
  return predicate.ok() && predicate->matches(document);
}

std::string message(const std::string& filter, const FilterLimits& limits = {}) {
  auto predicate = Predicate::parse(filter, limits);
  EXPECT_FALSE(predicate.ok()) << filter;
  if (predicate.ok()) return "";
  EXPECT_EQ(predicate.error().code(), Code::kInvalidArgument);
  return std::string(predicate.error().message());
}

std::string repeat(const std::string& text, size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i)
    all += text;
  return all;
}

TEST(Predicate, NullAndEmptyMatchEverything) {
  for (const char* filter : {"null", "{}", R"({"$namespace":"t"})", R"({"f":{}})"}) {
    auto predicate = Predicate::parse(filter);
    ASSERT_TRUE(predicate.ok()) << filter;
    EXPECT_TRUE(predicate->empty()) << filter;
    for (const char* document : {"{}", "null", "[]", R"({"f":1})"}) {
      EXPECT_TRUE(predicate->matches(document)) << filter << " on " << document;
    }
  }
}

TEST(Predicate, NamespaceIsTakenOut) {
  auto predicate = Predicate::parse(R"({"$namespace":"tenant","f":1})");
  ASSERT_TRUE(predicate.ok());
  EXPECT_EQ(predicate->namespace_name(), "tenant");
  EXPECT_FALSE(predicate->empty());
  EXPECT_TRUE(predicate->matches(R"({"f":1})"));
  EXPECT_FALSE(Predicate::parse("{}")->namespace_name().has_value());
}

TEST(Predicate, RefusalsSayWhere) {
  EXPECT_EQ(message("[]"), "filter must be a JSON object or null");
  EXPECT_EQ(message("3"), "filter must be a JSON object or null");
  EXPECT_EQ(message(R"("a")"), "filter must be a JSON object or null");
  EXPECT_EQ(message(R"({"$namespace":1})"), "filter.$namespace must be a string");
  EXPECT_EQ(message(R"({"$and":[{"$namespace":"t"}]})"),
            "filter.$and[0].$namespace is only allowed at the top of a filter");
  EXPECT_EQ(message(R"({"$foo":1})"), "filter: unknown operator '$foo'");
  EXPECT_EQ(message(R"({"$and":{"a":1}})"), "filter.$and must be an array");
  EXPECT_EQ(message(R"({"$or":1})"), "filter.$or must be an array");
  EXPECT_EQ(message(R"({"$not":1})"), "filter.$not must be an object or an array");
  EXPECT_EQ(message(R"({"$or":[{"a":1},7]})"), "filter.$or[1] must be an object");
  EXPECT_EQ(message(R"({"$not":{"$or":[{},{"a":{"$in":2}}]}})"),
            "filter.$not.$or[1].a: $in must be an array");
  for (const char* text : {"", "{", R"({"a":1}})", "{'a':1}", R"({"a":NaN})", "\xff"}) {
    EXPECT_TRUE(message(text).starts_with("filter is not valid JSON: ")) << text;
  }
}

TEST(Predicate, LimitsAreNamed) {
  const FilterLimits limits;
  EXPECT_EQ(message(R"({"a":")" + std::string(limits.bytes_max, 'x') + R"("})"),
            "filter too large: max 1048576 bytes");
  EXPECT_EQ(message(R"({"a":{"$in":[1)" + repeat(",1", limits.nodes_max) + "]}}"),
            "filter too large: max 1024 conditions and list elements");
  const std::string ten = repeat(R"({"$not":)", 31) + R"({"a":1})" + repeat("}", 31);
  EXPECT_TRUE(Predicate::parse(ten).ok());
  EXPECT_EQ(message(R"({"$not":)" + ten + "}"), "filter too deep: max 32 levels");
  EXPECT_EQ(message(R"({"a":)" + repeat("[", 40) + repeat("]", 40) + "}"),
            "filter too deep: max 32 levels");
  EXPECT_EQ(message(R"({"a)" + repeat(".a", 32) + R"(":1})"),
            "filter.a" + repeat(".a", 32) + ": too deep: max 32 levels");
  EXPECT_EQ(message(R"({"a":1,"b":2})", {.nodes_max = 1}),
            "filter too large: max 1 conditions and list elements");
}

TEST(Predicate, DepthBombsAreRefused) {
  for (const size_t depth : {1'000, 10'000, 100'000}) {
    EXPECT_EQ(message(R"({"a":)" + repeat("[", depth) + repeat("]", depth) + "}"),
              "filter too deep: max 32 levels");
    EXPECT_EQ(message(repeat(R"({"$not":)", depth) + "1" + repeat("}", depth)),
              "filter too deep: max 32 levels");
    EXPECT_TRUE(message(repeat("[", depth)).starts_with("filter "));
  }
}

TEST(Predicate, DeepDocumentsAreSkippedWithoutRecursion) {
  const size_t depth = 100'000;
  const std::string deep = repeat(R"({"a":[)", depth) + "1" + repeat("]}", depth);
  EXPECT_TRUE(matches(R"({"f":1})", R"({"x":)" + deep + R"(,"f":1})"));
  EXPECT_FALSE(matches(R"({"a.a.a.a":1})", deep));
  EXPECT_TRUE(matches(R"({"x":{"$ne":[1]}})", R"({"x":)" + deep + "}"));
}

TEST(Predicate, CombinationsFollowLogic) {
  const std::string document = R"({"a":1,"b":2})";
  EXPECT_TRUE(matches(R"({"a":1,"b":2})", document));
  EXPECT_FALSE(matches(R"({"a":1,"b":3})", document));
  EXPECT_TRUE(matches(R"({"$or":[{"a":9},{"b":2}]})", document));
  EXPECT_FALSE(matches(R"({"$or":[{"a":9},{"b":9}]})", document));
  EXPECT_TRUE(matches(R"({"$and":[{"a":1},{"b":2}]})", document));
  EXPECT_TRUE(matches(R"({"$and":[]})", document));
  EXPECT_FALSE(matches(R"({"$or":[]})", document));
  EXPECT_FALSE(matches(R"({"$not":{"a":1}})", document));
  EXPECT_TRUE(matches(R"({"$not":{"a":1,"b":9}})", document));
  EXPECT_TRUE(matches(R"({"$not":[{"a":1},{"b":9}]})", document));  // not all of them
  EXPECT_FALSE(matches(R"({"$not":[{"a":1},{"b":2}]})", document));
  EXPECT_FALSE(matches(R"({"$not":{}})", document));
  EXPECT_TRUE(matches(R"({"$not":{"c":1}})", document));  // a field that is not there
  EXPECT_TRUE(matches(R"({"a":1,"$or":[{"b":2}],"$not":{"c":{"$exists":true}}})", document));
}

TEST(Predicate, DottedPathsLeadIntoObjects) {
  EXPECT_TRUE(matches(R"({"a.b.c":1})", R"({"a":{"b":{"c":1}}})"));
  EXPECT_FALSE(matches(R"({"a.b.c":1})", R"({"a":{"b":1}})"));
  EXPECT_TRUE(matches(R"({"a.b":{"$exists":false}})", R"({"a":1})"));
  // A literal key wins, whole or in part.
  EXPECT_TRUE(matches(R"({"a.b":1})", R"({"a":{"b":2},"a.b":1})"));
  EXPECT_FALSE(matches(R"({"a.b":2})", R"({"a":{"b":2},"a.b":1})"));
  EXPECT_TRUE(matches(R"({"a.b.c":1})", R"({"a.b":{"c":1}})"));
  EXPECT_TRUE(matches(R"({"a.b.c":1})", R"({"a.b":{"d":1},"a":{"b.c":1}})"));
  // Arrays on the way stand for the objects in them.
  EXPECT_TRUE(matches(R"({"a.b":2})", R"({"a":[{"b":1},{"b":2},3]})"));
  EXPECT_FALSE(matches(R"({"a.b":{"$ne":2}})", R"({"a":[{"b":1},{"b":2}]})"));
  EXPECT_TRUE(matches(R"({"a.b":{"$exists":false}})", R"({"a":[1,2]})"));
  EXPECT_TRUE(matches(R"({"":1,".":2,"a.":3})", R"({"":1,".":2,"a":{"":3}})"));
}

TEST(Predicate, NumbersCompareByValue) {
  EXPECT_TRUE(matches(R"({"f":1})", R"({"f":1.0})"));
  EXPECT_TRUE(matches(R"({"f":1e2})", R"({"f":100})"));
  EXPECT_TRUE(matches(R"({"f":0})", R"({"f":-0.0})"));
  EXPECT_FALSE(matches(R"({"f":1})", R"({"f":"1"})"));
  EXPECT_FALSE(matches(R"({"f":1})", R"({"f":true})"));
  // 2^53 + 1 is no double.
  EXPECT_TRUE(matches(R"({"f":9007199254740993})", R"({"f":9007199254740993})"));
  EXPECT_FALSE(matches(R"({"f":9007199254740993})", R"({"f":9007199254740992})"));
  EXPECT_FALSE(matches(R"({"f":9007199254740993})", R"({"f":9007199254740992.0})"));
  EXPECT_TRUE(matches(R"({"f":{"$gt":9007199254740992.0}})", R"({"f":9007199254740993})"));
  EXPECT_TRUE(matches(R"({"f":18446744073709551615})", R"({"f":18446744073709551615})"));
  EXPECT_FALSE(matches(R"({"f":18446744073709551615})", R"({"f":18446744073709551614})"));
  EXPECT_FALSE(matches(R"({"f":18446744073709551615})", R"({"f":18446744073709551616})"));
  EXPECT_TRUE(matches(R"({"f":{"$lt":18446744073709551616.0}})", R"({"f":18446744073709551615})"));
  EXPECT_TRUE(matches(R"({"f":{"$gt":9223372036854775807}})", R"({"f":9223372036854775808})"));
  EXPECT_TRUE(matches(R"({"f":{"$gt":9223372036854775807}})", R"({"f":9223372036854775808.0})"));
  EXPECT_TRUE(matches(R"({"f":-9223372036854775808})", R"({"f":-9223372036854775808.0})"));
  EXPECT_TRUE(matches(R"({"f":{"$gt":-9223372036854775809.0}})", R"({"f":-9223372036854775807})"));
  EXPECT_TRUE(matches(R"({"f":{"$gt":18446744073709551615}})", R"({"f":99999999999999999999})"));
  EXPECT_TRUE(matches(R"({"f":{"$gt":1e308}})", R"({"f":1e999})"));
  EXPECT_TRUE(matches(R"({"f":{"$lt":-1e308}})", R"({"f":-1e999})"));
  EXPECT_TRUE(matches(R"({"f":0})", R"({"f":1e-999})"));
  EXPECT_TRUE(matches(R"({"f":{"$gt":-1}})", R"({"f":-0.5})"));
  EXPECT_TRUE(matches(R"({"f":{"$lt":0}})", R"({"f":-0.5})"));
  EXPECT_TRUE(matches(R"({"f":{"$lt":-0.5}})", R"({"f":-1})"));
}

TEST(Predicate, EscapesMeanTheirCharacters) {
  EXPECT_TRUE(matches(R"({"f":"a\"b\\"})", R"({"f":"a\u0022b\u005c"})"));
  EXPECT_TRUE(matches(R"({"é":"😀"})", R"({"\u00e9":"\ud83d\ude00"})"));
  EXPECT_TRUE(matches(R"({"f":"\b\f\n\r\t\/"})", R"({"f":"\u0008\u000c\u000a\u000d\u0009/"})"));
  EXPECT_TRUE(matches(R"({"f":"a\u0000b"})", R"({"f":"a\u0000b"})"));
  EXPECT_FALSE(matches(R"({"f":"a"})", R"({"f":"a\u0000b"})"));
  EXPECT_TRUE(matches(R"({"g":1})", R"({"f":"\\","g":1})"));
  EXPECT_TRUE(matches(R"({"g":1})", R"({"f":"\\\"","h\"":"}","g":1})"));
  EXPECT_FALSE(matches(R"({"f":1})", R"({"g":"\"f\":1","h":{"f":1}})"));
}

TEST(Predicate, SpacesAreAllowed) {
  EXPECT_TRUE(matches(R"({"b":[1,2],"c.d":true})",
                      " {\n\t\"a\" : \"x\" , \"b\" : [ 1 , 2 ] ,\r\n \"c\" : { \"d\" : true } } "));
}

TEST(Predicate, FirstOfEqualNamesCounts) {
  EXPECT_TRUE(matches(R"({"f":1})", R"({"f":1,"f":2})"));
  EXPECT_FALSE(matches(R"({"f":2})", R"({"f":1,"f":2})"));
}

TEST(Predicate, BrokenDocumentsDoNoHarm) {
  const std::string whole = R"({"a":"x\"y","b":[1,{"c":null}],"f":{"g":-1.5e3,"h":true},"z":"é"})";
  std::vector<Predicate> predicates;
  for (const char* filter :
       {R"({"f.g":{"$lt":0}})", R"({"b":{"$contains":1}})", R"({"nope":{"$ne":1}})",
        R"({"a":{"$prefix":"x"}})", R"({"f":{"$eq":{"g":1}}})", R"({"b.c":null})"}) {
    predicates.push_back(std::move(*Predicate::parse(filter)));
  }
  for (size_t length = 0; length <= whole.size(); ++length) {
    // A copy of its own size, so that reading past it is seen by AddressSanitizer.
    const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
    for (const Predicate& predicate : predicates) {
      (void)predicate.matches({cut.data(), cut.size()});
    }
  }
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const char c : std::string("{}[]:,\"\\ 0x\xff")) {
      std::string changed = whole;
      changed[at] = c;
      for (const Predicate& predicate : predicates)
        (void)predicate.matches(changed);
    }
  }
}

TEST(Predicate, ExplainsEachOfItsConditions) {
  const auto predicate =
      Predicate::parse(R"({"a.b":{"$gt":1},"$not":{"list.x":2},)"
                       R"("$or":[{"s":{"$in":["é\n",true,null,{"k":[1.5]}]}}]})");
  ASSERT_TRUE(predicate.ok());
  EXPECT_EQ(predicate->conditions(), 3U);
  const FilterReport report =
      predicate->explain(R"({ "a" : {"b" : [ 1, 3 ]}, "list": [{"x":1},{"y":0},{"x":2}] })");
  EXPECT_FALSE(report.passed);
  ASSERT_EQ(report.conditions.size(), 3U);
  EXPECT_EQ(report.conditions[0].field, "a.b");
  EXPECT_EQ(report.conditions[0].op, "$gt");
  EXPECT_EQ(report.conditions[0].expected_json, "1");
  EXPECT_EQ(report.conditions[0].actual_json, "[ 1, 3 ]");
  EXPECT_TRUE(report.conditions[0].passed);
  EXPECT_EQ(report.conditions[1].op, "$eq");
  EXPECT_EQ(report.conditions[1].actual_json, "[1,2]");
  EXPECT_TRUE(report.conditions[1].passed);
  EXPECT_EQ(report.conditions[2].expected_json, R"(["é\n",true,null,{"k":[1.5]}])");
  EXPECT_EQ(report.conditions[2].actual_json, "null");
  EXPECT_FALSE(report.conditions[2].passed);
}

}  // namespace
}  // namespace ferres
