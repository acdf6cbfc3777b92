// What a catalog's records say, and which it refuses; the log below them is tested in storage/.
#include "db/catalog.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

constexpr uint8_t kCreate = 1;
constexpr uint8_t kDrop = 2;
constexpr uint8_t kChange = 3;
constexpr uint8_t kPurge = 4;

class CatalogTest : public ::testing::Test {
 protected:
  static CollectionConfig config(const std::string& name, char uuid) {
    CollectionConfig config;
    config.name = name;
    config.uuid = std::string(32, uuid);
    config.dimension = 2;
    return config;
  }
  Status apply(uint8_t op, const std::string& payload) {
    ++lsn_;
    return state_.apply({lsn_, 10 * lsn_, op, as_bytes(payload)});
  }
  Status create(const CollectionConfig& config) { return apply(kCreate, encode_config(config)); }

  CatalogState state_;
  Lsn lsn_ = 0;
};

TEST_F(CatalogTest, ADropKeepsWhatItWasUntilThePurge) {
  const CollectionConfig a = config("a", '1');
  ASSERT_TRUE(create(a).ok());
  ASSERT_TRUE(create(config("b", '2')).ok());
  ASSERT_TRUE(apply(kDrop, a.uuid).ok());
  EXPECT_EQ(state_.collections().size(), 1u);
  ASSERT_EQ(state_.dropped().count(a.uuid), 1u);
  EXPECT_EQ(state_.dropped().at(a.uuid).config.name, "a");
  EXPECT_EQ(state_.dropped().at(a.uuid).config.uuid, a.uuid);
  EXPECT_EQ(state_.dropped().at(a.uuid).unix_micros, 30u);
  ASSERT_EQ(state_.lives(a.uuid).size(), 1u);
  EXPECT_EQ(state_.lives(a.uuid)[0].from_micros, 10u);
  EXPECT_EQ(state_.lives(a.uuid)[0].to_micros, 30u);
  ASSERT_TRUE(apply(kPurge, a.uuid).ok());
  EXPECT_TRUE(state_.dropped().empty());
  EXPECT_EQ(state_.purged().count(a.uuid), 1u);
}

TEST_F(CatalogTest, OneThatIsCreatedAgainHasTwoLives) {
  const CollectionConfig a = config("a", '1');
  ASSERT_TRUE(create(a).ok());
  ASSERT_TRUE(apply(kDrop, a.uuid).ok());
  ASSERT_TRUE(create(a).ok());
  EXPECT_TRUE(state_.dropped().empty());
  EXPECT_EQ(state_.lives(a.uuid).size(), 2u);
  ASSERT_TRUE(apply(kDrop, a.uuid).ok());
  EXPECT_EQ(state_.lives(a.uuid)[0].to_micros, 20u);
  EXPECT_EQ(state_.lives(a.uuid)[1].to_micros, 40u);
}

TEST_F(CatalogTest, RecordsThatDoNotFitAreRefused) {
  const CollectionConfig a = config("a", '1');
  EXPECT_EQ(apply(kChange, encode_config(a)).code(), Code::kCorruption);
  ASSERT_TRUE(create(a).ok());
  EXPECT_EQ(apply(kPurge, a.uuid).code(), Code::kCorruption);  // it was not dropped
  EXPECT_EQ(apply(9, "").code(), Code::kUnimplemented);
  EXPECT_TRUE(apply(kDrop, a.uuid).ok());
  EXPECT_TRUE(apply(kDrop, a.uuid).ok());  // of what is not there: nothing to do
}

}  // namespace
}  // namespace ferres
