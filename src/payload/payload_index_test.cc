// What the payload index costs, where its limits are, and what it does about damage. That its
// answers are right is payload_random_test.cc's.
#include "payload/payload_index.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/sim_files.h"

namespace ferres {
namespace {

class PayloadIndexTest : public ::testing::Test {
 protected:
  PayloadIndexTest() : files_(1) {
    EXPECT_TRUE(files_.make_dirs("/p").ok());
    open();
  }
  void open() {
    index_.reset();
    auto store = PageStore::open(files_, "/p", manifest_);
    ASSERT_TRUE(store.ok()) << store.error().message();
    store_ = *std::move(store);
    auto index = PayloadIndex::open(*store_, 4);
    ASSERT_TRUE(index.ok()) << index.error().message();
    index_ = *std::move(index);
  }
  void save() {
    ASSERT_TRUE(index_->save().ok());
    store_->begin_checkpoint();
    manifest_ = *store_->write_checkpoint();
    store_->commit_checkpoint();
  }
  std::shared_ptr<const PayloadIndex::Answer> ask(const std::string& filter,
                                                  std::string_view ns = {}) {
    const auto predicate = Predicate::parse(filter);
    EXPECT_TRUE(predicate.ok()) << filter;
    const EpochGuard guard;
    return index_->evaluate(&*predicate, ns);
  }
  /// Slots that match for certain; ~0 when some are unsure.
  uint64_t sure(const std::string& filter, std::string_view ns = {}) {
    const auto answer = ask(filter, ns);
    if (!answer || !answer->matches.unsure.empty()) return ~uint64_t{0};
    return answer->matches.slots.size();
  }

