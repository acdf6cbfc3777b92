// One call to the disk fails: the first, the second, ... until a run ends without meeting the
// fault. Whatever fails, answers are clear errors, what was acknowledged stays readable unless the
// answer says otherwise, and after opening again everything acknowledged is there. A write or a
// restore that was refused may or may not have happened. FERRES_SEED sets the run, FERRES_SWEEP=n
// takes one call in n.
#include <map>

#include <gtest/gtest.h>

#include "sim/oracle.h"
#include "sim/world.h"

namespace ferres::sim {
namespace {

constexpr uint32_t kDimension = 8;
constexpr uint64_t kIds = 12;

/// What a point may be: the acknowledged state, or one that a failed write asked for since.
using States = std::vector<std::optional<PointInput>>;

class FaultRun {
 public:
  FaultRun(uint64_t seed, uint64_t n, FaultKind kind)
      : files_(seed), world_(files_, seed, options()), random_(seed), n_(n), kind_(kind) {}

  /// Whether the fault was met.
  bool run() {
    files_.fail_at(n_, kind_);
    world_.isolate_namespaces(random_.one_in(2));
    if (clear(world_.open())) {
      for (int i = 0; i < 40; ++i)
        step(i);
      read_all();
      clear(world_.close());
    }
    // The other form of namespaces.
    world_.kill();
    world_.isolate_namespaces(!world_.isolates_namespaces());
    if (clear(world_.open())) {
      read_all();
      clear(world_.close());
    }
    const bool fired = files_.fault_fired();
    world_.kill();
    files_.clear_fault();
    reopen();
    return fired;
  }

 private:
  static DatabaseOptions options() {
    DatabaseOptions options = small_options();
    options.collection.background = false;
    options.collection.flat_points_max = 5;
    return options;
  }

  /// Whether the call went well. If not, it must say something of use.
  bool clear(const Status& status) {
    if (status.ok()) return true;
    EXPECT_FALSE(status.message().empty());
    EXPECT_TRUE(status.code() == Code::kIo || status.code() == Code::kNoSpace ||
                status.code() == Code::kUnavailable || status.code() == Code::kCorruption)
        << static_cast<int>(status.code()) << ": " << status.message();
    EXPECT_TRUE(files_.fault_fired()) << "an error before the fault: " << status.message();
    return false;
  }

  std::shared_ptr<Collection> collection() {
    auto found = world_.database().find("c");
    if (found.ok()) {
      created_ = true;
      return *found;
    }
    if (found.error().code() != Code::kNotFound) {
      clear(found.error().clone());
      return nullptr;
    }
    EXPECT_FALSE(created_) << "the collection is gone";
    CollectionConfig config;
    config.name = "c";
    config.dimension = kDimension;
    config.index.m = 4;
    config.index.ef_construction = 20;
    config.index.layout = GraphLayout::kFast;
    config.index.quantizer = QuantizerSpec{.kind = "rabitq", .bits = 8};
    config.vectors.residency = Residency::kDisk;
    if (n_ % 2 == 0) config.retention_days = 0;
    auto made = world_.database().create(config);
    if (!made.ok()) {
      clear(made.error().clone());
      return nullptr;
    }
    created_ = true;
    return *made;
  }

  void step(int index) {
    world_.clock().advance_micros(1000);
    const auto open = collection();
    if (open == nullptr) return;
    if (index % 6 == 5) {
      replace_side();
    } else if (index % 13 == 12) {
      clear(open->checkpoint());
    } else if (index % 17 == 16) {
      clear(open->link_all());
    } else if (index % 10 == 9) {
      restore(*open);
    } else if (random_.one_in(4)) {
      remove(*open);
    } else {
      upsert(*open);
    }
    if (index % 8 == 7) read_all();
  }

