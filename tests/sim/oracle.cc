// See oracle.h.
#include "sim/oracle.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace ferres::sim {
namespace {

constexpr const char* kColors[] = {"red", "green", "blue", "quo\\\"ted", "gr\\u00fcn"};
constexpr const char* kTags[] = {"a", "b", "c"};

/// A failed answer: fine where damage may be found and it says that it was.
testing::AssertionResult refusal(const Status& status, Damage damage, const std::string& what) {
  const bool found = status.code() == Code::kCorruption || status.code() == Code::kUnavailable;
  if (damage == Damage::kMayBeFound && found && !status.message().empty()) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << what << ": " << status.message();
}

std::string place(const OraclePoint& point) {
  return "point '" + point.input.id + "' of namespace '" + point.input.ns.value_or("") + "'";
}

}  // namespace

std::string Facts::json() const {
  if (empty) return "{}";
  std::string list;
  for (const std::string& tag : tags)
    list += (list.empty() ? "\"" : ",\"") + tag + "\"";
  return R"({"number":)" + std::to_string(number) + R"(,"deep":{"color":")" + color +
         R"("},"tags":[)" + list + "]}";
}

void Oracle::upsert(OraclePoint point) {
  const Key key{point.input.ns.value_or(""), point.input.id};
  // One whose time is over was gone.
  if (find(key.first, key.second, point.created_micros) == nullptr) end_links(key);
  points_.insert_or_assign(key, std::move(point));
}

uint64_t Oracle::remove(const std::string& ns, const std::vector<std::string>& ids, uint64_t now) {
  uint64_t removed = 0;
  for (const std::string& id : ids) {
    if (find(ns, id, now) == nullptr) continue;
    points_.erase({ns, id});
    end_links({ns, id});
    ++removed;
  }
  return removed;
}

uint64_t Oracle::drop_namespace(const std::string& ns, uint64_t now) {
  const uint64_t there = visible(now, ns, nullptr).size();
  for (const auto& [key, point] : points_)
    if (key.first == ns) end_links(key);
  std::erase_if(points_, [&ns](const auto& entry) { return entry.first.first == ns; });
  return there;
}

void Oracle::restore_namespace(const std::string& ns, const Oracle& past, Lsn lsn) {
  drop_namespace(ns, 0);
  for (const auto& [key, point] : past.points_) {
    if (key.first == ns) points_.insert_or_assign(key, point).first->second.version = lsn;
  }
  for (const auto& [key, others] : past.links_) {
    if (key.first != ns) continue;
    for (const Key& other : others)
      if (other.first == ns) links_[key].insert(other);
  }
}

bool Oracle::link(const Key& a, const Key& b, uint64_t now) {
  if (find(a.first, a.second, now) == nullptr || find(b.first, b.second, now) == nullptr)
    return false;
  links_[a].insert(b);
  links_[b].insert(a);
  return true;
}

bool Oracle::unlink(const Key& a, const Key& b, uint64_t now) {
  if (find(a.first, a.second, now) == nullptr || find(b.first, b.second, now) == nullptr)
    return false;
  links_[b].erase(a);
  return links_[a].erase(b) > 0;
}

void Oracle::end_links(const Key& key) {
  const auto found = links_.find(key);
  if (found == links_.end()) return;
  for (const Key& other : found->second)
    links_.at(other).erase(key);
  links_.erase(found);
}

std::vector<Oracle::Key> Oracle::linked_with(const Key& key, uint64_t now) const {
  std::vector<Key> others;
  const auto found = links_.find(key);
  if (found == links_.end()) return others;
  for (const Key& other : found->second)
    if (find(other.first, other.second, now) != nullptr) others.push_back(other);
  return others;
}

std::vector<Oracle::Key> Oracle::within(const Key& center, uint32_t hops, uint64_t now) const {
  std::vector<Key> found{center};
  std::set<Key> seen{center};
  size_t begin = 0;
  for (uint32_t hop = 0; hop < hops; ++hop) {
    const size_t end = found.size();
    for (size_t i = begin; i < end; ++i) {
      const Key from = found[i];
      for (const Key& other : linked_with(from, now))
        if (seen.insert(other).second) found.push_back(other);
    }
    begin = end;
  }
  return found;
}

std::string Oracle::difference(const OraclePoint& wanted, const Point& found, uint64_t now) const {
  if (std::string text = sim::difference(wanted, found); !text.empty()) return text;
  std::vector<std::string> relations;
  for (const auto& [ns, id] : linked_with({wanted.input.ns.value_or(""), wanted.input.id}, now))
    relations.push_back(storage_id({id, ns}));
  std::sort(relations.begin(), relations.end());
  if (found.relations == relations) return "";
  const auto list = [](const std::vector<std::string>& ids) {
    std::string text;
    for (const std::string& id : ids)
      text += "'" + id + "' ";
    return text;
  };
  return "linked with " + list(found.relations) + "instead of " + list(relations);
}

