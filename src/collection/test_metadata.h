// Random metadata as users write it, and filters that meet it often: texts of few and of many
// values, numbers near each other and at the ends of their range, times, flags, lists, objects in
// objects and in lists, places, nulls, missing members, values of another type than their
// neighbours', letters beyond ASCII.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/random.h"
#include "filter/test_filter.h"

namespace ferres::naive {

class MetadataMaker {
 public:
  /// irregular: some documents have a member with a dot in its name, which the payload index leaves
  /// to be read, so that it is sure of no filter.
  MetadataMaker(Random& random, bool irregular) : random_(random), irregular_(irregular) {}

  Json document() {
    Json json = object_json();
    for (const Member& member : kMembers) {
      if (random_.one_in(4)) continue;
      const uint64_t kind = random_.below(40);
      json.members.emplace_back(member.name, kind < 3    ? Json()
                                             : kind == 3 ? scalar()
                                                         : (this->*member.value)());
    }
    if (irregular_ && random_.one_in(50)) json.members.emplace_back("owner.age", small());
    return json;
  }

  Json filter(int depth = 3) {
    Json json = object_json();
    for (uint64_t i = random_.one_in(5) ? 2 : 1; i > 0; --i) {
      if (depth > 0 && random_.below(3) != 0) {
        json.members.push_back(combination(depth));
      } else {
        const Path& path = kPaths[random_.below(std::size(kPaths))];
        json.members.emplace_back(path.name, random_.one_in(5) ? alone(path) : conditions(path));
      }
    }
    return json;
  }

 private:
  using Maker = Json (MetadataMaker::*)();
  struct Member {
    const char* name;
    Maker value;
  };
  /// Where a filter looks, and what it is likely to find there.
  using Path = Member;
  static const std::vector<Member> kMembers;
  static const std::vector<Path> kPaths;

  template <size_t N>
  const char* pick(const char* const (&from)[N]) {
    return from[random_.below(N)];
  }

  // ---- values

  Json kind() {
    return string_json(pick(
        {"red", "Red", "grün", "GRÜN", "жук", "Жук", "Ωμ", "ωμ", "日本語", "😀", "a\"b\\c\n", ""}));
  }
  Json name() {
    return string_json(
        fmt::format("user-{:04}{}", random_.below(3000),
                    pick({"", "", "-Ünal", "-Ωμ", " 日本", "-LONG tail of a name"})));
  }
  Json small() {
    const auto whole = static_cast<int64_t>(random_.below(40)) - 10;
    return number_json(fmt::format("{}{}", whole, pick({"", "", "", ".0", ".5"})));
  }
  Json large() {
    return number_json(
        pick({"9007199254740992", "9007199254740993", "9007199254740992.0", "-9223372036854775808",
              "9223372036854775807", "9223372036854775808", "18446744073709551615",
              "1.8446744073709552e19", "1e308", "-1e308", "5e-324", "-0.0"}));
  }
  Json price() { return number_json(fmt::format("{:.2f}", random_.unit() * 1000)); }
  Json flag() { return bool_json(random_.one_in(2)); }
  Json moment() {
    if (random_.one_in(20))
      return string_json(pick({"2024-02-30", "2024-1-1", "2024-06-01T25:00"}));
    // Few, so that some differ in the fraction alone, or only in how they are written.
    const std::string date = fmt::format("202{}-{:02}-{}", 3 + random_.below(3),
                                         1 + random_.below(12), pick({"01", "15"}));
    if (random_.one_in(4)) return string_json(date);
    return string_json(fmt::format("{}T{}:30:00{}{}", date, pick({"02", "11", "23"}),
                                   pick({"", ".000", ".5", ".000000001"}),
                                   pick({"Z", "Z", "+02:30", "-09:30", ""})));
  }
  Json tag() {
    return string_json(pick({"a", "b", "c", "d", "É", "é", "tag with spaces", "2024-01-01"}));
  }
  Json tags() { return list(&MetadataMaker::tag, 5); }
  Json numbers() { return list(&MetadataMaker::small, 4); }
  Json degrees() { return number_json(fmt::format("{}", random_.below(181) - 90.0)); }
  Json owner() {
    Json json = object_json({{"name", name()}, {"age", small()}});
    if (random_.one_in(2)) json.members.emplace_back("address", object_json({{"city", kind()}}));
    return json;
  }
  Json item() {
    Json json = object_json({{"sku", kind()}});
    if (random_.below(3) != 0) json.members.emplace_back("qty", small());
    if (random_.one_in(2)) json.members.emplace_back("tags", random_.one_in(3) ? tag() : tags());
    return json;
  }
  Json items() { return list(&MetadataMaker::item, 4); }
  Json place() {
    double lat = random_.unit() * 180 - 90;
    double lon = random_.unit() * 360 - 180;
    if (random_.below(3) != 0) {
      // Around a town, a corner of the map or its seam.
      constexpr std::pair<double, double> kTowns[] = {{52.52, 13.4}, {0, 179.99}, {-90, -180}};
      const auto& [town_lat, town_lon] = kTowns[random_.below(std::size(kTowns))];
      lat = std::clamp(town_lat + random_.unit() - 0.5, -90.0, 90.0);
      lon = std::clamp(town_lon + random_.unit() - 0.5, -180.0, 180.0);
    }
    if (random_.one_in(30)) lat = 95;  // nowhere
    return object_json({{"lat", number_json(fmt::format("{}", lat))},
                        {"lon", number_json(fmt::format("{}", lon))}});
  }
  Json places() { return random_.one_in(6) ? list(&MetadataMaker::place, 3) : place(); }
  Json scalar() {
    constexpr Maker kMakers[] = {&MetadataMaker::kind,  &MetadataMaker::name,
                                 &MetadataMaker::small, &MetadataMaker::large,
                                 &MetadataMaker::flag,  &MetadataMaker::moment};
    return random_.one_in(8) ? Json() : (this->*kMakers[random_.below(std::size(kMakers))])();
  }
  Json list(Maker element, uint64_t limit) {
    Json json = array_json();
    for (uint64_t i = random_.below(limit); i > 0; --i)
      json.elements.push_back((this->*element)());
    return json;
  }

