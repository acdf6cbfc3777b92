// A random history of every kind of operation, in which some moments are remembered; then each of
// them is restored, in place or as a collection of its own, and compared with an oracle. 5 000
// operations and 1 000 moments; FERRES_OPS, FERRES_MOMENTS and FERRES_SEED change that.
#include <gtest/gtest.h>

#include "sim/oracle.h"
#include "sim/world.h"

namespace ferres::sim {
namespace {

constexpr uint32_t kDimension = 16;
constexpr uint64_t kIds = 120;

struct Moment {
  Lsn lsn = 0;
  uint64_t micros = 0;
  Oracle oracle{Metric::kCosine};
};

class History {
 public:
  explicit History(uint64_t seed) : random_(seed), files_(seed), world_(files_, seed, options()) {}

  void write(uint64_t operations, uint64_t moments) {
    const Status status = world_.open();
    ASSERT_TRUE(status.ok()) << status.message();
    CollectionConfig config;
    config.name = "c";
    config.dimension = kDimension;
    config.index.m = 6;
    config.index.ef_construction = 30;
    const auto created = world_.database().create(config);
    ASSERT_TRUE(created.ok()) << created.error().message();
    for (uint64_t i = 0; i < operations && !testing::Test::HasFatalFailure(); ++i) {
      world_.clock().advance_micros(1000);
      if (random_.below(operations) < moments) {
        moments_.push_back({collection()->stats().lsn, now(), oracle_});
        world_.clock().advance_micros(1);
      }
      step();
    }
  }

  void restore_all() {
    for (const Moment& moment : moments_) {
      if (testing::Test::HasFailure()) return;
      RestoreRequest request;
      request.collection = "c";
      if (random_.one_in(2)) {
        request.target.lsn = moment.lsn;
      } else {
        request.target.unix_micros = moment.micros;
      }
      if (random_.one_in(2)) request.as = "copy";
      const auto outcome = world_.database().restore(request, nullptr);
      ASSERT_TRUE(outcome.ok()) << outcome.error().message();
      const auto restored = *world_.database().find(request.as.value_or("c"));
      EXPECT_TRUE(moment.oracle.equals(*restored, now())) << "LSN " << moment.lsn;
      EXPECT_TRUE(moment.oracle.agrees_on_search(
          *restored, search_for_all(Maker(random_, kDimension).vector()), now()));
      if (request.as) {
        const Status dropped = world_.database().drop("copy", true);
        ASSERT_TRUE(dropped.ok()) << dropped.message();
      }
    }
  }

  size_t moments() const { return moments_.size(); }

 private:
  static DatabaseOptions options() {
    DatabaseOptions options = small_options();
    options.collection.flat_points_max = 50;
    return options;
  }
  uint64_t now() { return world_.clock().unix_micros(); }
  std::shared_ptr<Collection> collection() { return *world_.database().find("c"); }

  void step() {
    switch (random_.below(40)) {
      case 0:
        ASSERT_TRUE(collection()->checkpoint().ok());
        break;
      case 1:
        collection()->sweep_expired();
        world_.settle();
        break;
      case 2:
        world_.advance_micros((1 + random_.below(20)) * 1'000'000);
        break;
      case 3:
        restart();
        break;
      case 4:
        go_back();
        break;
      case 5:
        if (random_.one_in(10)) drop_and_bring_back();
        break;
      case 6:
        drop_namespace();
        break;
      case 7:
        restore_namespace();
        break;
      default:
        random_.one_in(4) ? remove() : random_.one_in(4) ? relate() : upsert();
    }
  }

  void relate() {
    Maker maker(random_, kDimension);
    const LinkRequest request{{.id = maker.id(kIds), .ns = maker.name_space()},
                              {.id = maker.id(kIds), .ns = maker.name_space()}};
    const Oracle::Key from{request.from.ns.value_or(""), request.from.id};
    const Oracle::Key to{request.to.ns.value_or(""), request.to.id};
    if (from == to) return;
    if (random_.one_in(5)) {
      const auto result = collection()->unlink(request);
      ASSERT_TRUE(result.ok()) << result.error().message();
      EXPECT_EQ(result->there, oracle_.unlink(from, to, now()));
    } else {
      EXPECT_EQ(collection()->link(request).ok(), oracle_.link(from, to, now()));
    }
  }