const OraclePoint* Oracle::find(const std::string& ns, const std::string& id, uint64_t now) const {
  const auto entry = points_.find({ns, id});
  if (entry == points_.end()) return nullptr;
  const uint64_t expires = entry->second.expires_micros;
  return expires != 0 && expires <= now ? nullptr : &entry->second;
}

std::vector<const OraclePoint*> Oracle::visible(uint64_t now, const std::optional<std::string>& ns,
                                                const Condition* condition) const {
  std::vector<const OraclePoint*> found;
  for (const auto& [key, point] : points_) {
    if (find(key.first, key.second, now) == nullptr) continue;
    if (ns && *ns != key.first) continue;
    if (condition != nullptr && !condition->holds(point.facts)) continue;
    found.push_back(&point);
  }
  return found;
}

double Oracle::score(const std::vector<float>& query, const OraclePoint& point) const {
  double dot = 0;
  double query_square = 0;
  double point_square = 0;
  for (size_t i = 0; i < query.size(); ++i) {
    const double a = query[i];
    const double b = point.input.vector[i];
    dot += a * b;
    query_square += a * a;
    point_square += b * b;
  }
  switch (metric_) {
    case Metric::kDot:
      return 1 - dot;
    case Metric::kEuclidean:
      return std::sqrt(std::max(0.0, query_square + point_square - 2 * dot));
    default:
      return 1 - dot / std::sqrt(query_square * point_square);
  }
}

testing::AssertionResult Oracle::equals(Collection& collection, uint64_t now, Damage damage) const {
  const auto wanted = visible(now, std::nullopt, nullptr);
  ListRequest request;
  request.limit = wanted.size() + 10;
  auto listed = collection.list(request);
  if (!listed.ok()) return refusal(listed.error(), damage, "list");
  std::set<Key> seen;
  for (const Point& point : listed->points) {
    const std::string ns = point.ns.value_or("");
    const OraclePoint* known = find(ns, point.id, now);
    if (known == nullptr) {
      return testing::AssertionFailure() << "phantom '" << point.id << "' of '" << ns << "'";
    }
    if (!seen.insert({ns, point.id}).second) {
      return testing::AssertionFailure() << place(*known) << " is listed twice";
    }
    if (const std::string text = difference(*known, point, now); !text.empty()) {
      return testing::AssertionFailure() << "listed " << place(*known) << ": " << text;
    }
  }
  for (const OraclePoint* point : wanted) {
    if (!seen.contains({point->input.ns.value_or(""), point->input.id})) {
      return testing::AssertionFailure() << place(*point) << " is missing";
    }
    auto found = collection.get(point->input.id, point->input.ns);
    if (!found.ok()) return refusal(found.error(), damage, place(*point));
    if (const std::string text = difference(*point, *found, now); !text.empty()) {
      return testing::AssertionFailure() << place(*point) << ": " << text;
    }
  }
  if (listed->total != wanted.size()) {
    return testing::AssertionFailure()
           << "total " << listed->total << " instead of " << wanted.size();
  }
  return testing::AssertionSuccess();
}

testing::AssertionResult Oracle::agrees_on_search(Collection& collection, SearchRequest request,
                                                  uint64_t now, Damage damage) const {
  std::vector<double> wanted;
  for (const OraclePoint* point : visible(now, std::nullopt, nullptr)) {
    if (!point->input.vector.empty()) wanted.push_back(score(request.vector, *point));
  }
  std::sort(wanted.begin(), wanted.end());
  auto found = collection.search(request);
  if (!found.ok()) return refusal(found.error(), damage, "search");
  if (request.exact && found->hits.size() != wanted.size()) {
    return testing::AssertionFailure()
           << found->hits.size() << " hits instead of " << wanted.size();
  }
  std::set<Key> seen;
  for (size_t i = 0; i < found->hits.size(); ++i) {
    const SearchHit& hit = found->hits[i];
    const Key key{hit.point.ns.value_or(""), hit.point.id};
    const OraclePoint* known = find(key.first, key.second, now);
    if (known == nullptr || known->input.vector.empty() || !seen.insert(key).second) {
      return testing::AssertionFailure() << "phantom hit '" << hit.point.id << "'";
    }
    if (!close(score(request.vector, *known), hit.score)) {
      return testing::AssertionFailure() << "score " << hit.score << " of " << place(*known)
                                         << " instead of " << score(request.vector, *known);
    }
    if (request.exact && !close(wanted[i], hit.score)) {
      return testing::AssertionFailure()
             << "hit " << i << " has score " << hit.score << " instead of " << wanted[i];
    }
  }
  return testing::AssertionSuccess();
}

