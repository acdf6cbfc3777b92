// Incoming lists against plain vectors, through growth, removal and reuse of their runs.
#include "index/in_lists.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/random.h"
#include "index/test_support.h"

namespace ferres {
namespace {

TEST(InLists, KeepWhatVectorsKeep) {
  constexpr uint64_t kSeed = 61;
  constexpr size_t kLists = 20;
  Random random(kSeed);
  IndexBench bench("in_lists", Metric::kDot, 3);
  ArenaSpec spec;
  spec.id = 100;
  spec.name = "test";
  Arena* const arena = *bench.store().arena(spec);
  InLists lists(arena);
  InListsHeader header;
  std::array<BlockHead, kLists> heads;
  std::array<std::vector<uint32_t>, kLists> shadows;
  for (int step = 0; step < 50000; ++step) {
    const size_t at = random.below(kLists);
    std::vector<uint32_t>& shadow = shadows[at];
    const uint64_t action = random.below(1000);
    if (action == 0) {
      lists.clear(heads[at], header);
      shadow.clear();
    } else if (action < 400 && !shadow.empty()) {
      const uint32_t value = shadow[random.below(shadow.size())];
      ASSERT_TRUE(lists.drop(heads[at], value));
      shadow.erase(std::find(shadow.begin(), shadow.end(), value));
    } else {
      const auto value = static_cast<uint32_t>(random.below(1000000));
      ASSERT_TRUE(lists.push(heads[at], header, value).ok());
      shadow.push_back(value);
    }
    ASSERT_FALSE(lists.drop(heads[at], 2000000));
    const std::span<const uint32_t> list = lists.list(heads[at]);
    std::vector<uint32_t> sorted(list.begin(), list.end());
    std::vector<uint32_t> expected = shadow;
    std::sort(sorted.begin(), sorted.end());
    std::sort(expected.begin(), expected.end());
    ASSERT_EQ(sorted, expected) << "seed " << kSeed << " step " << step;
  }
}

TEST(InLists, SizesGrowAndRunsAreReused) {
  for (uint32_t c = 1; c + 4 < kInListClasses; ++c)
    EXPECT_GT(InLists::class_words(c), InLists::class_words(c - 1));
  IndexBench bench("in_lists_reuse", Metric::kDot, 3);
  ArenaSpec spec;
  spec.id = 100;
  spec.name = "test";
  InLists lists(*bench.store().arena(spec));
  InListsHeader header;
  BlockHead head;
  const auto fill = [&] {
    for (uint32_t i = 0; i < 1000; ++i)
      ASSERT_TRUE(lists.push(head, header, i).ok());
    lists.clear(head, header);
  };
  fill();
  const uint32_t end = header.end;
  for (int i = 0; i < 5; ++i)
    fill();
  EXPECT_EQ(header.end, end);
}

TEST(InLists, NonsenseFromDiskIsAnEmptyList) {
  IndexBench bench("in_lists_damage", Metric::kDot, 3);
  ArenaSpec spec;
  spec.id = 100;
  spec.name = "test";
  InLists lists(*bench.store().arena(spec));
  InListsHeader header;
  BlockHead head;
  ASSERT_TRUE(lists.push(head, header, 5).ok());
  BlockHead far = head;
  far.incoming.place = 0x7FFFFFFF;
  EXPECT_TRUE(lists.list(far).empty());
  EXPECT_FALSE(lists.drop(far, 5));
  far = head;
  far.size_class = 60000;
  EXPECT_TRUE(lists.list(far).empty());
  far = head;
  far.incoming.count = 0xFFFFFFFF;
  EXPECT_EQ(lists.list(far).size(), InLists::class_words(0));
  header.free[0] = 0x7FFFFFFF;
  BlockHead fresh;
  ASSERT_TRUE(lists.push(fresh, header, 9).ok());
  EXPECT_EQ(lists.list(fresh)[0], 9u);
}

}  // namespace
}  // namespace ferres
