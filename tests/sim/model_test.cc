// Random operations on a whole database beside an oracle: writes with invalid points among them,
// namespaces, with files of their own and without, time to live, links between points, filters,
// exact and graph search, checkpoints, restarts of three kinds, dropping and creating collections.
// 200 000 operations over eight seeds; FERRES_SEED runs another seed, FERRES_OPS another number of
// operations a seed.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "sim/oracle.h"
#include "sim/world.h"

namespace ferres::sim {
namespace {

constexpr uint64_t kIds = 300;
constexpr uint64_t kMicrosPerOperation = 1000;

constexpr size_t kPastMax = 40;  // moments remembered

/// What a collection held at a moment.
struct Past {
  Lsn lsn = 0;
  uint64_t micros = 0;
  Oracle oracle{Metric::kCosine};
};

struct Tracked {
  CollectionConfig config;
  Oracle oracle{Metric::kCosine};
  Lsn lsn = 0;
  std::vector<Past> past;
};

class ModelRun {
 public:
  explicit ModelRun(uint64_t seed)
      : random_(seed), files_(seed), world_(files_, seed, small_options()) {}

  void start() {
    world_.isolate_namespaces(random_.one_in(2));
    const Status status = world_.open();
    ASSERT_TRUE(status.ok()) << status.message();
    for (const char* name : {"alpha", "beta"})
      create(name);
  }

  void step() {
    struct Row {
      uint64_t weight;
      void (ModelRun::*run)();
    };
    static constexpr Row kRows[] = {
        {300, &ModelRun::upsert},
        {120, &ModelRun::remove_some},
        {120, &ModelRun::relate},
        {20, &ModelRun::unrelate},
        {20, &ModelRun::follow_links},
        {20, &ModelRun::search_connected},
        {150, &ModelRun::get},
        {80, &ModelRun::list},
        {50, &ModelRun::count},
        {80, &ModelRun::search_exact},
        {150, &ModelRun::search_graph},
        {30, &ModelRun::search_by_id},
        {20, &ModelRun::pass_time},
        {10, &ModelRun::sweep},
        {5, &ModelRun::checkpoint},
        {10, &ModelRun::link},
        {3, &ModelRun::restart},
        {2, &ModelRun::replace_collection},
        {5, &ModelRun::ask_wrongly},
        {4, &ModelRun::change_index},
        {6, &ModelRun::restore},
        {2, &ModelRun::remove_most},
        {3, &ModelRun::trim},
        {3, &ModelRun::drop_namespace},
        {4, &ModelRun::restore_namespace},
        {5, &ModelRun::list_namespaces},
    };
    uint64_t total = 0;
    for (const Row& row : kRows)
      total += row.weight;
    uint64_t drawn = random_.below(total);
    const Row* row = kRows;
    while (drawn >= row->weight)
      drawn -= (row++)->weight;
    world_.clock().advance_micros(kMicrosPerOperation);
    auto entry = tracked_.begin();
    std::advance(entry, static_cast<ptrdiff_t>(random_.below(tracked_.size())));
    name_ = entry->first;
    remember();
    (this->*row->run)();
  }

  void finish() {
    restart();
    EXPECT_GT(restores_, 10u);
    EXPECT_GT(restores_of_a_write_, 0u);
    ASSERT_GT(graph_wanted_, 0u);
    EXPECT_GE(static_cast<double>(graph_found_), 0.95 * static_cast<double>(graph_wanted_))
        << "recall of the graph";
  }

 private:
  Tracked& tracked() { return tracked_.at(name_); }
  uint64_t now() { return world_.clock().unix_micros(); }
  Maker maker() { return {random_, tracked().config.dimension}; }

  std::shared_ptr<Collection> collection() {
    auto found = world_.database().find(name_);
    EXPECT_TRUE(found.ok()) << found.error().message();
    return found.ok() ? *found : nullptr;
  }

  void draw_index(IndexConfig& index) {
    index.layout = random_.one_in(2) ? GraphLayout::kFast : GraphLayout::kCompact;
    index.quantizer.reset();
    if (random_.one_in(2)) index.quantizer = QuantizerSpec{.kind = "rabitq", .bits = 8};
  }

