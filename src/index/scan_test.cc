// The exact scan and the flat index against a sort of all distances.
#include <algorithm>
#include <set>

#include "index/test_support.h"

namespace ferres {
namespace {

constexpr Metric kMetrics[] = {Metric::kCosine, Metric::kDot, Metric::kEuclidean};

IndexConfig flat_config() {
  IndexConfig config;
  config.type = "flat";
  return config;
}

std::vector<Slot> slots_of(const std::vector<Hit>& hits) {
  std::vector<Slot> slots;
  for (const Hit& hit : hits)
    slots.push_back(hit.slot);
  return slots;
}

/// All `slots` in the order of their distance, first k.
std::vector<Slot> sorted_slots(const IndexBench& bench, const Vector& query,
                               std::vector<Slot> slots, size_t k) {
  const EpochGuard guard;
  std::vector<float> distance(bench.vectors().view().slots);
  for (const Slot slot : slots) {
    distances(bench.vectors().view(), bench.vectors().prepare(query), &slot, 1, &distance[slot]);
  }
  std::sort(slots.begin(), slots.end(), [&](Slot a, Slot b) {
    return distance[a] != distance[b] ? distance[a] < distance[b] : a < b;
  });
  slots.resize(std::min(k, slots.size()));
  return slots;
}

TEST(Scan, GivesTheNearestAdmittedInOrder) {
  for (const Metric metric : kMetrics) {
    IndexBench bench("scan", metric, 20, flat_config());
    Random random(11);
    for (Slot slot = 0; slot < 500; ++slot)
      bench.add(slot, random_vector(random, 20));
    std::set<Slot> thirds;
    for (Slot slot = 0; slot < 500; slot += 3)
      thirds.insert(slot);
    std::vector<Slot> evens;
    std::vector<Slot> sixths;
    for (Slot slot = 0; slot < 500; slot += 2) {
      evens.push_back(slot);
      if (slot % 3 == 0) sixths.push_back(slot);
    }
    evens.push_back(1 << 20);  // no such vector
    const Vector query = random_vector(random, 20);
    for (const uint32_t k : {0u, 1u, 10u, 1000u}) {
      const EpochGuard guard;
      std::vector<Hit> hits = {{1, 1}};
      ASSERT_TRUE(scan_slots(bench.vectors(), bench.vectors().prepare(query), evens, k,
                             AdmitSome(thirds, true), hits)
                      .ok());
      EXPECT_EQ(slots_of(hits), sorted_slots(bench, query, sixths, k)) << "k " << k;
    }
  }
}

TEST(Flat, AnswersExactlyThroughAddsAndRemovals) {
  IndexBench bench("flat", Metric::kEuclidean, 8, flat_config());
  Random random(12);
  std::set<Slot> members;
  for (int step = 0; step < 1000; ++step) {
    const auto slot = static_cast<Slot>(random.below(300));
    EXPECT_EQ(bench.index().contains(slot), members.count(slot) != 0);
    if (members.count(slot) != 0) {
      bench.remove(slot);
      members.erase(slot);
    } else {
      bench.add(slot, random_vector(random, 8));
      members.insert(slot);
    }
    if (step % 50 != 49) continue;
    const Vector query = random_vector(random, 8);
    EXPECT_EQ(slots_of(bench.search(query, 12, 0)),
              sorted_slots(bench, query, {members.begin(), members.end()}, 12));
  }
  EXPECT_EQ(bench.index().audit().points, members.size());
  EXPECT_EQ(bench.index().audit().unreachable, 0u);
  bench.checkpoint();
  bench.reopen();
  for (Slot slot = 0; slot < 300; ++slot)
    EXPECT_EQ(bench.index().contains(slot), members.count(slot) != 0);
  const Vector query = random_vector(random, 8);
  EXPECT_EQ(slots_of(bench.search(query, 12, 0)),
            sorted_slots(bench, query, {members.begin(), members.end()}, 12));
}

TEST(Flat, RefusesWhatDoesNotFit) {
  IndexBench bench("flat_refuses", Metric::kDot, 3, flat_config());
  bench.add(0, {1, 2, 3});
  const EpochGuard guard;
  const auto plan = bench.plan({1, 2, 3});
  EXPECT_EQ(bench.index().plan_point(Vector{1, 2}).error().code(), Code::kInvalidDimension);
  EXPECT_EQ(bench.index().add_point(0, Vector{1, 2, 3}, *plan).code(), Code::kAlreadyExists);
  EXPECT_EQ(bench.index().add_point(1 << 20, Vector{1, 2, 3}, *plan).code(),
            Code::kInvalidArgument);
  Explain explain;
  EXPECT_EQ(bench.index().search_explain(Vector{1}, {}, AdmitAll(), explain).code(),
            Code::kInvalidDimension);
}

TEST(Registry, RefusesUnknownTypesAndRanges) {
  IndexBench bench("registry", Metric::kDot, 3, flat_config());
  const auto code = [&](const IndexConfig& config) {
    auto index = create_ann_index(config, bench.vectors(), bench.store(), 100);
    return index.ok() ? Code::kOk : index.error().code();
  };
  IndexConfig config;
  config.type = "tree";
  EXPECT_EQ(code(config), Code::kInvalidArgument);
  config = {};
  config.m = 1;
  EXPECT_EQ(code(config), Code::kInvalidArgument);
  config = {};
  config.ef_construction = 0;
  EXPECT_EQ(code(config), Code::kInvalidArgument);
  config = {};
  config.ef_search = 0;
  EXPECT_EQ(code(config), Code::kInvalidArgument);
  EXPECT_EQ(code({}), Code::kOk);
}

}  // namespace
}  // namespace ferres
