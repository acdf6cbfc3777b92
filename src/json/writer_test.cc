// The text that the writer makes.
#include "json/writer.h"

#include <charconv>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "base/random.h"

namespace ferres {
namespace {

TEST(JsonWriter, CommasGoBetweenValuesOnly) {
  JsonWriter json;
  json.begin_object().field("a", 1).key("b").begin_array().integer(-2).boolean(true).null();
  json.begin_object().end_object().begin_array().end_array().end_array().field("c", "x");
  json.end_object();
  EXPECT_EQ(json.text(), R"({"a":1,"b":[-2,true,null,{},[]],"c":"x"})");
}

TEST(JsonWriter, StringsAreEscaped) {
  JsonWriter json;
  json.string(std::string_view("q\" b\\ n\n r\r t\t \x01 z\0 \xC3\xA9", 22));
  EXPECT_EQ(json.text(), "\"q\\\" b\\\\ n\\n r\\r t\\t \\u0001 z\\u0000 \xC3\xA9\"");
}

TEST(JsonWriter, NumbersThatAreNotFiniteAreNull) {
  JsonWriter json;
  json.begin_array().number(std::numeric_limits<float>::infinity());
  json.number(std::nan("")).end_array();
  EXPECT_EQ(json.text(), "[null,null]");
}

TEST(JsonWriter, LargeNumbersDoNotLookLikeIntegers) {
  for (const double value : {123456789012345678901.0, -12345678901234567000.0,
                             18446744073709551616.0, 9223372036854775808.0, 1e20, 1e300}) {
    JsonWriter json;
    json.number(value);
    EXPECT_NE(json.text().find_first_of(".e"), std::string::npos) << json.text();
    double back = 0;
    std::from_chars(json.text().data(), json.text().data() + json.text().size(), back);
    EXPECT_EQ(back, value) << json.text();
  }
}

TEST(JsonWriter, FloatsAreShortAndReadBackExactly) {
  const std::array<float, 3> some = {0.1f, 1.0f, -3.4028235e38f};
  JsonWriter json;
  json.numbers(some);
  EXPECT_EQ(json.text(), "[0.1,1,-3.4028235e+38]");
  Random random(7);
  for (int i = 0; i < 100000; ++i) {
    const uint32_t bits = static_cast<uint32_t>(random.next());
    const float value = std::bit_cast<float>(bits);
    if (!std::isfinite(value)) continue;
    JsonWriter one;
    one.number(value);
    float back = 0;
    std::from_chars(one.text().data(), one.text().data() + one.text().size(), back);
    ASSERT_EQ(std::bit_cast<uint32_t>(back), bits) << one.text();
  }
}

}  // namespace
}  // namespace ferres