  void create(const std::string& name) {
    CollectionConfig config;
    config.name = name;
    config.dimension = 1 + static_cast<uint32_t>(random_.below(12));
    config.metric = static_cast<Metric>(random_.below(3));
    config.index.m = 8;
    config.index.ef_construction = 60;
    draw_index(config.index);
    config.vectors.residency = static_cast<Residency>(random_.below(3));
    if (random_.one_in(3)) {
      config.tiers = {.enabled = true, .compaction_interval_secs = 1, .hot_bytes_max = {}};
      config.tiers.hot_threshold_hours = static_cast<uint32_t>(random_.below(2));
      config.tiers.warm_threshold_hours =
          config.tiers.hot_threshold_hours + static_cast<uint32_t>(random_.below(2));
      if (random_.one_in(2)) config.tiers.hot_bytes_max = random_.below(3) * (64 << 10);
    }
    if (random_.one_in(3)) config.retention_days = static_cast<uint32_t>(random_.below(2));
    auto created = world_.database().create(config);
    ASSERT_TRUE(created.ok()) << created.error().message();
    tracked_.insert_or_assign(name, Tracked{config, Oracle(config.metric), 0, {}});
  }

  // ---- writes

  /// Makes a point invalid in a random way; returns the reason that must be given.
  std::string spoil(OraclePoint& point) {
    const CollectionConfig& config = tracked().config;
    PointInput& input = point.input;
    if (input.vector.empty()) input.vector = maker().vector();
    switch (random_.below(config.metric == Metric::kCosine ? 6 : 5)) {
      case 0:
        input.id.clear();
        return "point id cannot be empty";
      case 1:
        input.id.assign(kPointIdBytesMax + 1, 'x');
        return "point id too long";
      case 2:
        input.vector.push_back(1);
        return "dimension mismatch: expected " + std::to_string(config.dimension) + ", got " +
               std::to_string(config.dimension + 1);
      case 3:
        input.vector[0] = std::numeric_limits<float>::quiet_NaN();
        return "non-finite value at index 0";
      case 4:
        input.vector.back() = -std::numeric_limits<float>::infinity();
        return "non-finite value at index " + std::to_string(config.dimension - 1);
      default:
        std::fill(input.vector.begin(), input.vector.end(), 0.0f);
        return "zero-norm vector";
    }
  }

  void upsert() {
    UpsertRequest request;
    std::vector<OraclePoint> valid;
    std::vector<std::pair<std::string, std::string>> failed;
    const uint64_t count = random_.one_in(20) ? 100 : 1 + random_.below(6);
    for (uint64_t i = 0; i < count; ++i) {
      OraclePoint point = maker().point(kIds);
      if (random_.one_in(8)) point.input.ttl_seconds = 1 + random_.below(100);
      if (random_.one_in(20)) {
        std::string reason = spoil(point);
        failed.emplace_back(point.input.id, std::move(reason));
      } else {
        valid.push_back(point);
      }
      request.points.push_back(point.input);
    }
    request.atomic = random_.one_in(10);
    const bool refused = request.atomic && !failed.empty();
    auto result = collection()->upsert(std::move(request));
    ASSERT_TRUE(result.ok()) << result.error().message();
    if (refused) valid.clear();
    EXPECT_EQ(result->upserted, valid.size());
    ASSERT_EQ(result->failed.size(), failed.size());
    for (size_t i = 0; i < failed.size(); ++i) {
      EXPECT_EQ(result->failed[i].first, failed[i].first);
      EXPECT_TRUE(result->failed[i].second.starts_with(failed[i].second))
          << result->failed[i].second << " instead of " << failed[i].second;
    }
    if (valid.empty()) return;
    accept_lsn(result->lsn);
    for (OraclePoint& point : valid) {
      point.version = result->lsn;
      point.created_micros = now();
      const uint64_t ttl = point.input.ttl_seconds.value_or(0);
      point.expires_micros = ttl == 0 ? 0 : now() + ttl * 1'000'000;
      tracked().oracle.upsert(std::move(point));
    }
  }

