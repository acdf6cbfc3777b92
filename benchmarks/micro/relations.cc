// What links between points cost: links a second through the log, memory and disk a link, updates
// of points that have many, and how long a subgraph takes. Links are drawn at random, a share of
// them at one hub. Build with --target relations_bench, then relations_bench [POINTS [LINKS]];
// prints one JSON object.
#include <cstdio>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/random.h"
#include "db/database.h"
#include "folder.h"
#include "local.h"
#include "measure.h"

namespace ferres::bench {
namespace {

constexpr size_t kRunningMax = 1024;  // writes that wait for their commit at once
constexpr uint32_t kDim = 8;

/// Links under way.
class Linker {
 public:
  explicit Linker(Collection& collection) : collection_(collection) {}

  void link(uint64_t from, uint64_t to) {
    {
      const MutexLock lock(mutex_);
      while (running_ == kRunningMax)
        changed_.wait_for(mutex_, 1000);
      ++running_;
    }
    const LinkRequest request{{std::to_string(from), std::nullopt},
                              {std::to_string(to), std::nullopt}};
    collection_.link(request, [this](const Result<LinkResult>& result) {
      CHECK(result.ok());
      const MutexLock lock(mutex_);
      --running_;
      changed_.signal_all();
    });
  }
  void drain() {
    const MutexLock lock(mutex_);
    while (running_ > 0)
      changed_.wait_for(mutex_, 1000);
  }

 private:
  Collection& collection_;
  Mutex mutex_;
  CondVar changed_;
  size_t running_ GUARDED_BY(mutex_) = 0;
};

struct Size {
  uint64_t memory = 0;
  uint64_t disk = 0;
};

Size size_of(Collection& collection) {
  CHECK(collection.checkpoint().ok());
  CHECK(collection.forget().ok());  // so that files hold what is in force alone
  const CollectionStats stats = collection.stats();
  return {stats.memory_bytes_points, stats.disk_bytes};
}

void fill(Collection& collection, uint64_t points) {
  Random random(1);
  for (uint64_t first = 0; first < points; first += kPointsPerUpsertMax) {
    UpsertRequest request;
    for (uint64_t i = first; i < std::min(points, first + kPointsPerUpsertMax); ++i) {
      std::vector<float> vector(kDim);
      for (float& x : vector)
        x = static_cast<float>(random.unit() - 0.5);
      request.points.push_back({std::to_string(i), std::nullopt, std::move(vector), "{}", {}});
    }
    CHECK(collection.upsert(std::move(request)).ok());
  }
}

/// Seconds a link.
double link_some(Collection& collection, uint64_t links, uint64_t points, bool at_hub) {
  Random random(at_hub ? 2 : 3);
  Linker linker(collection);
  const double start = wall_seconds();
  for (uint64_t i = 0; i < links; ++i) {
    const uint64_t from = at_hub ? 0 : random.below(points);
    const uint64_t to = at_hub ? 1 + i % (points - 1) : random.below(points);
    if (from != to) linker.link(from, to);
  }
  linker.drain();
  return (wall_seconds() - start) / static_cast<double>(links);
}

void subgraphs(Collection& collection, uint64_t points, JsonObject& json) {
  Random random(4);
  for (const uint32_t depth : {1u, 2u}) {
    std::vector<double> millis;
    for (int i = 0; i < 500; ++i) {
      SubgraphRequest request;
      request.center = {std::to_string(1 + random.below(points - 1)), std::nullopt};
      request.depth = depth;
      const double start = wall_seconds();
      CHECK(collection.subgraph(request).ok());
      millis.push_back((wall_seconds() - start) * 1e3);
    }
    const std::string key = "subgraph_depth_" + std::to_string(depth);
    json.number((key + "_ms_p50").c_str(), percentile(millis, 0.5));
    json.number((key + "_ms_p99").c_str(), percentile(millis, 0.99));
  }
}

void updates_of_hub(Collection& collection, JsonObject& json) {
  std::vector<double> millis;
  for (int i = 0; i < 200; ++i) {
    UpsertRequest request;
    request.points.push_back({"0", std::nullopt, std::vector<float>(kDim, 1), "{}", {}});
    const double start = wall_seconds();
    CHECK(collection.upsert(std::move(request)).ok());
    millis.push_back((wall_seconds() - start) * 1e3);
  }
  json.number("hub_update_ms_p50", percentile(millis, 0.5));
  double start = wall_seconds();
  const auto hub = collection.get("0", std::nullopt);
  CHECK(hub.ok());
  json.number("hub_get_ms", (wall_seconds() - start) * 1e3);
  json.integer("hub_links", hub->relations.size());
  start = wall_seconds();
  CHECK(collection.remove({.ids = {"0"}, .ns = {}}).ok());
  json.number("hub_delete_ms", (wall_seconds() - start) * 1e3);
}

int run(uint64_t points, uint64_t links) {
  const auto folder = Folder::open("", Folder::AtEnd::kRemove);
  CHECK(folder.ok());
  Home home(folder->path(), 2);
  CHECK(home.open().ok());
  CollectionConfig config;
  config.name = kCollectionName;
  config.dimension = kDim;
  config.index.type = "flat";
  const auto made = home.database().create(std::move(config));
  CHECK(made.ok());
  Collection& collection = **made;
  fill(collection, points);
  JsonObject json;
  const Size before = size_of(collection);
  const double each = link_some(collection, links, points, false);
  const Size after = size_of(collection);
  json.integer("points", points);
  json.integer("links", links);
  json.number("links_per_second", 1 / each);
  json.number("memory_bytes_per_link",
              static_cast<double>(after.memory - before.memory) / static_cast<double>(links));
  json.number("disk_bytes_per_link",
              static_cast<double>(after.disk - before.disk) / static_cast<double>(links));
  subgraphs(collection, points, json);
  json.number("hub_links_per_second", 1 / link_some(collection, points - 1, points, true));
  updates_of_hub(collection, json);
  std::printf("%s\n", json.str().c_str());
  return home.close().ok() ? 0 : 1;
}

}  // namespace
}  // namespace ferres::bench

int main(int count, char** arguments) {
  const uint64_t points = count > 1 ? std::stoull(arguments[1]) : 100'000;
  const uint64_t links = count > 2 ? std::stoull(arguments[2]) : 1'000'000;
  return ferres::bench::run(points, links);
}