  /// Drops and creates a second collection; each time it holds one point, named for the time.
  void replace_side() {
    auto found = world_.database().find("side");
    if (found.ok()) {
      side_ = Side::kUnsure;
      if (!clear(world_.database().drop("side"))) return;
      side_ = Side::kAbsent;
    } else if (found.error().code() != Code::kNotFound) {
      clear(found.error().clone());
      return;
    }
    EXPECT_NE(side_, Side::kPresent) << "the second collection is gone";
    CollectionConfig config;
    config.name = "side";
    config.dimension = kDimension;
    side_ = Side::kUnsure;
    side_point_ = "time " + std::to_string(++side_times_);
    auto made = world_.database().create(config);
    if (!made.ok()) {
      clear(made.error().clone());
      return;
    }
    side_ = Side::kPresent;
    UpsertRequest request;
    request.points.emplace_back();
    request.points.back().id = side_point_;
    auto result = (*made)->upsert(std::move(request));
    if (!result.ok()) {
      clear(result.error().clone());
      side_point_.clear();
    }
  }

  /// The second collection is there or not, as was acknowledged, and holds nothing of an earlier
  /// time.
  void check_side() {
    auto found = world_.database().find("side");
    if (!found.ok()) {
      EXPECT_NE(side_, Side::kPresent) << found.error().message();
      EXPECT_EQ(found.error().code(), Code::kNotFound) << found.error().message();
      return;
    }
    EXPECT_NE(side_, Side::kAbsent) << "a dropped collection came back";
    auto listed = (*found)->list(ListRequest{});
    ASSERT_TRUE(listed.ok()) << listed.error().message();
    const bool acknowledged = side_ == Side::kPresent && !side_point_.empty();
    EXPECT_GE(listed->points.size(), acknowledged ? 1u : 0u);
    const std::string newest = "time " + std::to_string(side_times_);
    for (const Point& point : listed->points)
      EXPECT_EQ(point.id, newest);
  }

  void upsert(Collection& open) {
    UpsertRequest request;
    Maker maker(random_, kDimension);
    for (uint64_t i = 1 + random_.below(3); i > 0; --i) {
      PointInput point = maker.point(kIds).input;
      point.ns.reset();
      request.points.push_back(std::move(point));
    }
    const auto points = request.points;
    auto result = open.upsert(std::move(request));
    const bool done = result.ok() || clear(result.error().clone());
    for (const PointInput& point : points)
      note(point.id, point, done);
    if (done) past_ = {result->lsn, states_};
  }

  /// Back to the last upsert that was acknowledged.
  void restore(Collection& open) {
    auto result = open.restore({.unix_micros = {}, .lsn = past_.first, .ns = {}}, nullptr);
    if (!result.ok() && result.error().code() == Code::kNotFound) {
      EXPECT_EQ(open.config().retention_days, 0u) << result.error().message();
      return;
    }
    if (result.ok() || clear(result.error().clone())) {
      states_ = past_.second;
      return;
    }
    for (uint64_t i = 0; i < kIds; ++i) {
      const std::string id = "p" + std::to_string(i);
      States& states = states_[id];
      if (states.empty()) states.emplace_back(std::nullopt);
      const States& then = past_.second[id];
      states.insert(states.end(), then.begin(), then.end());
      if (then.empty()) states.emplace_back(std::nullopt);
    }
  }

  void remove(Collection& open) {
    DeleteRequest request;
    Maker maker(random_, kDimension);
    request.ids = {maker.id(kIds), maker.id(kIds)};
    const auto ids = request.ids;
    auto result = open.remove(std::move(request));
    const bool done = result.ok() || clear(result.error().clone());
    for (const std::string& id : ids)
      note(id, std::nullopt, done);
  }

  void note(const std::string& id, std::optional<PointInput> state, bool done) {
    States& states = states_[id];
    if (done) states.clear();
    if (!done && states.empty()) states.emplace_back(std::nullopt);  // never written before
    states.push_back(std::move(state));
  }

