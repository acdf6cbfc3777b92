// The term tree against std::map: growth to several levels, erasure back to nothing, scans; and
// that space does not grow under churn.
#include "payload/term_tree.h"

#include <cstring>
#include <map>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/files.h"
#include "base/random.h"
#include "storage/page_store.h"

namespace ferres {
namespace {

constexpr uint64_t kRoot = 4;

class TermTreeTest : public ::testing::Test {
 protected:
  TermTreeTest() {
    store_ = *PageStore::open(posix_files(), ::testing::TempDir(), {.family = "index"});
    arena_ = *store_->arena({.id = 1, .name = "test"});
    EXPECT_TRUE(arena_->grow(BlockHeap::kFirstByte).ok());
    heap_ = std::make_unique<BlockHeap>(*arena_, BlockHeap::Header{});
    tree_ = std::make_unique<TermTree>(*heap_, kRoot);
  }
  void put(const TermKey& key, uint32_t word) {
    ASSERT_TRUE(tree_->put(key, word).ok());
    model_[key] = word;
    heap_->seal();
  }
  void erase(const TermKey& key) {
    ASSERT_TRUE(tree_->erase(key).ok());
    model_.erase(key);
    heap_->seal();
  }
  void expect_same(const TermKey& from, const TermKey& to) {
    auto expected = model_.lower_bound(from);
    const BlockView view(*arena_);
    TermTree::scan(view, kRoot, from, to, [&](const TermKey& key, uint32_t word) {
      EXPECT_TRUE(expected != model_.end() && expected->first == key && expected->second == word);
      if (expected != model_.end()) ++expected;
      return true;
    });
    EXPECT_FALSE(view.damaged());
    EXPECT_TRUE(expected == model_.upper_bound(to));
  }
  static constexpr TermKey kLow{0, 0};
  static constexpr TermKey kHigh{~uint64_t{0}, ~uint64_t{0}};

  std::unique_ptr<PageStore> store_;
  Arena* arena_ = nullptr;
  std::unique_ptr<BlockHeap> heap_;
  std::unique_ptr<TermTree> tree_;
  std::map<TermKey, uint32_t> model_;
};

TEST_F(TermTreeTest, HoldsWhatAMapHolds) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const uint64_t highs = seed % 2 == 0 ? 3 : 20'000;
    const auto some_key = [&] { return TermKey{random.below(highs), random.below(20'000)}; };
    for (int i = 0; i < 40'000; ++i) {
      put(some_key(), static_cast<uint32_t>(random.below(TermTree::kNone)));
      if (random.one_in(3) && !model_.empty()) {
        const auto at = model_.lower_bound(some_key());
        erase(at == model_.end() ? some_key() : TermKey{at->first});
      }
      const TermKey key = some_key();
      const auto at = model_.find(key);
      ASSERT_EQ(tree_->find(key), at == model_.end() ? TermTree::kNone : at->second);
    }
    expect_same(kLow, kHigh);
    for (int i = 0; i < 50; ++i) {
      const TermKey a = some_key();
      const TermKey b = some_key();
      expect_same(std::min(a, b), std::max(a, b));
    }
    while (!model_.empty()) {
      const auto at = model_.lower_bound(some_key());
      erase(TermKey{at == model_.end() ? model_.begin()->first : at->first});
    }
    expect_same(kLow, kHigh);
    EXPECT_EQ(heap_->used_bytes(), 0u);
  }
}

TEST_F(TermTreeTest, AKeyCostsLittleMoreThanItsBytes) {
  Random random(1);
  for (uint64_t i = 0; i < 50'000; ++i)
    put({random.next(), random.next()}, 1);
  EXPECT_LT(heap_->used_bytes(), 50'000u * 24);
  // Ascending keys, as of a clock.
  const uint64_t before = heap_->used_bytes();
  for (uint64_t i = 0; i < 50'000; ++i)
    put({uint64_t{1} << 40, i}, 1);
  EXPECT_LT(heap_->used_bytes() - before, 50'000u * 22);
}

TEST_F(TermTreeTest, SpaceIsReusedUnderChurn) {
  Random random(1);
  const auto churn = [&] {
    for (int i = 0; i < 20'000; ++i) {
      put({random.below(1000), random.below(20)}, 7);
      erase({random.below(1000), random.below(20)});
    }
  };
  churn();
  churn();
  const uint64_t end = heap_->header().end;
  for (int i = 0; i < 5; ++i)
    churn();
  EXPECT_LT(heap_->header().end, end + end / 4);
}

TEST_F(TermTreeTest, AScanUnderAGuardMeetsNoReusedBlock) {
  constexpr uint64_t kStable = 2000;
  for (uint64_t i = 0; i < kStable; ++i)
    put({i, 0}, static_cast<uint32_t>(i));
  Random random(1);
  uint64_t seen = 0;
  {
    const EpochGuard guard;
    const BlockView view(*arena_);
    TermTree::scan(view, kRoot, kLow, kHigh, [&](const TermKey& key, uint32_t word) {
      if (key.low == 0) {
        EXPECT_EQ(key.high, seen);
        EXPECT_EQ(word, seen);
        ++seen;
      }
      // The lane goes on while the scan stands in a node.
      for (int i = 0; i < 20; ++i) {
        put({random.below(kStable), 1 + random.below(9)}, 5);
        erase({random.below(kStable), 1 + random.below(9)});
      }
      return seen < kStable;
    });
    EXPECT_FALSE(view.damaged());
  }
  EXPECT_EQ(seen, kStable);
  const uint64_t end = heap_->header().end;
  for (int i = 0; i < 1000; ++i)
    erase({random.below(kStable), 1 + random.below(9)});
  EXPECT_LT(heap_->header().end, end + end / 100) << "what waited for the guard is reused";
}

TEST_F(TermTreeTest, NodesThatAreNotNodesAreReported) {
  for (uint64_t i = 0; i < 1000; ++i)
    put({i, 0}, 1);
  for (uint64_t offset = BlockHeap::kFirstByte; offset < heap_->header().end; offset += 16)
    std::memset(arena_->mutate(offset, 8), 0xFF, 8);
  const BlockView view(*arena_);
  EXPECT_EQ(TermTree::find(view, kRoot, {5, 0}), TermTree::kNone);
  EXPECT_TRUE(view.damaged());
  EXPECT_EQ(tree_->put({5, 1}, 1).code(), Code::kCorruption);
}

}  // namespace
}  // namespace ferres
