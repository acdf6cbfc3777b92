// See trace.h.
#include "sim/trace.h"

namespace ferres::sim {
namespace {

constexpr uint32_t kDimension = 8;
constexpr uint64_t kIds = 150;
constexpr uint64_t kCheckpointEvery = 100;
constexpr uint64_t kReplaceEvery = 400;
constexpr uint64_t kRestoreEvery = 47;
constexpr uint64_t kDropEvery = 61;
constexpr uint64_t kRememberEvery = 5;  // LSNs

}  // namespace

void Trace::start() {
  create("main", Metric::kCosine);
  create("side", Metric::kEuclidean);
}

void Trace::step() {
  ++steps_;
  world_.clock().advance_micros(1000);
  const std::string name = random_.one_in(4) ? "side" : "main";
  if (steps_ % kReplaceEvery == 0) {
    drop("side");
    create("side", Metric::kEuclidean);
  } else if (steps_ % kCheckpointEvery == 0) {
    const Status status = world_.database().checkpoint_all();
    ASSERT_TRUE(status.ok()) << status.message();
  } else if (random_.one_in(50)) {
    auto found = world_.database().find(name);
    ASSERT_TRUE(found.ok()) << found.error().message();
    const Status status = (*found)->link_all();
    ASSERT_TRUE(status.ok()) << status.message();
  } else if (steps_ % kRestoreEvery == 0) {
    restore("side");  // the one that keeps its history
  } else if (steps_ % kDropEvery == 0) {
    drop_namespace(name);
  } else {
    write_some(name);
  }
}

void Trace::restore(const std::string& name) {
  Tracked& tracked = tracked_[name];
  if (tracked.past.empty()) return;
  auto moment = tracked.past.begin();
  std::advance(moment, static_cast<ptrdiff_t>(random_.below(tracked.past.size())));
  auto found = world_.database().find(name);
  ASSERT_TRUE(found.ok()) << found.error().message();
  WriteOp op;
  op.restored = moment->second;
  RestoreTarget target;
  target.lsn = moment->first;
  if (random_.one_in(2)) {
    op.alone = Maker(random_, kDimension).name_space().value_or("");
    target.ns = op.alone;
  }
  tracked.in_flight.push_back(std::move(op));
  auto result = (*found)->restore(target, nullptr);
  ASSERT_TRUE(result.ok()) << result.error().message();
  acknowledge(name, result->lsn);
}

void Trace::drop_namespace(const std::string& name) {
  auto found = world_.database().find(name);
  ASSERT_TRUE(found.ok()) << found.error().message();
  WriteOp op;
  op.micros = world_.clock().unix_micros();
  op.alone = Maker(random_, kDimension).name_space().value_or("");
  tracked_[name].in_flight.push_back(op);
  auto result = (*found)->drop_namespace(*op.alone);
  ASSERT_TRUE(result.ok()) << result.error().message();
  acknowledge(name, result->lsn);
}

void Trace::create(const std::string& name, Metric metric) {
  CollectionConfig config;
  config.name = name;
  config.dimension = kDimension;
  config.metric = metric;
  config.index.m = 6;
  config.index.ef_construction = 30;
  // One collection has codes and lanes to recover, the other neither.
  if (metric == Metric::kCosine) {
    config.index.layout = GraphLayout::kFast;
    config.index.quantizer = QuantizerSpec{.kind = "sq8", .bits = 8};
  }
  if (metric == Metric::kEuclidean) config.vectors.residency = Residency::kMapped;
  // Half of the time the log ends where the checkpoint begins, else it is kept whole.
  if (metric == Metric::kCosine) config.retention_days = 0;
  tracked_[name] = Tracked{Oracle(metric), 0, {}, true, false, {}};
  auto created = world_.database().create(config);
  ASSERT_TRUE(created.ok()) << created.error().message();
  tracked_[name].coming = false;
}

void Trace::drop(const std::string& name) {
  tracked_[name].going = true;
  const Status status = world_.database().drop(name);
  ASSERT_TRUE(status.ok()) << status.message();
  tracked_.erase(name);
}

void Trace::write_some(const std::string& name) {
  auto found = world_.database().find(name);
  ASSERT_TRUE(found.ok()) << found.error().message();
  const std::shared_ptr<Collection> collection = *found;
  // Before what may remove its points.
  if (random_.one_in(3)) submit_link(*collection, name);
  const uint64_t count = random_.one_in(3) ? 1 + random_.below(4) : 1;
  for (uint64_t i = 0; i < count; ++i) {
    if (random_.one_in(4)) {
      submit_delete(*collection, name);
    } else {
      submit_upsert(*collection, name);
    }
  }
  world_.settle();
  ASSERT_TRUE(tracked_[name].in_flight.empty()) << "a write was never answered";
}

void Trace::submit_upsert(Collection& collection, const std::string& name) {
  Maker maker(random_, kDimension);
  WriteOp op;
  op.micros = world_.clock().unix_micros();
  UpsertRequest request;
  for (uint64_t i = 1 + random_.below(4); i > 0; --i) {
    op.points.push_back(maker.point(kIds));
    request.points.push_back(op.points.back().input);
  }
  tracked_[name].in_flight.push_back(std::move(op));
  collection.upsert(std::move(request), [this, name](Result<UpsertResult> result) {
    ASSERT_TRUE(result.ok()) << result.error().message();
    acknowledge(name, result->lsn);
  });
}

void Trace::submit_link(Collection& collection, const std::string& name) {
  const uint64_t now = world_.clock().unix_micros();
  const auto points = tracked_[name].oracle.visible(now, std::nullopt, nullptr);
  if (points.size() < 2) return;
  const auto draw = [&] {
    const PointInput& point = points[random_.below(points.size())]->input;
    return PointName{.id = point.id, .ns = point.ns};
  };
  const LinkRequest request{draw(), draw()};
  WriteOp op;
  op.micros = now;
  op.linked = {{request.from.ns.value_or(""), request.from.id},
               {request.to.ns.value_or(""), request.to.id}};
  op.unlink = random_.one_in(6);
  if (op.linked->first == op.linked->second) return;
  const auto done = [this, name](Result<LinkResult> result) {
    ASSERT_TRUE(result.ok()) << result.error().message();
    acknowledge(name, result->lsn);
  };
  const bool unlink = op.unlink;
  tracked_[name].in_flight.push_back(std::move(op));
  unlink ? collection.unlink(request, done) : collection.link(request, done);
}

void Trace::submit_delete(Collection& collection, const std::string& name) {
  Maker maker(random_, kDimension);
  WriteOp op;
  op.micros = world_.clock().unix_micros();
  DeleteRequest request;
  request.ns = maker.name_space();
  op.ns = request.ns.value_or("");
  for (uint64_t i = 1 + random_.below(4); i > 0; --i)
    op.ids.push_back(maker.id(kIds));
  request.ids = op.ids;
  tracked_[name].in_flight.push_back(std::move(op));
  collection.remove(std::move(request), [this, name](Result<DeleteResult> result) {
    ASSERT_TRUE(result.ok()) << result.error().message();
    acknowledge(name, result->lsn);
  });
}

void Trace::acknowledge(const std::string& name, Lsn lsn) {
  Tracked& tracked = tracked_[name];
  ASSERT_EQ(lsn, tracked.lsn + 1);
  apply(tracked.oracle, tracked.in_flight.front(), lsn);
  tracked.in_flight.pop_front();
  tracked.lsn = lsn;
  if (lsn % kRememberEvery == 0) {
    tracked.past[lsn] = std::make_shared<const Oracle>(tracked.oracle);
  }
}

void Trace::apply(Oracle& oracle, const WriteOp& op, Lsn lsn) {
  if (op.restored != nullptr && op.alone) {
    oracle.restore_namespace(*op.alone, *op.restored, lsn);
  } else if (op.restored != nullptr) {
    oracle = *op.restored;
  } else if (op.alone) {
    oracle.drop_namespace(*op.alone, op.micros);
  }
  if (op.linked) {
    op.unlink ? oracle.unlink(op.linked->first, op.linked->second, op.micros)
              : oracle.link(op.linked->first, op.linked->second, op.micros);
  }
  for (OraclePoint point : op.points) {
    point.version = lsn;
    point.created_micros = op.micros;
    oracle.upsert(std::move(point));
  }
  oracle.remove(op.ns, op.ids, op.micros);
}

testing::AssertionResult Trace::explains(World& world) const {
  size_t present = 0;
  for (const auto& [name, tracked] : tracked_) {
    auto found = world.database().find(name);
    const bool uncertain = tracked.coming || tracked.going;
    if (!found.ok()) {
      if (uncertain && found.error().code() == Code::kNotFound) continue;
      return testing::AssertionFailure() << name << ": " << found.error().message();
    }
    ++present;
    const auto right = explains(tracked, **found, world.clock().unix_micros());
    if (!right) return testing::AssertionFailure() << name << ": " << right.message();
  }
  const size_t listed = world.database().list().size();
  if (listed != present) {
    return testing::AssertionFailure() << listed << " collections instead of " << present;
  }
  return testing::AssertionSuccess();
}

testing::AssertionResult Trace::explains(const Tracked& tracked, Collection& collection,
                                         uint64_t now) const {
  const Lsn lsn = collection.stats().lsn;
  const Lsn newest = tracked.lsn + tracked.in_flight.size();
  if (lsn < tracked.lsn || lsn > newest) {
    return testing::AssertionFailure()
           << "LSN " << lsn << ", acknowledged was " << tracked.lsn << ", asked for was " << newest;
  }
  Oracle oracle = tracked.oracle;
  for (Lsn next = tracked.lsn + 1; next <= lsn; ++next) {
    apply(oracle, tracked.in_flight[next - tracked.lsn - 1], next);
  }
  if (auto same = oracle.equals(collection, now); !same) return same;
  Random random(lsn);
  return oracle.agrees_on_search(collection, search_for_all(Maker(random, kDimension).vector()),
                                 now);
}

testing::AssertionResult Trace::takes_writes(World& world) {
  for (const auto& collection : world.database().list()) {
    UpsertRequest request;
    request.points.emplace_back();
    request.points.back().id = "after";
    request.points.back().vector.assign(kDimension, 0.25f);
    auto result = collection->upsert(std::move(request));
    if (!result.ok()) return testing::AssertionFailure() << "write: " << result.error().message();
    auto found = collection->get("after", std::nullopt);
    if (!found.ok()) return testing::AssertionFailure() << "read: " << found.error().message();
  }
  return testing::AssertionSuccess();
}

}  // namespace ferres::sim
