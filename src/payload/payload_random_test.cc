// The payload index against the evaluation of every document, under random documents and filters,
// updates, deletions and restarts from a simulated disk. A failure prints its seed; FERRES_SEED=n
// runs that one alone, FERRES_ROUNDS=n more or fewer seeds than 100.
#include <map>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/sim_files.h"
#include "base/test_settings.h"
#include "payload/payload_index.h"
#include "payload/test_payload.h"

namespace ferres {
namespace {

struct Document {
  std::string ns;
  std::string json;
};

class World {
 public:
  explicit World(uint64_t seed) : random_(seed), documents_(random_), files_(seed) {
    EXPECT_TRUE(files_.make_dirs("/p").ok());
    open();
  }

  void put() {
    const Slot slot = random_.below(random_.one_in(5) ? 400'000 : 300);
    remove(slot);
    Document& document = points_[slot];
    document.json = documents_.document();
    if (random_.one_in(3)) document.ns = random_.one_in(2) ? "north" : "south";
    index_->add(slot, document.ns, document.json);
  }
  void remove_any() {
    if (points_.empty()) return;
    const auto at = points_.lower_bound(random_.below(300));
    if (at != points_.end()) remove(Slot{at->first});
  }
  void reopen() {
    ASSERT_TRUE(index_->save().ok());
    store_->begin_checkpoint();
    auto manifest = store_->write_checkpoint();
    ASSERT_TRUE(manifest.ok()) << manifest.error().message();
    store_->commit_checkpoint();
    manifest_ = *std::move(manifest);
    open();
    ASSERT_EQ(index_->needs_filling(), points_.empty() && !filled_);
  }
  void query() {
    const std::string text = documents_.filter();
    const auto filter = Predicate::parse(text);
    ASSERT_TRUE(filter.ok()) << text << ": " << filter.error().message();
    const std::string ns = random_.one_in(5) ? "north" : "";
    const EpochGuard guard;
    const auto answer = index_->evaluate(&*filter, ns);
    ASSERT_NE(answer, nullptr);
    for (const auto& [slot, document] : points_) {
      const bool expected = filter->matches(document.json) &&
                            (ns.empty() || !answer->namespace_sure || document.ns == ns);
      const bool found = answer->matches.slots.contains(slot);
      const bool unsure = answer->matches.unsure.contains(slot);
      ASSERT_TRUE(unsure ? found : found == expected)
          << text << " on " << document.json << ": found " << found << ", unsure " << unsure
          << ", expected " << expected;
      found_ += found;
      unsure_ += unsure;
    }
    SlotSet outside = answer->matches.slots;
    for (const auto& [slot, document] : points_) {
      SlotSet one;
      one.add(slot);
      outside -= one;
    }
    ASSERT_TRUE(outside.empty()) << text << " finds slots that nobody added";
  }
  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFatalFailure(); ++i) {
      for (uint64_t n = random_.below(4); n > 0; --n)
        put();
      filled_ = filled_ || !points_.empty();
      if (random_.one_in(3)) remove_any();
      if (random_.one_in(100)) reopen();
      query();
    }
  }
  void set_limit(uint64_t bytes) { limit_ = bytes; }
  uint32_t dropped() const { return index_->dropped(); }
  uint64_t found() const { return found_; }
  uint64_t unsure() const { return unsure_; }

 private:
  void open() {
    index_.reset();
    auto store = PageStore::open(files_, "/p", manifest_);
    ASSERT_TRUE(store.ok()) << store.error().message();
    store_ = *std::move(store);
    auto index = PayloadIndex::open(*store_, 4);
    ASSERT_TRUE(index.ok()) << index.error().message();
    index_ = *std::move(index);
    index_->set_limit(limit_);
  }
  void remove(Slot slot) {
    const auto at = points_.find(slot);
    if (at == points_.end()) return;
    index_->remove(slot, at->second.ns, at->second.json);
    points_.erase(at);
  }

  Random random_;
  RandomDocuments documents_;
  SimFiles files_;
  StoreManifest manifest_{.family = "index"};
  std::unique_ptr<PageStore> store_;
  std::unique_ptr<PayloadIndex> index_;
  std::map<Slot, Document> points_;
  bool filled_ = false;
  uint64_t limit_ = 64 << 20;
  uint64_t found_ = 0;
  uint64_t unsure_ = 0;
};

TEST(PayloadRandom, AnswersAsTheDocumentsDo) {
  uint64_t found = 0;
  uint64_t unsure = 0;
  // A sanitizer takes twenty times as long: it sees a share.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr uint64_t kRounds = 10;
#else
  constexpr uint64_t kRounds = 100;
#endif
  const auto [first, last] = seeds(setting("FERRES_ROUNDS", kRounds));
  for (uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("FERRES_SEED=" + std::to_string(seed));
    World world(seed);
    world.run(1000);
    if (HasFatalFailure()) return;
    found += world.found();
    unsure += world.unsure();
  }
  // Irregular documents and the operators without an index are a small part by construction.
  EXPECT_LT(unsure, found / 4) << unsure << " of " << found << " were left to the documents";
}

TEST(PayloadRandom, AnswersWhenValuesOutgrowTheLimit) {
  uint32_t dropped = 0;
  const auto [first, last] = seeds(10);
  for (uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("FERRES_SEED=" + std::to_string(seed));
    World world(seed);
    world.set_limit(4000 + 2000 * (seed % 16));
    world.reopen();
    world.run(500);
    if (HasFatalFailure()) return;
    dropped += world.dropped();
  }
  EXPECT_GT(dropped, last - first);
}

}  // namespace
}  // namespace ferres