  SimFiles files_;
  StoreManifest manifest_{.family = "index"};
  std::unique_ptr<PageStore> store_;
  std::unique_ptr<PayloadIndex> index_;
};

TEST_F(PayloadIndexTest, AnEmptyOneAnswersNothing) {
  EXPECT_EQ(sure(R"({"a":1})"), 0u);
  EXPECT_EQ(sure(R"({"a":{"$ne":1}})"), 0u);
  EXPECT_TRUE(index_->needs_filling());
}

TEST_F(PayloadIndexTest, ComesBackWithoutBeingFilled) {
  for (Slot slot = 0; slot < 1000; ++slot)
    index_->add(slot, slot % 2 == 0 ? "even" : "", fmt::format(R"({{"n":{}}})", slot % 10));
  save();
  open();
  EXPECT_FALSE(index_->needs_filling());
  EXPECT_EQ(sure(R"({"n":3})"), 100u);
  EXPECT_EQ(sure(R"({"n":{"$lt":4}})", "even"), 200u);
  index_->remove(3, "", R"({"n":3})");
  index_->remove(3, "", R"({"n":3})");
  EXPECT_EQ(sure(R"({"n":3})"), 99u);
}

TEST_F(PayloadIndexTest, WhatIsAskedAgainIsKeptUntilTheNextChange) {
  for (Slot slot = 0; slot < 1000; ++slot)
    index_->add(slot, slot % 2 == 0 ? "even" : "", fmt::format(R"({{"n":{}}})", slot % 10));
  const std::string filter = R"({"n":{"$lt":4}})";
  for (const char* ns : {"", "even"}) {
    const uint64_t matches = *ns == 0 ? 400 : 200;
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(sure(filter, ns), matches);
    EXPECT_EQ(ask(filter, ns), ask(filter, ns));  // the same object
  }
  index_->add(1000, "even", R"({"n":3})");
  EXPECT_EQ(sure(filter), 401u);
  EXPECT_EQ(sure(filter, "even"), 201u);
  index_->remove(0, "even", R"({"n":0})");
  EXPECT_EQ(sure(filter), 400u);
  EXPECT_EQ(sure(filter, "even"), 200u);
}

TEST_F(PayloadIndexTest, UniqueAndSharedValuesCostLittle) {
  constexpr Slot kPoints = 100'000;
  const auto cost = [&](const std::function<std::string(Slot)>& value) {
    manifest_ = {.family = "index"};
    open();
    for (Slot slot = 0; slot < kPoints; ++slot)
      index_->add(slot, "", fmt::format(R"({{"f":{}}})", value(slot)));
    return static_cast<double>(index_->memory_bytes()) / kPoints;
  };
  EXPECT_LE(cost([](Slot slot) { return fmt::format("\"a string {}\"", slot); }), 32);
  EXPECT_LE(cost([](Slot slot) { return fmt::format("{}", slot * 0.37); }), 32);
  EXPECT_LE(cost([](Slot slot) { return fmt::format("\"{}\"", slot % 45); }), 8);
  EXPECT_LE(cost([](Slot slot) { return slot % 3 == 0 ? "true" : "null"; }), 8);
}

TEST_F(PayloadIndexTest, AFieldBeyondItsLimitIsLeftToTheDocumentsForGood) {
  index_->set_limit(100'000);
  for (Slot slot = 0; slot < 10'000; ++slot)
    index_->add(slot, "", fmt::format(R"({{"id":"{}","half":{}}})", slot, slot % 2));
  EXPECT_EQ(index_->dropped(), 1u);
  EXPECT_EQ(index_->fields(), 2u);
  EXPECT_EQ(sure(R"({"half":1})"), 5000u);
  EXPECT_EQ(ask(R"({"id":"7"})")->matches.unsure.size(), 10'000u);
  EXPECT_EQ(ask(R"({"id":"7","half":1})")->matches.unsure.size(), 5000u);
  EXPECT_EQ(sure(R"({"id":{"$exists":false}})"), 0u);
  save();
  open();
  EXPECT_EQ(index_->dropped(), 1u);
  EXPECT_EQ(ask(R"({"id":"7"})")->matches.unsure.size(), 10'000u);
  EXPECT_LT(index_->memory_bytes(), 400'000u);
}

TEST_F(PayloadIndexTest, FieldsBeyondTheNumberOfFieldsAreUnknownAndTheOthersExact) {
  index_->add(0, "", R"({"common":1})");
  for (Slot slot = 1; slot <= 1100; ++slot)
    index_->add(slot, "", fmt::format(R"({{"common":1,"f{}":{{"x":1}}}})", slot));
  EXPECT_EQ(index_->fields(), PayloadIndex::kFieldsMax - 1);
  EXPECT_EQ(sure(R"({"common":1})"), 1101u);
  EXPECT_EQ(sure(R"({"f7.x":1})"), 1u);
  EXPECT_EQ(ask(R"({"f1100.x":1})")->matches.unsure.size(), 1101u);
}

TEST_F(PayloadIndexTest, DocumentsThatNamesCannotDescribeAreAsked) {
  index_->add(0, "", R"({"a":{"b":1}})");
  index_->add(1, "", R"({"a.b":2,"a":{"b":1}})");
  index_->add(2, "", R"({"c":1,"c":2})");
  const auto answer = ask(R"({"a.b":1})");
  EXPECT_TRUE(answer->matches.slots.contains(0));
  EXPECT_FALSE(answer->matches.unsure.contains(0));
  EXPECT_TRUE(answer->matches.unsure.contains(1));
  EXPECT_TRUE(answer->matches.unsure.contains(2));
  std::string deep = "1";
  for (int i = 0; i < 40; ++i)
    deep = R"({"x":)" + deep + "}";
  std::string wide = "0";
  for (int i = 1; i < 5000; ++i)
    wide += "," + std::to_string(i);
  index_->add(3, "", deep);
  index_->add(4, "", R"({"w":[)" + wide + "]}");
  EXPECT_EQ(ask(R"({"x":1})")->matches.unsure.size(), 4u);
  index_->remove(3, "", deep);
  EXPECT_EQ(ask(R"({"x":1})")->matches.unsure.size(), 3u);
}

TEST_F(PayloadIndexTest, WhichOfSeveralValuesItWasOnlyTheDocumentKnows) {
  index_->add(0, "", R"({"o":[{"t":["a"]},{"t":["b"]}]})");
  index_->add(1, "", R"({"o":[{"t":["a","b"]}]})");
  const auto all = ask(R"({"o.t":{"$all":["a","b"]}})");
  EXPECT_TRUE(all->matches.unsure.contains(0));
  EXPECT_TRUE(all->matches.slots.contains(1) && !all->matches.unsure.contains(1));
  // Each bound may be met by another element.
  index_->add(2, "", R"({"n":[1,9]})");
  index_->add(3, "", R"({"n":5})");
  EXPECT_EQ(sure(R"({"n":{"$gt":3,"$lt":6}})"), 2u);
  index_->remove(2, "", R"({"n":[1,9]})");
  EXPECT_EQ(sure(R"({"n":{"$gt":3,"$lt":6}})"), 1u);
  index_->add(4, "", R"({"m":[{"n":1},{"n":9}]})");
  EXPECT_EQ(sure(R"({"m.n":{"$gt":3,"$lt":6}})"), 1u);
}

TEST_F(PayloadIndexTest, PlacesAtTheEdgeOfTheWorldAreFound) {
  index_->add(0, "", R"({"at":{"lat":90,"lon":17}})");
  index_->add(1, "", R"({"at":{"lat":0,"lon":180}})");
  index_->add(2, "", R"({"at":{"lat":0,"lon":-179.9999}})");
  index_->add(3, "", R"({"at":[{"lat":52.5,"lon":13.4},{"lat":-33.9,"lon":151.2}]})");
  const auto circle = [&](const char* text) {
    return sure(fmt::format(R"({{"at":{{"$geo_radius":{}}}}})", text));
  };
  EXPECT_EQ(circle(R"({"lat":90,"lon":-100,"meters":1000})"), 1u);
  EXPECT_EQ(circle(R"({"lat":0,"lon":179.99,"meters":2000})"), 2u);
  EXPECT_EQ(circle(R"({"lat":-33.9,"lon":151.0,"meters":50000})"), 1u);
  EXPECT_EQ(circle(R"({"lat":0,"lon":0,"meters":30000000})"), 4u);
  EXPECT_EQ(sure(R"({"at":{"$geo_box":{"top_left":{"lat":1,"lon":170},
                                        "bottom_right":{"lat":-1,"lon":-170}}}})"),
            2u);
}

TEST_F(PayloadIndexTest, AFlippedBitVoidsTheAnswerAndIsReported) {
  for (Slot slot = 0; slot < 30'000; ++slot)
    index_->add(slot, "", fmt::format(R"({{"id":"{}"}})", slot));
  save();
  index_.reset();
  store_.reset();
  const auto names = *files_.list("/p");
  ASSERT_EQ(names.size(), 1u);
  uint64_t void_answers = 0;
  for (uint64_t byte = 70'000; byte < 400'000; byte += 50'000)
    ASSERT_TRUE(files_.flip_bit("/p/" + names[0], byte * 8).ok());
  open();
  for (Slot slot = 0; slot < 30'000; slot += 500) {
    const auto answer = ask(fmt::format(R"({{"id":"{}"}})", slot));
    void_answers += answer != nullptr ? 0 : 1;
    if (answer) {
      EXPECT_TRUE(answer->matches.slots.contains(slot)) << slot;
    }
  }
  EXPECT_GT(void_answers, 0u);
  EXPECT_EQ(store_->damage().code(), Code::kCorruption);
  index_->add(30'000, "", R"({"id":"x"})");  // the lane meets it too, and lives
}

}  // namespace
}  // namespace ferres
