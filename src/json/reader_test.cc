// Which bodies are understood, and what is said about the others.
#include "json/reader.h"

#include <cmath>

#include <gtest/gtest.h>

namespace ferres {
namespace {

Result<JsonFields> fields_of(std::string text) {
  TRY_ASSIGN(const JsonValue value, parse_body(text));
  return JsonFields::of(value);
}

TEST(JsonReader, TextThatIsNotJsonIsInvalid) {
  for (const char* text : {"", "{", "{\"a\":}", "[1,]", "NaN", "{\"a\":1}x", "\xFF",
                           "{\"a\":1e400}", "{\"a\":\"\xC0\x80\"}"}) {
    std::string body = text;
    const Result<JsonValue> value = parse_body(body);
    ASSERT_FALSE(value.ok()) << text;
    EXPECT_EQ(value.error().code(), Code::kInvalidArgument) << text;
  }
}

TEST(JsonReader, IntegersBeyond64BitsAreDoubles) {
  std::string body =
      R"({"18446744073709551616\"":[18446744073709551615,18446744073709551616,)"
      R"(-9223372036854775808,)"
      R"(-9223372036854775809,1.00000000000000000000,123456789012345678901234567890]})";
  const Result<JsonValue> value = parse_body(body);
  ASSERT_TRUE(value.ok()) << value.error().message();
  const Result<std::string> text = to_json_text(*value);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, R"({"18446744073709551616\"":[18446744073709551615,18446744073709551616.0,)"
                   R"(-9223372036854775808,-9223372036854775808.0,1,1.2345678901234568e+29]})");
  for (const char* wrong : {"018446744073709551616", "[18446744073709551616",
                            "[184467440737095516160x]", "[1e400,18446744073709551616]"}) {
    std::string malformed = wrong;
    EXPECT_FALSE(parse_body(malformed).ok()) << wrong;
  }
  std::string huge = std::string(400, '9');
  EXPECT_FALSE(parse_body(huge).ok()) << "beyond the largest double";
}

TEST(JsonReader, WholeNumbersMayHaveAPoint) {
  const auto read = [](const std::string& number) -> std::optional<uint64_t> {
    const Result<JsonFields> fields = fields_of("{\"n\":" + number + "}");
    uint64_t out = 7;
    if (!fields.ok() || !fields->read("n", out).ok()) return std::nullopt;
    return out;
  };
  EXPECT_EQ(read("3.0"), 3u);
  EXPECT_EQ(read("1e3"), 1000u);
  EXPECT_EQ(read("18446744073709551615"), 18446744073709551615u);
  for (const char* number : {"3.5", "-1.0", "-1", "18446744073709551616", "1e300", "\"3\""})
    EXPECT_EQ(read(number), std::nullopt) << number;
}

TEST(JsonReader, DepthIsBounded) {
  std::string at_limit = std::string(60, '[') + std::string(60, ']');
  EXPECT_TRUE(parse_body(at_limit).ok());
  std::string beyond = std::string(10000, '[') + std::string(10000, ']');
  const Result<JsonValue> value = parse_body(beyond);
  ASSERT_FALSE(value.ok());
  EXPECT_NE(value.error().message().find("limit of 64 levels"), std::string::npos);
}

TEST(JsonReader, ABigBodyDoesNotSpoilTheNext) {
  std::string big = "[" + std::string(8 << 20, ' ') + "1]";
  ASSERT_TRUE(parse_body(big).ok());
  std::string small = "[2]";
  const Result<JsonValue> value = parse_body(small);
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(int64_t((*value).at(0)), 2);
  std::string deep = std::string(10000, '[') + std::string(10000, ']');
  EXPECT_FALSE(parse_body(deep).ok());
}

TEST(JsonReader, RepeatedKeysAreRefused) {
  EXPECT_FALSE(fields_of(R"({"a":1,"b":2,"a":3})").ok());
  std::string many = "{";
  for (int i = 0; i < 40; ++i)
    many += "\"k" + std::to_string(i) + "\":0,";
  EXPECT_TRUE(fields_of(many + "\"last\":0}").ok());
  EXPECT_FALSE(fields_of(many + "\"k7\":0}").ok());
  std::string nested = R"({"m":{"x":{"y":1,"y":2}}})";
  const Result<JsonValue> value = parse_body(nested);
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(to_json_text(*value).error().code(), Code::kInvalidArgument);
}

TEST(JsonReader, NullIsAbsentAndUnknownKeysAreIgnored) {
  const Result<JsonFields> fields = fields_of(R"({"a":null,"zzz":{}})");
  ASSERT_TRUE(fields.ok());
  std::optional<uint64_t> a;
  EXPECT_TRUE(fields->read("a", a).ok());
  EXPECT_FALSE(a.has_value());
  uint64_t required = 0;
  const Status missing = fields->require("a", required);
  EXPECT_EQ(missing.code(), Code::kUnprocessable);
  EXPECT_EQ(missing.message(), "missing field 'a'");
}

TEST(JsonReader, WrongTypesNameTheField) {
  const Result<JsonFields> fields =
      fields_of(R"({"s":1,"n":"1","neg":-1,"real":1.5,"b":0,"d":true})");
  ASSERT_TRUE(fields.ok());
  std::string s;
  uint64_t n = 0;
  bool b = false;
  double d = 0;
  EXPECT_EQ(fields->read("s", s).message(), "s must be a string");
  EXPECT_EQ(fields->read("n", n).message(), "n must be a whole number, not negative");
  EXPECT_EQ(fields->read("neg", n).code(), Code::kUnprocessable);
  EXPECT_EQ(fields->read("real", n).code(), Code::kUnprocessable);
  EXPECT_EQ(fields->read("b", b).message(), "b must be true or false");
  EXPECT_EQ(fields->read("d", d).message(), "d must be a number");
}

TEST(JsonReader, TextOfAValueIsMinifiedAndExact) {
  std::string body =
      R"( { "a" : [ 1 , -2, 18446744073709551615 , 0.1, "\u00e9\n" , null , true ] } )";
  const Result<JsonValue> value = parse_body(body);
  ASSERT_TRUE(value.ok());
  const Result<std::string> text = to_json_text(*value);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, "{\"a\":[1,-2,18446744073709551615,0.1,\"\xC3\xA9\\n\",null,true]}");
}