  void remove_some() {
    DeleteRequest request;
    request.ns = maker().name_space();
    for (uint64_t i = 1 + random_.below(5); i > 0; --i)
      request.ids.push_back(maker().id(kIds));
    if (random_.one_in(10)) {
      for (uint64_t i = 0; i < kIds / 2; ++i)
        request.ids.push_back(maker().id(kIds));
    }
    remove(std::move(request));
  }

  void remove(DeleteRequest request) {
    const auto ids = request.ids;
    const std::string ns = request.ns.value_or("");
    auto result = collection()->remove(std::move(request));
    ASSERT_TRUE(result.ok()) << result.error().message();
    EXPECT_EQ(result->deleted, tracked().oracle.remove(ns, ids, now()));
    accept_lsn(result->lsn);
  }

  /// So many that the collection moves into a smaller partition when some time passes.
  void remove_most() {
    DeleteRequest request;
    request.ns = maker().name_space();
    for (uint64_t i = 0; i < kIds; ++i)
      if (!random_.one_in(10)) request.ids.push_back("p" + std::to_string(i));
    remove(std::move(request));
  }

  void drop_namespace() {
    const std::string ns = maker().name_space().value_or("");
    const uint64_t there = tracked().oracle.drop_namespace(ns, now());
    const auto result = collection()->drop_namespace(ns);
    ASSERT_TRUE(result.ok()) << result.error().message();
    EXPECT_EQ(result->deleted, there);
    accept_lsn(result->lsn);
  }

  PointName draw_end() {
    PointName end{.id = maker().id(kIds), .ns = maker().name_space()};
    // A few that have many links, and often within a namespace.
    if (random_.one_in(3)) end = {.id = "p" + std::to_string(random_.below(4)), .ns = std::nullopt};
    return end;
  }

  void relate() {
    const LinkRequest request{draw_end(), draw_end()};
    const Oracle::Key from{request.from.ns.value_or(""), request.from.id};
    const Oracle::Key to{request.to.ns.value_or(""), request.to.id};
    const auto result = collection()->link(request);
    if (from == to) {
      EXPECT_EQ(result.error().code(), Code::kInvalidArgument);
    } else if (!tracked().oracle.link(from, to, now())) {
      ASSERT_FALSE(result.ok());
      EXPECT_EQ(result.error().code(), Code::kNotFound) << result.error().message();
    } else {
      ASSERT_TRUE(result.ok()) << result.error().message();
      EXPECT_TRUE(result->there);
      accept_lsn(result->lsn);
    }
  }

  void unrelate() {
    PointName from = draw_end();
    const Oracle::Key key{from.ns.value_or(""), from.id};
    const std::vector<Oracle::Key> others = tracked().oracle.linked_with(key, now());
    Oracle::Key to{"", maker().id(kIds)};
    if (!others.empty() && !random_.one_in(4)) to = others[random_.below(others.size())];
    if (to == key) return;
    const auto result = collection()->unlink({from, {.id = to.second, .ns = to.first}});
    ASSERT_TRUE(result.ok()) << result.error().message();
    EXPECT_EQ(result->there, tracked().oracle.unlink(key, to, now()));
    accept_lsn(result->lsn);
  }

  static Oracle::Key key_of(const PointName& point) { return {point.ns.value_or(""), point.id}; }

  void follow_links() {
    SubgraphRequest request;
    request.center = draw_end();
    request.depth = static_cast<uint32_t>(random_.below(4));
    request.limit = 2000;
    const Oracle::Key center = key_of(*request.center);
    const Oracle& oracle = tracked().oracle;
    const auto graph = collection()->subgraph(request);
    if (oracle.find(center.first, center.second, now()) == nullptr) {
      ASSERT_FALSE(graph.ok());
      EXPECT_EQ(graph.error().code(), Code::kNotFound);
      return;
    }
    ASSERT_TRUE(graph.ok()) << graph.error().message();
    const std::vector<Oracle::Key> keys = oracle.within(center, request.depth, now());
    const std::set<Oracle::Key> wanted(keys.begin(), keys.end());
    std::set<std::pair<Oracle::Key, Oracle::Key>> links;
    for (const Oracle::Key& key : wanted)
      for (const Oracle::Key& other : oracle.linked_with(key, now()))
        if (wanted.contains(other)) links.insert(std::minmax(key, other));
    std::set<Oracle::Key> nodes;
    for (const Point& node : graph->nodes)
      nodes.insert({node.ns.value_or(""), node.id});
    EXPECT_EQ(nodes, wanted);
    EXPECT_EQ(graph->nodes.size(), wanted.size());
    std::set<std::pair<Oracle::Key, Oracle::Key>> edges;
    for (const auto& [one, other] : graph->edges) {
      const Point& from = graph->nodes.at(one);
      const Point& to = graph->nodes.at(other);
      edges.insert(std::minmax(Oracle::Key{from.ns.value_or(""), from.id},
                               Oracle::Key{to.ns.value_or(""), to.id}));
    }
    EXPECT_EQ(edges, links);
    EXPECT_EQ(graph->edges.size(), links.size());
  }