  void upsert() {
    Maker maker(random_, kDimension);
    UpsertRequest request;
    std::vector<OraclePoint> points;
    for (uint64_t i = 1 + random_.below(4); i > 0; --i) {
      points.push_back(maker.point(kIds));
      if (random_.one_in(6)) points.back().input.ttl_seconds = 1 + random_.below(200);
      request.points.push_back(points.back().input);
    }
    const auto result = collection()->upsert(std::move(request));
    ASSERT_TRUE(result.ok()) << result.error().message();
    for (OraclePoint& point : points) {
      point.version = result->lsn;
      point.created_micros = now();
      const uint64_t ttl = point.input.ttl_seconds.value_or(0);
      point.expires_micros = ttl == 0 ? 0 : now() + ttl * 1'000'000;
      oracle_.upsert(std::move(point));
    }
  }

  void remove() {
    Maker maker(random_, kDimension);
    DeleteRequest request;
    request.ns = maker.name_space();
    for (uint64_t i = 1 + random_.below(random_.one_in(20) ? kIds : 4); i > 0; --i)
      request.ids.push_back(maker.id(kIds));
    oracle_.remove(request.ns.value_or(""), request.ids, now());
    ASSERT_TRUE(collection()->remove(std::move(request)).ok());
  }

  void restart() {
    if (random_.one_in(2)) {
      ASSERT_TRUE(world_.close().ok());
    } else {
      files_.cut_power();
      world_.kill();
      files_.crash(TearMode::kReorder);
    }
    if (random_.one_in(4)) world_.isolate_namespaces(!world_.isolates_namespaces());
    const Status status = world_.open();
    ASSERT_TRUE(status.ok()) << status.message();
  }

  /// A restore is a part of the history that is restored later.
  void go_back() {
    if (moments_.empty()) return;
    const Moment& moment = moments_[random_.below(moments_.size())];
    const auto restored =
        collection()->restore({.unix_micros = {}, .lsn = moment.lsn, .ns = {}}, nullptr);
    ASSERT_TRUE(restored.ok()) << restored.error().message();
    oracle_ = moment.oracle;
  }

  void drop_namespace() {
    const std::string ns = Maker(random_, kDimension).name_space().value_or("");
    const auto dropped = collection()->drop_namespace(ns);
    ASSERT_TRUE(dropped.ok()) << dropped.error().message();
    EXPECT_EQ(dropped->deleted, oracle_.drop_namespace(ns, now()));
  }

  void restore_namespace() {
    if (moments_.empty()) return;
    const Moment& moment = moments_[random_.below(moments_.size())];
    RestoreTarget target;
    target.lsn = moment.lsn;
    target.ns = Maker(random_, kDimension).name_space().value_or("");
    const auto restored = collection()->restore(target, nullptr);
    ASSERT_TRUE(restored.ok()) << restored.error().message();
    oracle_.restore_namespace(*target.ns, moment.oracle, restored->lsn);
  }

  void drop_and_bring_back() {
    const Lsn lsn = collection()->stats().lsn;
    ASSERT_TRUE(world_.database().drop("c").ok());
    if (random_.one_in(2)) restart();
    const auto outcome =
        world_.database().restore({{.unix_micros = {}, .lsn = lsn, .ns = {}}, "c", {}}, nullptr);
    ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  }

  Random random_;
  SimFiles files_;
  World world_;
  Oracle oracle_{Metric::kCosine};
  std::vector<Moment> moments_;
};

TEST(RestoreMoments, EachIsAsItWas) {
  const uint64_t seed = setting("FERRES_SEED", 1);
  SCOPED_TRACE("FERRES_SEED=" + std::to_string(seed));
  History history(seed);
  ASSERT_NO_FATAL_FAILURE(
      history.write(setting("FERRES_OPS", 5000), setting("FERRES_MOMENTS", 1000)));
  ASSERT_GT(history.moments(), 0u);
  history.restore_all();
  std::cout << history.moments() << " moments restored\n";
}

}  // namespace
}  // namespace ferres::sim
