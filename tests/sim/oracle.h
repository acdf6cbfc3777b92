// What a collection must hold, kept the plain way: a map, a few lambdas, double precision. The sim
// tests apply every operation to it and to the database, then compare.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "collection/collection.h"

namespace ferres::sim {

/// Metadata as the generator knows it, so that conditions need no JSON here.
struct Facts {
  int number = 0;
  std::string color;
  std::vector<std::string> tags;
  bool empty = false;  // metadata without any of these

  std::string json() const;
};

struct OraclePoint {
  PointInput input;
  Facts facts;
  Lsn version = 0;
  uint64_t created_micros = 0;
  uint64_t expires_micros = 0;  // 0: never
};

/// A filter in both languages.
struct Condition {
  std::string json;
  std::function<bool(const Facts&)> holds;
};

/// Whether a collection may refuse an answer because a file is damaged.
enum class Damage : uint8_t { kNone, kMayBeFound };

class Oracle {
 public:
  using Key = std::pair<std::string, std::string>;  // namespace, id

  explicit Oracle(Metric metric) : metric_(metric) {}

  void upsert(OraclePoint point);
  /// How many of the ids were there at `now`.
  uint64_t remove(const std::string& ns, const std::vector<std::string>& ids, uint64_t now);
  /// Points of a namespace that were there at `now`, and are not any more.
  uint64_t drop_namespace(const std::string& ns, uint64_t now);
  /// Whether they are linked then.
  bool link(const Key& a, const Key& b, uint64_t now);
  /// Whether they were.
  bool unlink(const Key& a, const Key& b, uint64_t now);
  /// What a point that is there is linked with, of what is there.
  std::vector<Key> linked_with(const Key& key, uint64_t now) const;
  /// The points within so many links of one that is there, itself first.
  std::vector<Key> within(const Key& center, uint32_t hops, uint64_t now) const;
  /// The points of a namespace become what they were, by a write of that LSN, and the links between
  /// them.
  void restore_namespace(const std::string& ns, const Oracle& past, Lsn lsn);
  const OraclePoint* find(const std::string& ns, const std::string& id, uint64_t now) const;
  /// Points that are there at `now`, of a namespace if one is given.
  std::vector<const OraclePoint*> visible(uint64_t now, const std::optional<std::string>& ns,
                                          const Condition* condition) const;
  /// Empty, or how a point that was read differs.
  std::string difference(const OraclePoint& wanted, const Point& found, uint64_t now) const;
  double score(const std::vector<float>& query, const OraclePoint& point) const;

  /// Every point of the collection, and no other, each as it was written.
  testing::AssertionResult equals(Collection& collection, uint64_t now,
                                  Damage damage = Damage::kNone) const;
  /// The answer to a search for everything: all of it when exact, else without a wrong hit.
  testing::AssertionResult agrees_on_search(Collection& collection, SearchRequest request,
                                            uint64_t now, Damage damage = Damage::kNone) const;

 private:
  void end_links(const Key& key);

  Metric metric_;
  std::map<Key, OraclePoint> points_;
  std::map<Key, std::set<Key>> links_;  // in both directions
};

/// Empty, or how the two differ but for what they are linked with.
std::string difference(const OraclePoint& wanted, const Point& found);
/// Whether a score of 32-bit arithmetic is the one of 64-bit arithmetic.
bool close(double wanted, float found);

/// An exact search for every point by a drawn vector.
SearchRequest search_for_all(std::vector<float> query);

/// Draws points, conditions and queries.
class Maker {
 public:
  Maker(Random& random, uint32_t dimension) : random_(random), dimension_(dimension) {}

  std::vector<float> vector();
  Facts facts();
  Condition condition();
  std::optional<std::string> name_space();
  std::string id(uint64_t ids);
  OraclePoint point(uint64_t ids);

 private:
  Random& random_;
  uint32_t dimension_;
};

}  // namespace ferres::sim