  void search_connected() {
    ConnectedRequest request;
    request.center = draw_end();
    request.hops = 1 + static_cast<uint32_t>(random_.below(3));
    request.search.vector = maker().vector();
    request.search.limit = 1 + static_cast<uint32_t>(random_.below(20));
    if (random_.one_in(4)) request.search.ns = maker().name_space();
    const Oracle::Key center = key_of(request.center);
    const Oracle& oracle = tracked().oracle;
    const auto found = collection()->search_connected(request);
    if (oracle.find(center.first, center.second, now()) == nullptr) {
      ASSERT_FALSE(found.ok());
      EXPECT_EQ(found.error().code(), Code::kNotFound);
      return;
    }
    ASSERT_TRUE(found.ok()) << found.error().message();
    std::vector<double> wanted;
    for (const Oracle::Key& key : oracle.within(center, request.hops, now())) {
      const OraclePoint* const point = oracle.find(key.first, key.second, now());
      if (key == center || point->input.vector.empty()) continue;
      if (request.search.ns && *request.search.ns != key.first) continue;
      wanted.push_back(oracle.score(request.search.vector, *point));
    }
    std::sort(wanted.begin(), wanted.end());
    if (wanted.size() > request.search.limit) wanted.resize(request.search.limit);
    ASSERT_EQ(found->hits.size(), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i)
      EXPECT_TRUE(close(wanted[i], found->hits[i].score)) << found->hits[i].score;
  }

  void accept_lsn(Lsn lsn) {
    EXPECT_GT(lsn, tracked().lsn);
    tracked().lsn = lsn;
  }

  // ---- reads

  void get() {
    const std::string id = maker().id(kIds);
    const auto ns = maker().name_space();
    auto found = collection()->get(id, ns);
    const OraclePoint* wanted = tracked().oracle.find(ns.value_or(""), id, now());
    if (wanted == nullptr) {
      ASSERT_FALSE(found.ok()) << "phantom " << id;
      EXPECT_EQ(found.error().code(), Code::kNotFound);
      EXPECT_EQ(found.error().message(), "point '" + id + "' not found");
      return;
    }
    ASSERT_TRUE(found.ok()) << found.error().message();
    EXPECT_EQ(tracked().oracle.difference(*wanted, *found, now()), "");
  }

  void list() {
    const Condition condition = maker().condition();
    const auto predicate = Predicate::parse(condition.json);
    ASSERT_TRUE(predicate.ok()) << condition.json << ": " << predicate.error().message();
    ListRequest request;
    request.filter = &*predicate;
    request.ns = maker().name_space();
    request.limit = random_.below(60);
    request.offset = random_.below(60);
    const auto wanted = tracked().oracle.visible(now(), request.ns, &condition);
    auto page = collection()->list(request);
    ASSERT_TRUE(page.ok()) << page.error().message();
    EXPECT_EQ(page->total, wanted.size()) << condition.json;
    const uint64_t rest = wanted.size() > request.offset ? wanted.size() - request.offset : 0;
    EXPECT_EQ(page->points.size(), std::min(request.limit, rest));
    // Of several partitions one comes after the other.
    const bool one = !world_.isolates_namespaces() || request.ns;
    Lsn before = 0;
    for (const Point& point : page->points) {
      EXPECT_LE(before, point.version) << "not in order of the last write";
      if (one) before = point.version;
      const OraclePoint* known = tracked().oracle.find(point.ns.value_or(""), point.id, now());
      ASSERT_NE(known, nullptr) << "phantom " << point.id;
      EXPECT_TRUE(condition.holds(known->facts)) << condition.json;
      EXPECT_EQ(tracked().oracle.difference(*known, point, now()), "");
    }
  }

