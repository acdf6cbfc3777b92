// Searches and plans on several threads while the lane links and unlinks: under TSan, and checked
// for answers that could not be.
#include <atomic>
#include <deque>

#include "base/executor.h"
#include "index/test_support.h"

namespace ferres {
namespace {

constexpr size_t kSlots = 400;

/// A slot's vector says which slot it is in, so that a reader can tell a phantom.
Vector vector_of(Slot slot, uint64_t generation) {
  Random random(slot * 1000 + generation);
  Vector vector = random_vector(random, 9);
  vector[8] = static_cast<float>(slot);
  return vector;
}

class HnswThreads : public ::testing::TestWithParam<Form> {};
INSTANTIATE_TEST_SUITE_P(Forms, HnswThreads, ::testing::ValuesIn(all_forms()), name_of_form);

TEST_P(HnswThreads, SearchesBesideTheLaneFindOnlyLinkedSlots) {
  IndexBench bench("threads", Metric::kEuclidean, 9, GetParam().config(6, 30));
  // 0: free, 1: linked or being unlinked. Set before linking, cleared when no search can see it.
  std::array<std::atomic<uint8_t>, kSlots> visible{};
  std::atomic<bool> done{false};
  std::atomic<uint64_t> searches{0};

  const auto lane = [&] {
    Random random(51);
    std::vector<Slot> linked;
    std::vector<Slot> free;
    for (Slot slot = 0; slot < kSlots; ++slot)
      free.push_back(slot);
    std::deque<std::pair<uint64_t, Slot>> leaving;  // until their epoch has passed
    for (uint64_t step = 0; step < 3000; ++step) {
      while (!leaving.empty() && epoch_passed(leaving.front().first)) {
        visible[leaving.front().second] = 0;
        free.push_back(leaving.front().second);
        leaving.pop_front();
      }
      const bool grow = !free.empty() && (linked.size() < 20 || random.below(2) == 0);
      std::vector<Slot>& from = grow ? free : linked;
      if (from.empty()) continue;
      std::swap(from[random.below(from.size())], from.back());
      const Slot slot = from.back();
      from.pop_back();
      if (grow) {
        visible[slot] = 1;
        bench.add(slot, vector_of(slot, step));
        linked.push_back(slot);
      } else {
        bench.remove(slot);
        leaving.emplace_back(epoch_advance(), slot);
      }
    }
    done = true;
    EXPECT_EQ(bench.inconsistency(), "");
    EXPECT_EQ(bench.index().audit().unreachable, 0u);
  };
  const auto reader = [&](uint64_t seed) {
    Random random(seed);
    while (!done) {
      const EpochGuard guard;
      const Vector query = vector_of(static_cast<Slot>(random.below(kSlots)), seed);
      if (random.below(8) == 0) {
        EXPECT_TRUE(bench.index().plan_point(query).ok());
        continue;
      }
      std::vector<Hit> hits;
      bool exhausted = true;
      ASSERT_TRUE(bench.index().search(query, {5, 20, 0}, AdmitAll(), hits, &exhausted).ok());
      const VectorView view = bench.vectors().view();
      for (const Hit& hit : hits) {
        EXPECT_EQ(visible[hit.slot], 1);
        EXPECT_EQ(view.floats(hit.slot)[8], static_cast<float>(hit.slot));
      }
      ++searches;
    }
  };
  const std::unique_ptr<Executor> executor = make_thread_pool(3);
  executor->parallel_for(4, [&](size_t i) {
    if (i == 0)
      lane();
    else
      reader(i);
  });
  EXPECT_GT(searches, 0u);
}

}  // namespace
}  // namespace ferres