  // ---- filters

  std::pair<std::string, Json> combination(int depth) {
    const std::string name = pick({"$and", "$or", "$or", "$not"});
    if (name == "$not" && random_.one_in(2)) return {name, filter(depth - 1)};
    Json json = array_json();
    const uint64_t limit = name == "$or" ? 5 : 2;
    for (uint64_t i = random_.one_in(20) ? 0 : 1 + random_.below(limit); i > 0; --i)
      json.elements.push_back(filter(depth - 1));
    return {name, json};
  }

  /// What a document may hold at the path; seldom what it hardly does.
  Json likely(const Path& path) { return random_.one_in(10) ? scalar() : (this->*path.value)(); }

  Json likely_element(const Path& path) {
    const Json json = likely(path);
    return json.elements.empty() || json.type == Json::kObject ? json : json.elements.front();
  }

  /// A value without an operator: no object.
  Json alone(const Path& path) {
    Json json = likely(path);
    return json.type == Json::kObject ? scalar() : json;
  }

  Json conditions(const Path& path) {
    Json json = object_json();
    for (uint64_t i = random_.one_in(5) ? 2 : 1; i > 0; --i) {
      if (path.value == &MetadataMaker::places && random_.one_in(2)) {
        json.members.push_back(area());
        continue;
      }
      const std::string op = pick({"$eq", "$ne", "$in", "$nin", "$gt", "$gte", "$lt", "$lte",
                                   "$gte", "$lt", "$exists", "$is_null", "$contains", "$all",
                                   "$any", "$prefix", "$contains_text", "$icontains_text"});
      json.members.emplace_back(op, operand(op, path));
    }
    // Both ends of a range are more than two conditions: the index reads it at once.
    if (random_.one_in(8)) {
      json = object_json();
      for (const char* op : {pick({"$gt", "$gte"}), pick({"$lt", "$lte"})})
        json.members.emplace_back(op, bound(path));
    }
    if (random_.one_in(30)) json.members.push_back(area());
    return json;
  }