  static bool same(const std::optional<PointInput>& wanted, const Result<Point>& found) {
    if (!wanted || !found.ok()) return !wanted && !found.ok();
    return wanted->vector == found->vector && wanted->metadata_json == found->metadata_json;
  }

  /// Each point is in one of its states, or the answer is an error that says why.
  void read_all(bool must_answer = false) {
    auto open = world_.database().find("c");
    if (!open.ok()) {
      EXPECT_FALSE(must_answer && created_) << open.error().message();
      return;
    }
    uint64_t present = 0;
    for (uint64_t i = 0; i < kIds; ++i) {
      const std::string id = "p" + std::to_string(i);
      auto found = (*open)->get(id, std::nullopt);
      if (!found.ok() && found.error().code() != Code::kNotFound) {
        EXPECT_FALSE(must_answer) << found.error().message();
        clear(found.error().clone());
        continue;
      }
      present += found.ok() ? 1 : 0;
      const States& states = states_[id];
      const bool known = states.empty()
                             ? !found.ok()
                             : std::any_of(states.begin(), states.end(),
                                           [&](const auto& s) { return same(s, found); });
      EXPECT_TRUE(known) << id << (found.ok() ? " is not as it was written" : " is missing");
    }
    auto listed = (*open)->list(ListRequest{});
    if (listed.ok()) {
      EXPECT_EQ(listed->total, present);
    }
    EXPECT_TRUE(listed.ok() || !must_answer) << listed.error().message();
  }

  void reopen() {
    const Status status = world_.open();
    ASSERT_TRUE(status.ok()) << status.message();
    read_all(true);
    check_side();
    if (!created_) return;
    const auto open = collection();
    ASSERT_NE(open, nullptr);
    upsert(*open);
    remove(*open);
    EXPECT_TRUE(open->checkpoint().ok());
    EXPECT_TRUE(open->link_all().ok());
    read_all(true);
    const Status closed = world_.close();
    EXPECT_TRUE(closed.ok()) << closed.message();
    const Status last = world_.open();
    ASSERT_TRUE(last.ok()) << last.message();
    read_all(true);
    check_side();
  }

  SimFiles files_;
  World world_;
  Random random_;
  const uint64_t n_;
  const FaultKind kind_;
  bool created_ = false;
  enum class Side : uint8_t { kAbsent, kPresent, kUnsure };
  Side side_ = Side::kAbsent;
  uint64_t side_times_ = 0;
  std::string side_point_;  // that it holds; empty: perhaps none
  std::map<std::string, States> states_;
  std::pair<Lsn, std::map<std::string, States>> past_;  // of the last acknowledged upsert
};

class IoError : public testing::TestWithParam<FaultKind> {};

TEST_P(IoError, EveryCallMayFail) {
  const uint64_t seed = setting("FERRES_SEED", 1);
  const uint64_t stride = setting("FERRES_SWEEP", 1);
  uint64_t n = 1;
  for (bool fired = true; fired; n += stride) {
    SCOPED_TRACE("call " + std::to_string(n) + " fails, FERRES_SEED=" + std::to_string(seed));
    FaultRun run(seed, n, GetParam());
    fired = run.run();
    ASSERT_FALSE(HasFailure());
  }
  std::cout << "calls that failed: " << (n - 1) / stride << "\n";
  EXPECT_GT(n, 10u);
}

std::string kind_name(const testing::TestParamInfo<FaultKind>& info) {
  static constexpr const char* kNames[] = {"Eio", "NoSpace", "ShortWrite", "FailedSync", "ReadEio"};
  return kNames[static_cast<size_t>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(Kinds, IoError,
                         testing::Values(FaultKind::kEio, FaultKind::kEnospc,
                                         FaultKind::kShortWrite, FaultKind::kFailedSync,
                                         FaultKind::kReadEio),
                         kind_name);

}  // namespace
}  // namespace ferres::sim