SearchRequest search_for_all(std::vector<float> query) {
  SearchRequest request;
  request.vector = std::move(query);
  request.limit = kSearchLimitMax;
  request.exact = true;
  return request;
}

std::string difference(const OraclePoint& wanted, const Point& found) {
  if (found.id != wanted.input.id) return "id '" + found.id + "'";
  if (found.ns.value_or("") != wanted.input.ns.value_or("")) return "namespace " + *found.ns;
  if (found.vector != wanted.input.vector) return "another vector";
  if (found.metadata_json != wanted.input.metadata_json) {
    return found.metadata_json + " instead of " + wanted.input.metadata_json;
  }
  if (found.version != wanted.version) {
    return "version " + std::to_string(found.version) + " instead of " +
           std::to_string(wanted.version);
  }
  if (found.created_at != wanted.created_micros / 1'000'000) {
    return "created_at " + std::to_string(found.created_at);
  }
  return "";
}

bool close(double wanted, float found) {
  // The root of a rounding error near zero is far larger than the error.
  return std::abs(wanted - double{found}) <= 2e-3 + 1e-4 * std::abs(wanted);
}

std::vector<float> Maker::vector() {
  std::vector<float> values(dimension_);
  for (float& value : values)
    value = static_cast<float>(random_.unit() * 2 - 1);
  return values;
}

Facts Maker::facts() {
  Facts facts;
  facts.empty = random_.one_in(8);
  facts.number = static_cast<int>(random_.below(20)) - 10;
  facts.color = kColors[random_.below(std::size(kColors))];
  for (const char* tag : kTags) {
    if (random_.one_in(2)) facts.tags.emplace_back(tag);
  }
  return facts;
}

Condition Maker::condition() {
  const int bound = static_cast<int>(random_.below(20)) - 10;
  const std::string number = std::to_string(bound);
  const std::string color = kColors[random_.below(std::size(kColors))];
  const std::string tag = kTags[random_.below(std::size(kTags))];
  const auto has_tag = [tag](const Facts& f) {
    return !f.empty && std::find(f.tags.begin(), f.tags.end(), tag) != f.tags.end();
  };
  const auto has_color = [color](const Facts& f) { return !f.empty && f.color == color; };
  switch (random_.below(9)) {
    case 0:
      return {R"({"number":)" + number + "}",
              [bound](const Facts& f) { return !f.empty && f.number == bound; }};
    case 1:
      return {R"({"number":{"$gte":)" + number + R"(,"$ne":3.0}})",
              [bound](const Facts& f) { return !f.empty && f.number >= bound && f.number != 3; }};
    case 2:
      return {R"({"deep.color":")" + color + R"("})", has_color};
    case 3:
      return {R"({"tags":")" + tag + R"("})", has_tag};
    case 4:
      return {
          R"({"$or":[{"tags":{"$contains":")" + tag + R"("}},{"deep.color":")" + color + R"("}]})",
          [=](const Facts& f) { return has_tag(f) || has_color(f); }};
    case 5:
      return {R"({"$not":{"deep.color":")" + color + R"("}})",
              [=](const Facts& f) { return !has_color(f); }};
    case 6:
      return {R"({"number":{"$exists":false}})", [](const Facts& f) { return f.empty; }};
    case 7:
      return {R"({"number":{"$in":[]}})", [](const Facts&) { return false; }};
    default:
      return {
          R"({"$and":[{"deep.color":{"$nin":["red","blue"]}},{"number":{"$lt":)" + number + "}}]}",
          [bound](const Facts& f) {
            return !f.empty && f.color != "red" && f.color != "blue" && f.number < bound;
          }};
  }
}

std::optional<std::string> Maker::name_space() {
  switch (random_.below(4)) {
    case 0:
      return "tenant-1";
    case 1:
      return "tenant 2";
    default:
      return std::nullopt;
  }
}

std::string Maker::id(uint64_t ids) {
  return "p" + std::to_string(random_.below(ids));
}

OraclePoint Maker::point(uint64_t ids) {
  OraclePoint point;
  point.input.id = id(ids);
  point.input.ns = name_space();
  if (!random_.one_in(16)) point.input.vector = vector();
  point.facts = facts();
  point.input.metadata_json = point.facts.json();
  return point;
}

}  // namespace ferres::sim