  Json operand(const std::string& op, const Path& path) {
    if (op == "$exists" || op == "$is_null") return flag();
    if (op == "$prefix" || op.ends_with("_text")) return part_of_text(path, op == "$prefix");
    if (op.starts_with("$g") || op.starts_with("$l")) return bound(path);
    if (op == "$contains") return likely_element(path);
    Json json = likely(path);
    if (op == "$eq" || op == "$ne") return json;
    if (json.type == Json::kArray && random_.below(4) != 0) return json;
    json = array_json({json});
    for (uint64_t i = random_.below(4); i > 0; --i)
      json.elements.push_back(likely(path));
    return json;
  }

  Json bound(const Path& path) {
    Json json = likely_element(path);
    if (json.type == Json::kNumber || json.moment) return json;
    do
      json = random_.one_in(2) ? small() : moment();
    while (json.type != Json::kNumber && !json.moment);
    return json;
  }

  Json part_of_text(const Path& path, bool from_start) {
    Json json = likely_element(path);
    if (json.type != Json::kString) json = name();
    if (random_.one_in(3)) return json;
    const std::string& text = json.text;
    // Letters are taken whole: a filter is valid UTF-8.
    const auto inside = [&](size_t at) { return at < text.size() && (text[at] & 0xC0) == 0x80; };
    size_t begin = from_start ? 0 : random_.below(text.size() + 1);
    while (inside(begin))
      ++begin;
    size_t end = begin + random_.below(text.size() - begin + 1);
    while (inside(end))
      ++end;
    return string_json(text.substr(begin, end - begin));
  }

  std::pair<std::string, Json> area() {
    Json around = place();
    while (!place_of(around))
      around = place();
    if (random_.one_in(2)) {
      const double meters = random_.one_in(8) ? 0 : std::pow(10, 2 + random_.unit() * 5.2);
      around.members.emplace_back("meters", number_json(fmt::format("{}", meters)));
      return {"$geo_radius", around};
    }
    Json other = place();
    while (!place_of(other))
      other = place();
    const bool above = place_of(around)->lat >= place_of(other)->lat;
    return {"$geo_box", object_json({{"top_left", above ? around : other},
                                     {"bottom_right", above ? other : around}})};
  }

  Random& random_;
  const bool irregular_;
};

inline const std::vector<MetadataMaker::Member> MetadataMaker::kMembers = {
    {"kind", &MetadataMaker::kind},    {"name", &MetadataMaker::name},
    {"n", &MetadataMaker::small},      {"big", &MetadataMaker::large},
    {"price", &MetadataMaker::price},  {"flag", &MetadataMaker::flag},
    {"at", &MetadataMaker::moment},    {"tags", &MetadataMaker::tags},
    {"nums", &MetadataMaker::numbers}, {"owner", &MetadataMaker::owner},
    {"items", &MetadataMaker::items},  {"place", &MetadataMaker::places},
    {"any", &MetadataMaker::scalar},   {"größe", &MetadataMaker::small}};

inline const std::vector<MetadataMaker::Path> MetadataMaker::kPaths = {
    {"kind", &MetadataMaker::kind},
    {"name", &MetadataMaker::name},
    {"n", &MetadataMaker::small},
    {"big", &MetadataMaker::large},
    {"price", &MetadataMaker::price},
    {"flag", &MetadataMaker::flag},
    {"at", &MetadataMaker::moment},
    {"tags", &MetadataMaker::tag},
    {"tags", &MetadataMaker::tags},
    {"nums", &MetadataMaker::small},
    {"nums", &MetadataMaker::numbers},
    {"owner", &MetadataMaker::owner},
    {"owner.name", &MetadataMaker::name},
    {"owner.age", &MetadataMaker::small},
    {"owner.address.city", &MetadataMaker::kind},
    {"items", &MetadataMaker::item},
    {"items.sku", &MetadataMaker::kind},
    {"items.qty", &MetadataMaker::small},
    {"items.tags", &MetadataMaker::tag},
    {"items.tags", &MetadataMaker::tags},
    {"place", &MetadataMaker::places},
    {"place.lat", &MetadataMaker::degrees},
    {"any", &MetadataMaker::scalar},
    {"größe", &MetadataMaker::small},
    {"kind.x", &MetadataMaker::scalar},
    {"nowhere", &MetadataMaker::scalar},
    {"", &MetadataMaker::scalar}};

}  // namespace ferres::naive