  void count() {
    ListRequest request;
    request.ns = maker().name_space();
    request.count_only = true;
    auto counted = collection()->list(request);
    ASSERT_TRUE(counted.ok()) << counted.error().message();
    EXPECT_EQ(counted->total, tracked().oracle.visible(now(), request.ns, nullptr).size());
    EXPECT_TRUE(counted->points.empty());
  }

  void search_exact() { search(true); }
  void search_graph() { search(false); }

  void search(bool exact) {
    std::optional<Condition> condition;
    std::optional<Predicate> predicate;
    SearchRequest request;
    if (random_.one_in(2)) {
      condition = maker().condition();
      auto parsed = Predicate::parse(condition->json);
      ASSERT_TRUE(parsed.ok()) << parsed.error().message();
      predicate.emplace(std::move(*parsed));
      request.filter = &*predicate;
    }
    if (random_.one_in(4)) request.ns = maker().name_space();
    request.vector = maker().vector();
    request.limit = 1 + static_cast<uint32_t>(random_.below(20));
    request.exact = exact;
    check_search(request, condition ? &*condition : nullptr, nullptr);
  }

  void search_by_id() {
    SearchRequest request;
    request.ns = maker().name_space();
    request.id = maker().id(kIds);
    request.exact = random_.one_in(2);
    const OraclePoint* point = tracked().oracle.find(request.ns.value_or(""), *request.id, now());
    if (point != nullptr && !point->input.vector.empty()) {
      check_search(request, nullptr, point);
      return;
    }
    auto found = collection()->search(request);
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().code(), point == nullptr ? Code::kNotFound : Code::kInvalidArgument)
        << found.error().message();
  }

  void check_search(const SearchRequest& request, const Condition* condition,
                    const OraclePoint* center) {
    const Oracle& oracle = tracked().oracle;
    const std::vector<float>& query = center != nullptr ? center->input.vector : request.vector;
    std::vector<double> wanted;
    for (const OraclePoint* point : oracle.visible(now(), request.ns, condition)) {
      if (point == center || point->input.vector.empty()) continue;
      wanted.push_back(oracle.score(query, *point));
    }
    std::sort(wanted.begin(), wanted.end());
    if (wanted.size() > request.limit) wanted.resize(request.limit);
    auto found = collection()->search(request);
    ASSERT_TRUE(found.ok()) << found.error().message();
    ASSERT_EQ(found->hits.size(), wanted.size()) << (request.exact ? "exact" : "graph");
    std::vector<std::pair<std::string, std::string>> seen;
    for (size_t i = 0; i < wanted.size(); ++i) {
      const SearchHit& hit = found->hits[i];
      const std::string ns = hit.point.ns.value_or("");
      const OraclePoint* known = oracle.find(ns, hit.point.id, now());
      ASSERT_NE(known, nullptr) << "phantom hit " << hit.point.id;
      ASSERT_FALSE(known->input.vector.empty()) << hit.point.id << " has no vector";
      EXPECT_TRUE(condition == nullptr || condition->holds(known->facts)) << condition->json;
      EXPECT_TRUE(!request.ns || *request.ns == ns);
      EXPECT_NE(known, center) << "the point that was searched by";
      EXPECT_EQ(hit.point.metadata_json, known->input.metadata_json);
      EXPECT_TRUE(close(oracle.score(query, *known), hit.score)) << hit.score;
      if (request.exact) {
        EXPECT_TRUE(close(wanted[i], hit.score)) << hit.score << " " << wanted[i];
      }
      if (i > 0) {
        EXPECT_LE(found->hits[i - 1].score, hit.score);
      }
      seen.emplace_back(ns, hit.point.id);
      if (!request.exact) graph_found_ += hit.score <= wanted.back() + 2e-3 ? 1 : 0;
    }
    if (!request.exact) graph_wanted_ += wanted.size();
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(std::adjacent_find(seen.begin(), seen.end()), seen.end()) << "a hit twice";
  }

