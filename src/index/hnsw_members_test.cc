// Searches for the members of a set: the walk that keeps only them, when it gives up, and the scan.
#include <algorithm>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "index/hnsw.h"
#include "index/test_support.h"

namespace ferres {
namespace {

constexpr size_t kPoints = 3000;
constexpr uint32_t kDim = 64;

/// Admits the members, all of them or but for a few that are no longer visible.
class Members : public SlotFilter {
 public:
  void add(Slot slot) { slots_.push_back(slot); }
  void finish() {
    std::sort(slots_.begin(), slots_.end());
    for (const Slot slot : slots_)
      set_.add(slot);
  }
  void hide(Slot slot) { hidden_.insert(slot); }
  bool admits(Slot slot) const override { return set_.contains(slot) && !hidden_.contains(slot); }
  bool selective() const override { return true; }
  uint64_t matches_max() const override { return set_.size(); }
  const SlotSet* members() const override { return &set_; }

 private:
  std::vector<Slot> slots_;
  SlotSet set_;
  std::set<Slot> hidden_;
};

class HnswMembers : public ::testing::TestWithParam<Form> {
 protected:
  HnswMembers() : random_(51), bench_("members", Metric::kEuclidean, kDim, GetParam().config()) {
    std::vector<Vector> points;
    for (size_t i = 0; i < kPoints; ++i)
      points.push_back(random_vector(random_, kDim));
    bench_.add_all(points);
  }
  Vector query() { return random_vector(random_, kDim); }
  /// Members among all points; or the farthest from the query.
  Members everywhere(uint64_t one_in) {
    Members members;
    for (Slot slot = 0; slot < kPoints; ++slot) {
      if (random_.one_in(one_in)) members.add(slot);
    }
    members.finish();
    return members;
  }
  Members farthest(const Vector& query, size_t count) {
    Members members;
    const std::vector<Hit> order = bench_.nearest(query, kPoints);
    for (size_t i = kPoints - count; i < kPoints; ++i)
      members.add(order[i].slot);
    members.finish();
    return members;
  }
  size_t found(const std::vector<Hit>& hits, const Vector& query, uint32_t k,
               const Members& members) {
    size_t count = 0;
    for (const Hit& hit : bench_.nearest(query, k, members)) {
      count += std::any_of(hits.begin(), hits.end(),
                           [&](const Hit& other) { return other.slot == hit.slot; });
    }
    return count;
  }
  std::vector<Hit> scan(const Vector& query, uint32_t k, const Members& members) {
    const EpochGuard guard;
    std::vector<Hit> hits;
    const Status status = bench_.index().scan_members(query, k, *members.members(), members, hits);
    EXPECT_TRUE(status.ok()) << status.message();
    return hits;
  }

  Random random_;
  IndexBench bench_;
};

TEST_P(HnswMembers, WalkFindsThoseThatAreEverywhere) {
  size_t hits = 0;
  for (int i = 0; i < 20; ++i) {
    const Members members = everywhere(3);
    const Vector from = query();
    const Explain explain = bench_.explain(from, {10, 150, 0}, members);
    EXPECT_TRUE(explain.exhausted);
    EXPECT_EQ(explain.hits.size(), 10u);
    for (const Hit& hit : explain.hits)
      EXPECT_TRUE(members.admits(hit.slot));
    hits += found(explain.hits, from, 10, members);
  }
  EXPECT_GE(hits, 190u);
}

TEST_P(HnswMembers, WalkGivesUpWhenNoneIsNear) {
  for (int i = 0; i < 5; ++i) {
    const Vector from = query();
    EXPECT_FALSE(bench_.explain(from, {1, 1, 0}, farthest(from, kPoints / 2)).exhausted);
  }
}

TEST_P(HnswMembers, ScanFindsThemWhereverTheyAre) {
  size_t hits = 0;
  for (int i = 0; i < 20; ++i) {
    const Vector from = query();
    const Members members = i % 2 == 0 ? everywhere(5) : farthest(from, i % 4 == 1 ? 500 : 1500);
    const std::vector<Hit> got = scan(from, 10, members);
    EXPECT_EQ(got.size(), 10u);
    hits += found(got, from, 10, members);
  }
  EXPECT_GE(hits, 198u);
}

TEST_P(HnswMembers, ScanAnswersAllWhenFewMatch) {
  Members members;
  for (const Slot slot : {7u, 70u, 700u, 1u << 20})  // the last has never been
    members.add(slot);
  members.finish();
  members.hide(70);
  const std::vector<Hit> got = scan(query(), 10, members);
  std::set<Slot> slots;
  for (const Hit& hit : got)
    slots.insert(hit.slot);
  EXPECT_EQ(slots, (std::set<Slot>{7, 700}));
  EXPECT_TRUE(scan(query(), 0, members).empty());
}

TEST_P(HnswMembers, HiddenMembersDoNotShortenTheAnswer) {
  const Vector from = query();
  Members members = everywhere(2);
  for (const Hit& hit : bench_.nearest(from, 200, members))
    members.hide(hit.slot);
  EXPECT_EQ(bench_.explain(from, {10, 20, 0}, members).hits.size(), 10u);
  EXPECT_EQ(scan(from, 10, members).size(), 10u);
}

// Codes of so many dimensions have sketches, which must not rule out what is near.
TEST(HnswSketches, ScanFindsMembersUnderEveryMetric) {
  constexpr uint32_t kWide = 384;
  for (const Metric metric : {Metric::kEuclidean, Metric::kCosine, Metric::kDot}) {
    Random random(52);
    const Form form = {"sketches", GraphLayout::kFast, QuantizerSpec{.kind = "rabitq", .bits = 8}};
    IndexBench bench("sketches", metric, kWide, form.config(8, 40));
    bench.add_all(clustered(random, 100, 20, kWide, 0.7f));
    ASSERT_TRUE(dynamic_cast<const HnswIndex&>(bench.index()).space().has_bounds());
    for (const bool again : {false, true}) {
      size_t found = 0;
      for (int i = 0; i < 20; ++i) {
        Members members;
        for (Slot slot = 0; slot < 2000; ++slot) {
          if (random.one_in(3)) members.add(slot);
        }
        members.finish();
        const Vector query = random_vector(random, kWide);
        const EpochGuard guard;
        std::vector<Hit> hits;
        ASSERT_TRUE(bench.index().scan_members(query, 10, *members.members(), members, hits).ok());
        const std::vector<Hit> wanted = bench.nearest(query, 10, members);
        for (const Hit& hit : wanted) {
          found += std::any_of(hits.begin(), hits.end(),
                               [&](const Hit& other) { return other.slot == hit.slot; });
        }
      }
      EXPECT_GE(found, 199u) << "metric " << static_cast<int>(metric) << " again " << again;
      bench.checkpoint();
      bench.reopen();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, HnswMembers, ::testing::ValuesIn(all_forms()), name_of_form);

}  // namespace
}  // namespace ferres
