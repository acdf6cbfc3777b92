// Cuts the power at every call that changes the disk during a run of 2 000 operations, with three
// ideas of what a disk keeps (base/sim_files.h), opens what is left, and asks whether everything
// acknowledged is there, nothing deleted came back and nothing was made up. One run serves all
// cuts: before each call the disk is copied as a cut would leave it. Some cuts are followed by
// another during recovery. A sample of the calls by default; FERRES_SWEEP=1 takes every one,
// FERRES_SWEEP=n one in n. FERRES_SEED and FERRES_OPS as elsewhere.
#include <gtest/gtest.h>

#include "sim/trace.h"
#include "sim/world.h"

namespace ferres::sim {
namespace {

constexpr TearMode kModes[] = {TearMode::kDropUnsynced, TearMode::kReorder, TearMode::kPrefix};

DatabaseOptions quiet_options(bool isolated) {
  DatabaseOptions options = small_options();
  options.collection.background = false;
  options.collection.isolate_namespaces = isolated;
  return options;
}

class PowerCut {
 public:
  PowerCut(uint64_t seed, uint64_t one_in, bool isolated)
      : seed_(seed),
        one_in_(one_in),
        isolated_(isolated),
        random_(seed ^ 0xC0FFEE),
        files_(seed),
        world_(files_, seed, quiet_options(isolated)),
        trace_(world_, seed) {}

  void run(uint64_t operations) {
    files_.on_operation([this](uint64_t index) {
      if (!testing::Test::HasFailure() && random_.below(one_in_) == 0) cut(index);
    });
    const Status status = world_.open();
    ASSERT_TRUE(status.ok()) << status.message();
    trace_.start();
    for (uint64_t i = 0; i < operations && !testing::Test::HasFailure(); ++i)
      trace_.step();
    files_.on_operation(nullptr);
    ASSERT_FALSE(testing::Test::HasFailure());
    const Status closed = world_.close();
    ASSERT_TRUE(closed.ok()) << closed.message();
  }

  uint64_t calls() const { return files_.operation_count(); }
  uint64_t cuts() const { return cuts_; }

 private:
  void cut(uint64_t index) {
    for (const TearMode mode : kModes) {
      const uint64_t seed = seed_ + index * 3 + static_cast<uint64_t>(mode);
      SCOPED_TRACE("power cut before call " + std::to_string(index) + ", tear mode " +
                   std::to_string(static_cast<int>(mode)) +
                   ", FERRES_SEED=" + std::to_string(seed_));
      const std::unique_ptr<SimFiles> disk = files_.after_crash(mode, seed);
      Random random(seed);
      if (random.one_in(4)) cut_recovery(*disk, seed, random);
      examine(*disk, seed, random);
      ++cuts_;
    }
  }

  /// A second cut while the first is being recovered from.
  void cut_recovery(SimFiles& disk, uint64_t seed, Random& random) {
    disk.cut_power_at(1 + random.below(40));
    // Some are cut while namespaces are brought into the other form, too.
    World world(disk, seed, quiet_options(isolated_ != random.one_in(3)),
                world_.clock().unix_micros());
    const Status opened = world.open();  // it may even have come to its end
    if (opened.ok()) world.database().checkpoint_all().ignore();
    disk.cut_power();
    world.kill();
    disk.crash(kModes[random.below(3)]);
  }

  void examine(SimFiles& disk, uint64_t seed, Random& random) {
    World world(disk, seed, quiet_options(isolated_ != random.one_in(6)),
                world_.clock().unix_micros());
    const Status status = world.open();
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_TRUE(trace_.explains(world));
    if (!random.one_in(4)) return;
    EXPECT_TRUE(Trace::takes_writes(world));
    const Status saved = world.database().checkpoint_all();
    EXPECT_TRUE(saved.ok()) << saved.message();
    disk.cut_power();
    world.kill();
    disk.crash(TearMode::kDropUnsynced);
    const Status again = world.open();
    ASSERT_TRUE(again.ok()) << again.message();
    for (const auto& collection : world.database().list()) {
      EXPECT_TRUE(collection->get("after", std::nullopt).ok());
    }
  }

  const uint64_t seed_;
  const uint64_t one_in_;
  const bool isolated_;  // namespaces
  Random random_;        // which calls
  SimFiles files_;
  World world_;
  Trace trace_;
  uint64_t cuts_ = 0;
};

class PowerCutTest : public testing::TestWithParam<bool> {};

TEST_P(PowerCutTest, NothingAcknowledgedIsLost) {
  const uint64_t seed = setting("FERRES_SEED", 1);
  PowerCut test(seed, setting("FERRES_SWEEP", 10), GetParam());
  test.run(setting("FERRES_OPS", 2000));
  std::cout << test.cuts() << " power cuts in a run of " << test.calls()
            << " calls that change the disk\n";
  EXPECT_GT(test.cuts(), 0u);
}

INSTANTIATE_TEST_SUITE_P(NamespacesIsolated, PowerCutTest, testing::Bool());

}  // namespace
}  // namespace ferres::sim