  // ---- the past

  void remember() {
    if (!random_.one_in(20)) return;
    std::vector<Past>& past = tracked().past;
    Past moment{tracked().lsn, now() - 1, tracked().oracle};
    if (past.size() == kPastMax)
      past.erase(past.begin() + static_cast<ptrdiff_t>(random_.below(kPastMax)));
    past.push_back(std::move(moment));
  }

  void restore() {
    Tracked& current = tracked();
    if (current.past.empty()) return;
    // The newest too, which a collection without history has.
    const Past past =
        random_.one_in(3) ? current.past.back() : current.past[random_.below(current.past.size())];
    RestoreTarget target;
    if (random_.one_in(2)) {
      target.lsn = past.lsn;
    } else {
      target.unix_micros = past.micros;
    }
    auto restored = collection()->restore(target, [](uint64_t done, uint64_t total) {
      EXPECT_LE(done, total);
      return Status();
    });
    if (current.config.retention_days && !restored.ok()) {
      EXPECT_EQ(restored.error().code(), Code::kNotFound) << restored.error().message();
      return;
    }
    ASSERT_TRUE(restored.ok()) << restored.error().message();
    ++restores_;
    if (restored->source_lsn == past.lsn) ++restores_of_a_write_;
    current.past.push_back({current.lsn, now() - 1, current.oracle});  // the way back
    accept_lsn(restored->lsn);
    current.oracle = past.oracle;
    EXPECT_TRUE(current.oracle.equals(*collection(), now()))
        << "restored to LSN " << past.lsn << " at " << past.micros
        << (target.lsn ? " by LSN" : " by time") << ", source " << restored->source_lsn << " at "
        << restored->source_micros;
    EXPECT_TRUE(
        current.oracle.agrees_on_search(*collection(), search_for_all(maker().vector()), now()));
    RestoreTarget future;
    future.lsn = restored->lsn + 1000;
    EXPECT_EQ(collection()->restore(future, nullptr).error().code(), Code::kInvalidArgument);
    if (random_.one_in(3)) trim();
    if (random_.one_in(3)) restart();
  }

  void restore_namespace() {
    Tracked& current = tracked();
    if (current.past.empty()) return;
    const Past past = current.past[random_.below(current.past.size())];
    RestoreTarget target;
    target.lsn = past.lsn;
    target.ns = maker().name_space().value_or("");
    const auto restored = collection()->restore(target, nullptr);
    if (current.config.retention_days && !restored.ok()) {
      EXPECT_EQ(restored.error().code(), Code::kNotFound) << restored.error().message();
      return;
    }
    ASSERT_TRUE(restored.ok()) << restored.error().message();
    ++restores_;
    accept_lsn(restored->lsn);
    current.oracle.restore_namespace(*target.ns, past.oracle, restored->lsn);
    EXPECT_TRUE(current.oracle.equals(*collection(), now()))
        << "'" << *target.ns << "' restored to LSN " << past.lsn;
    if (random_.one_in(3)) restart();
  }

  void list_namespaces() {
    const auto found = collection()->namespaces();
    ASSERT_TRUE(found.ok()) << found.error().message();
    std::map<std::string, uint64_t> wanted;
    for (const OraclePoint* point : tracked().oracle.visible(now(), std::nullopt, nullptr))
      ++wanted[point->input.ns.value_or("")];
    std::map<std::string, uint64_t> listed;
    for (const NamespaceInfo& info : *found)
      listed[info.ns] = info.points;
    EXPECT_EQ(listed, wanted);
  }

  // ---- everything else

  void pass_time() {
    const uint64_t micros = (1 + random_.below(30)) * 1'000'000;
    if (random_.one_in(2)) {
      world_.advance_micros(micros);
    } else {
      world_.advance_unsettled(micros);
    }
  }

  void trim() {
    const Status status = collection()->trim();
    EXPECT_TRUE(status.ok()) << status.message();
  }

  void sweep() {
    collection()->sweep_expired();
    if (random_.one_in(2)) world_.settle();
  }