Result<std::vector<float>> vector_of(std::string text, size_t count_max) {
  TRY_ASSIGN(const JsonValue value, parse_body(text));
  std::vector<float> vector;
  TRY(read_vector(value, "vector", count_max, vector));
  return vector;
}

TEST(JsonReader, VectorsComeAsNumbersOrBase64) {
  const std::vector<float> expected = {0.5f, 0.5f, 1.0f};
  for (const char* text : {"[0.5,0.5,1]", "\"AAAAPwAAAD8AAIA/\""}) {
    const Result<std::vector<float>> vector = vector_of(text, 3);
    ASSERT_TRUE(vector.ok()) << text;
    EXPECT_EQ(*vector, expected) << text;
  }
  EXPECT_EQ(vector_of("\"AAAAPw==\"", 3)->size(), 1u);
  EXPECT_EQ(vector_of("\"\"", 3)->size(), 0u);
}

TEST(JsonReader, WrongVectorsAreRefused) {
  for (const char* text : {"1", "{}", "[1,\"2\"]", "[[1]]", "\"AAAAPwA=\"", "\"a b!\"", "\"A\""}) {
    EXPECT_EQ(vector_of(text, 3).error().code(), Code::kUnprocessable) << text;
  }
  for (const char* text : {"[1,2,3,4]", "\"AAAAPwAAAD8AAIA/AAAAPw==\""}) {
    EXPECT_EQ(vector_of(text, 3).error().code(), Code::kInvalidArgument) << text;
  }
}

TEST(JsonReader, NumbersBeyondAFloatAreNotFinite) {
  const Result<std::vector<float>> vector = vector_of("[1,1e39]", 3);
  ASSERT_TRUE(vector.ok());
  EXPECT_FALSE(std::isfinite((*vector)[1]));
}

}  // namespace
}  // namespace ferres
