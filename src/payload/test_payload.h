// Random documents and filters that meet each other often, for the tests of this folder.
#pragma once
#include <string>

#include <fmt/format.h>

#include "base/random.h"

namespace ferres {

class RandomDocuments {
 public:
  explicit RandomDocuments(Random& random) : random_(random) {}

  std::string document() { return object(random_.below(6), 2); }

  std::string filter(int depth = 3) {
    if (depth == 0 || random_.below(3) != 0) return "{" + condition() + "}";
    const uint64_t kind = random_.below(4);
    if (kind == 0) return fmt::format(R"({{"$not":{}}})", filter(depth - 1));
    std::string list;
    const uint64_t children = random_.below(4);
    for (uint64_t i = 0; i < children; ++i) {
      if (i > 0) list += ',';
      list += filter(depth - 1);
    }
    constexpr const char* kNames[] = {"$not", "$and", "$or"};
    return fmt::format(R"({{"{}":[{}]}})", kNames[kind - 1], list);
  }

 private:
  /// Of distinct names without dots; seldom not.
  std::string object(uint64_t members, int depth) {
    constexpr const char* kNames[] = {"a", "b", "c", "d", ""};
    const uint64_t first = random_.below(5);
    std::string json;
    for (uint64_t i = 0; i < members; ++i) {
      std::string name = kNames[(first + i) % 5];
      if (random_.one_in(300)) name = random_.one_in(2) ? "a.b" : "b";
      json += fmt::format("{}\"{}\":{}", i > 0 ? "," : "", name, value(depth));
    }
    return "{" + json + "}";
  }
  std::string path() {
    constexpr const char* kPaths[] = {"a",   "b",  "c",  "d",   "",      "a.a", "a.b",
                                      "b.a", "a.", ".a", "c.d", "a.b.c", "lat", "a.lat"};
    return kPaths[random_.below(14)];
  }
  std::string number() {
    constexpr const char* kEdges[] = {"0",
                                      "-0.0",
                                      "9007199254740992",
                                      "9007199254740993",
                                      "9007199254740993.0",
                                      "-9007199254740993",
                                      "9223372036854775807",
                                      "9223372036854775808",
                                      "9.223372036854775807e18",
                                      "-9223372036854775808",
                                      "18446744073709551615",
                                      "1.8446744073709552e19",
                                      "1e308",
                                      "-1e308",
                                      "5e-324"};
    if (random_.one_in(3)) return kEdges[random_.below(15)];
    const auto whole = static_cast<int64_t>(random_.below(9)) - 4;
    if (random_.one_in(2)) return std::to_string(whole);
    return fmt::format("{}", static_cast<double>(whole) / 2);
  }
  std::string instant() {
    constexpr const char* kTimes[] = {
        "2024-01-01T00:00:00Z",           "2024-01-01T01:00:00+01:00",   "2023-12-31",
        "2024-01-01T00:00:00.000000001Z", "2024-01-01T00:00:00.5-02:30", "1969-12-31T23:59:59Z"};
    return fmt::format("\"{}\"", kTimes[random_.below(6)]);
  }
  std::string text() {
    constexpr const char* kTexts[] = {"red", "green", "re", "", "\\u0072ed", "GREEN", "a\\\"b"};
    if (random_.one_in(3)) return instant();
    return fmt::format("\"{}\"", kTexts[random_.below(7)]);
  }
  std::string scalar() {
    switch (random_.below(5)) {
      case 0:
        return random_.one_in(2) ? "null" : (random_.one_in(2) ? "true" : "false");
      case 1:
      case 2:
        return number();
      default:
        return text();
    }
  }
  /// Near a corner of the map more often than anywhere.
  std::string coordinates() {
    constexpr double kLats[] = {90, -90, 0, 52.5, 52.50001, 48.1};
    constexpr double kLons[] = {180, -180, 0, 13.4, 13.40001, 11.5};
    if (random_.one_in(4)) {
      return fmt::format(R"("lat":{},"lon":{})", random_.unit() * 180 - 90,
                         random_.unit() * 360 - 180);
    }
    return fmt::format(R"("lat":{},"lon":{})", kLats[random_.below(6)], kLons[random_.below(6)]);
  }
  std::string value(int depth) {
    const uint64_t kind = depth == 0 ? 0 : random_.below(10);
    if (kind < 5) return scalar();
    if (kind == 5) return "{" + coordinates() + "}";
    const uint64_t count = random_.below(4);
    if (kind < 8) return object(count, depth - 1);
    std::string json;
    for (uint64_t i = 0; i < count; ++i)
      json += (i > 0 ? "," : "") + value(depth - 1);
    return "[" + json + "]";
  }
  std::string list() {
    std::string json;
    const uint64_t count = random_.below(4);
    for (uint64_t i = 0; i < count; ++i)
      json += (i > 0 ? "," : "") + (random_.one_in(6) ? value(1) : scalar());
    return "[" + json + "]";
  }
  std::string geo() {
    if (random_.one_in(2)) {
      constexpr double kMeters[] = {0, 0.5, 1.3, 1000, 500'000, 10'000'000, 30'000'000};
      return fmt::format(R"("$geo_radius":{{{},"meters":{}}})", coordinates(),
                         kMeters[random_.below(7)]);
    }
    const double top = random_.one_in(2) ? 52.5 : random_.unit() * 90;
    return fmt::format(R"("$geo_box":{{"top_left":{{"lat":{},"lon":{}}},)"
                       R"("bottom_right":{{"lat":{},"lon":{}}}}})",
                       top, random_.one_in(2) ? 13.4 : random_.unit() * 360 - 180,
                       top - (random_.one_in(4) ? 0 : random_.unit() * 90),
                       random_.one_in(2) ? 13.40001 : random_.unit() * 360 - 180);
  }
  std::string test() {
    switch (random_.below(14)) {
      case 0:
        return fmt::format(R"("$ne":{})", random_.one_in(5) ? value(2) : scalar());
      case 1:
        return fmt::format(R"("{}":{})", random_.one_in(2) ? "$in" : "$nin", list());
      case 2:
      case 3:
      case 4: {
        constexpr const char* kNames[] = {"$gt", "$gte", "$lt", "$lte"};
        return fmt::format(R"("{}":{})", kNames[random_.below(4)],
                           random_.one_in(3) ? instant() : number());
      }
      case 5:
        return fmt::format(R"("{}":{})", random_.one_in(2) ? "$exists" : "$is_null",
                           random_.one_in(2));
      case 6:
        return fmt::format(R"("$contains":{})", random_.one_in(5) ? value(1) : scalar());
      case 7:
        return fmt::format(R"("{}":{})", random_.one_in(2) ? "$all" : "$any", list());
      case 8:
        return fmt::format(R"("{}":{})", random_.one_in(2) ? "$prefix" : "$icontains_text", text());
      case 9:
      case 10:
        return geo();
      default:
        return fmt::format(R"("$eq":{})", random_.one_in(5) ? value(2) : scalar());
    }
  }
  std::string condition() { return fmt::format(R"("{}":{{{}}})", path(), test()); }

  Random& random_;
};

}  // namespace ferres