  void checkpoint() {
    const Status status = collection()->checkpoint();
    EXPECT_TRUE(status.ok()) << status.message();
  }

  void link() {
    const Status status = collection()->link_all();
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(collection()->stats().unlinked_points, 0u);
    EXPECT_EQ(collection()->stats().unreachable_points.value_or(0), 0u);
  }

  void restart() {
    const uint64_t kind = random_.below(5);
    if (kind == 0) {
      const Status status = world_.close();
      ASSERT_TRUE(status.ok()) << status.message();
    } else if (kind == 1) {
      world_.kill();
    } else {
      files_.cut_power();
      world_.kill();
      files_.crash(static_cast<TearMode>(kind - 2));
    }
    if (random_.one_in(4)) world_.isolate_namespaces(!world_.isolates_namespaces());
    const Status status = world_.open();
    ASSERT_TRUE(status.ok()) << status.message();
    for (auto& [name, tracked] : tracked_) {
      name_ = name;
      const auto opened = collection();
      ASSERT_NE(opened, nullptr);
      EXPECT_TRUE(tracked.oracle.equals(*opened, now())) << name << ", restart kind " << kind;
      EXPECT_TRUE(tracked.oracle.agrees_on_search(*opened, search_for_all(maker().vector()), now()))
          << name;
      EXPECT_GE(opened->stats().lsn, tracked.lsn);
    }
  }

  /// Built in the background: later steps meet it half done, or a restart does.
  void change_index() {
    const Status status =
        world_.database().configure(name_, [this](CollectionConfig& config) -> Status {
          draw_index(config.index);
          return {};
        });
    ASSERT_TRUE(status.ok()) << status.message();
    tracked().config = collection()->config();
  }

  void replace_collection() {
    const Status status = world_.database().drop(name_);
    ASSERT_TRUE(status.ok()) << status.message();
    tracked_.erase(name_);
    auto gone = world_.database().find(name_);
    ASSERT_FALSE(gone.ok());
    EXPECT_EQ(gone.error().code(), Code::kNotFound);
    if (random_.one_in(2)) {
      create(name_);
    } else {
      const std::string other = "c-" + std::to_string(random_.below(1000));
      if (!tracked_.contains(other)) create(other);
      if (tracked_.empty()) create("alpha");
    }
  }

  void ask_wrongly() {
    auto again = world_.database().create(tracked().config);
    ASSERT_FALSE(again.ok());
    EXPECT_EQ(again.error().message(), "collection '" + name_ + "' already exists");
    auto missing = world_.database().find("nobody");
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().message(), "collection 'nobody' not found");
    EXPECT_EQ(world_.database().drop("nobody").code(), Code::kNotFound);
    SearchRequest request;
    request.vector.assign(tracked().config.dimension + 1, 0.5f);
    auto found = collection()->search(request);
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().code(), Code::kInvalidDimension);
    EXPECT_EQ(world_.database().list().size(), tracked_.size());
  }

  Random random_;
  SimFiles files_;
  World world_;
  std::map<std::string, Tracked> tracked_;
  std::string name_;  // of the collection that the step is about
  uint64_t graph_found_ = 0;
  uint64_t graph_wanted_ = 0;
  uint64_t restores_ = 0;
  uint64_t restores_of_a_write_ = 0;
};

class Model : public testing::TestWithParam<uint64_t> {};

TEST_P(Model, DatabaseAgreesWithTheOracle) {
  const uint64_t seed = setting("FERRES_SEED", 0) + GetParam();
  const uint64_t operations = setting("FERRES_OPS", 25'000);
  SCOPED_TRACE("FERRES_SEED=" + std::to_string(seed - GetParam()) + " of seed " +
               std::to_string(GetParam()));
  ModelRun run(seed);
  ASSERT_NO_FATAL_FAILURE(run.start());
  for (uint64_t i = 0; i < operations; ++i) {
    run.step();
    ASSERT_FALSE(HasFailure()) << "at operation " << i << ", seed " << seed;
  }
  run.finish();
}

INSTANTIATE_TEST_SUITE_P(Seeds, Model, testing::Range<uint64_t>(1, 9));

}  // namespace
}  // namespace ferres::sim
