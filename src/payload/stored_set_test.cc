// Stored sets against std::set through all their forms: one slot, a short list, chunks as lists and
// bitmaps, and back.
#include "payload/stored_set.h"

#include <set>

#include <gtest/gtest.h>

#include "base/files.h"
#include "base/random.h"
#include "storage/page_store.h"

namespace ferres {
namespace {

class StoredSetTest : public ::testing::Test {
 protected:
  StoredSetTest() {
    store_ = *PageStore::open(posix_files(), ::testing::TempDir(), {.family = "index"});
    arena_ = *store_->arena({.id = 1, .name = "test"});
    heap_ = std::make_unique<BlockHeap>(*arena_, BlockHeap::Header{});
    sets_ = std::make_unique<StoredSets>(*heap_);
  }
  void add(Slot slot) {
    auto word = sets_->add(word_, slot);
    ASSERT_TRUE(word.ok()) << word.error().message();
    word_ = *word;
    model_.insert(slot);
    heap_->seal();
  }
  void remove(Slot slot) {
    auto word = sets_->remove(word_, slot);
    ASSERT_TRUE(word.ok()) << word.error().message();
    word_ = *word;
    model_.erase(slot);
    heap_->seal();
  }
  void expect_same() {
    const BlockView view(*arena_);
    SlotSet read;
    StoredSets::read(view, word_, read);
    SlotSet expected;
    for (const Slot slot : model_)
      expected.add(slot);
    EXPECT_FALSE(view.damaged());
    ASSERT_EQ(read.size(), model_.size());
    EXPECT_TRUE(read == expected);
    std::vector<Slot> members;
    StoredSets::append(view, word_, members);
    EXPECT_EQ(members, std::vector<Slot>(model_.begin(), model_.end()));
  }

  std::unique_ptr<PageStore> store_;
  Arena* arena_ = nullptr;
  std::unique_ptr<BlockHeap> heap_;
  std::unique_ptr<StoredSets> sets_;
  uint32_t word_ = StoredSets::kEmpty;
  std::set<Slot> model_;
};

TEST_F(StoredSetTest, HoldsWhatASetHoldsInEveryForm) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    constexpr uint64_t kSpaces[] = {100, 9000, 200'000, ~uint64_t{0} >> 33};
    const uint64_t space = kSpaces[seed % 4];
    const Slot base = random.one_in(3) ? 0x90000000u : 0;  // beyond what a word holds inline
    const auto some = [&] { return static_cast<Slot>(base + random.below(space)); };
    const int steps = space == 9000 ? 60'000 : 20'000;
    for (int i = 0; i < steps; ++i) {
      // Grow, then shrink.
      if (random.below(10) < (i < steps / 2 ? 8u : 2u)) {
        add(some());
      } else if (!model_.empty()) {
        const auto at = model_.lower_bound(some());
        remove(at == model_.end() ? *model_.begin() : *at);
      }
      const Slot asked = some();
      ASSERT_EQ(StoredSets::contains(BlockView(*arena_), word_, asked), model_.contains(asked));
      if (i % 500 == 0) expect_same();
    }
    while (!model_.empty())
      remove(*model_.begin());
    EXPECT_EQ(word_, StoredSets::kEmpty);
    EXPECT_EQ(heap_->used_bytes(), 0u);
  }
}

TEST_F(StoredSetTest, AscendingSlotsFillWholeChunks) {
  for (Slot slot = 0; slot < 150'000; ++slot)
    add(slot);
  expect_same();
  EXPECT_LT(heap_->used_bytes(), 3 * 8192 + 200u);
  ASSERT_TRUE(sets_->release(word_).ok());
  EXPECT_EQ(heap_->used_bytes(), 0u);
}

TEST_F(StoredSetTest, RepeatedChangesChangeNothing) {
  for (const Slot slot : {7u, 9u, 70'000u}) {
    add(slot);
    add(slot);
    remove(8);
  }
  expect_same();
  remove(9);
  remove(9);
  expect_same();
}

}  // namespace
}  // namespace ferres
