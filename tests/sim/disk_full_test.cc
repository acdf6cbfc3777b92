// A disk that fills up under a whole database: writes are refused before it is full, everything
// else goes on, also over a restart, and writes are taken again when there is room, without one.
// Without a reserve the disk fills to the last byte: what was acknowledged is there all the same.
#include <gtest/gtest.h>

#include "sim/oracle.h"
#include "sim/world.h"

namespace ferres::sim {
namespace {

constexpr uint32_t kDimension = 32;
constexpr uint64_t kIds = 1'000'000;
constexpr uint64_t kReserve = 2 << 20;

class DiskFull : public testing::TestWithParam<bool> {
 protected:
  static DatabaseOptions options(bool reserve) {
    DatabaseOptions options = small_options();
    if (reserve) options.disk_reserve_bytes = kReserve;
    return options;
  }
  void SetUp() override {
    ASSERT_TRUE(world_.open().ok());
    CollectionConfig config;
    config.name = "c";
    config.dimension = kDimension;
    config.index.m = 6;
    config.index.ef_construction = 30;
    config.retention_days = 0;
    ASSERT_TRUE(world_.database().create(config).ok());
    leave_free(4 * kReserve);
  }
  std::shared_ptr<Collection> collection() { return *world_.database().find("c"); }
  void leave_free(uint64_t bytes) { files_.set_capacity(files_.used_bytes() + bytes); }
  void second() { world_.advance_micros(1'000'000); }

  Status upsert() {
    std::vector<OraclePoint> points;
    UpsertRequest request;
    for (int i = 0; i < 100; ++i) {
      points.push_back(Maker(random_, kDimension).point(kIds));
      points.back().input.ns.reset();
      request.points.push_back(points.back().input);
    }
    const auto result = collection()->upsert(std::move(request));
    if (!result.ok()) return result.error().clone();
    for (OraclePoint& point : points) {
      point.version = result->lsn;
      point.created_micros = world_.clock().unix_micros();
      oracle_.upsert(std::move(point));
    }
    return {};
  }
  /// Until the first refusal, which must say that the disk is full.
  void fill() {
    for (int i = 0; i < 100'000; ++i) {
      if (i % 5 == 0) second();
      const Status status = upsert();
      if (status.ok()) continue;
      EXPECT_EQ(status.code(), Code::kNoSpace) << status.message();
      return;
    }
    FAIL() << "the disk was never full";
  }
  void expect_right() { EXPECT_TRUE(oracle_.equals(*collection(), world_.clock().unix_micros())); }

  const uint64_t seed_ = setting("FERRES_SEED", 1);
  Random random_{seed_};
  SimFiles files_{seed_};
  World world_{files_, seed_, options(GetParam())};
  Oracle oracle_{Metric::kCosine};
};

TEST_P(DiskFull, IsGotOver) {
  const bool reserve = GetParam();
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE("FERRES_SEED=" + std::to_string(seed_) + ", round " + std::to_string(round));
    ASSERT_NO_FATAL_FAILURE(fill());
    expect_right();
    if (reserve) {
      CollectionConfig config = collection()->config();
      config.name = "another";
      EXPECT_EQ(world_.database().create(config).error().code(), Code::kNoSpace);
      RestoreTarget target;
      target.lsn = collection()->stats().lsn;
      EXPECT_EQ(collection()->restore(target, nullptr).error().code(), Code::kNoSpace);
      // With what the reserve leaves, a delete and a checkpoint have room.
      second();
      const std::vector<std::string> ids = {"p1", "p2", "p3"};
      oracle_.remove("", ids, world_.clock().unix_micros());
      const auto removed = collection()->remove({ids, std::nullopt, false});
      EXPECT_TRUE(removed.ok()) << removed.error().message();
      const Status saved = collection()->checkpoint();
      EXPECT_TRUE(saved.ok()) << saved.message();
    }
    world_.kill();
    const Status opened = world_.open();
    ASSERT_TRUE(opened.ok()) << opened.message();
    expect_right();
    leave_free(8 * kReserve);
    second();
    for (int i = 0; i < 10; ++i) {
      const Status status = upsert();
      EXPECT_TRUE(status.ok()) << status.message();
    }
    expect_right();
  }
}

/// What the refusal advises. A drop alone keeps the files for as long as the history is kept.
TEST_P(DiskFull, EndsWhenACollectionIsPurged) {
  if (!GetParam()) GTEST_SKIP() << "nothing is refused before the disk is full";
  CollectionConfig config;
  config.name = "big";
  config.dimension = 2;
  leave_free(40 * kReserve);
  ASSERT_TRUE(world_.database().create(config).ok());
  UpsertRequest request;
  for (int i = 0; i < 1000; ++i) {
    const std::string text(10 * kReserve / 1000, 'x');
    request.points.push_back(
        {std::to_string(i), std::nullopt, {1, 2}, R"({"text":")" + text + "\"}", std::nullopt});
  }
  ASSERT_TRUE((*world_.database().find("big"))->upsert(std::move(request)).ok());
  ASSERT_TRUE(world_.close().ok());  // which cuts the log to what is in it
  ASSERT_TRUE(world_.open().ok());
  leave_free(kReserve / 2);
  second();
  EXPECT_EQ(upsert().code(), Code::kNoSpace);
  ASSERT_TRUE(world_.database().drop("big").ok());
  second();
  EXPECT_EQ(upsert().code(), Code::kNoSpace);
  ASSERT_TRUE(world_.database().drop("big", true).ok());
  second();
  const Status taken = upsert();
  EXPECT_TRUE(taken.ok()) << taken.message();
  expect_right();
}

INSTANTIATE_TEST_SUITE_P(WithAReserve, DiskFull, testing::Bool());

}  // namespace
}  // namespace ferres::sim
