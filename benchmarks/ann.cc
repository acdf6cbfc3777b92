// Builds a collection in a folder of its own (durable upserts in batches of 1 000, so the build
// passes the log), waits until every point is linked, checkpoints, sweeps ef_search, and opens it
// again. One query at a time a thread; each search thread is pinned to a CPU.
#include "ann.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "collection/collection.h"
#include "collection/config.h"
#include "data_set.h"
#include "folder.h"
#include "kernels/distance.h"
#include "local.h"
#include "measure.h"
#include "sweep.h"

namespace ferres::bench {
namespace {

/// Seconds from the closed folder to the answer of the first search.
Result<double> measure_open(Home& home, const DataSet& set, size_t k) {
  TRY(home.close());
  std::vector<SearchRequest> requests = make_requests(set.queries, k);
  const double start = wall_seconds();
  TRY(home.open());
  TRY_ASSIGN(const auto collection, home.database().find(kCollectionName));
  TRY_ASSIGN(const auto first, collection->search(requests.front()));
  const double seconds = wall_seconds() - start;
  if (first.hits.size() < std::min(k, set.base.rows)) {
    return Status(Code::kInternal, "the reopened collection answers too little");
  }
  return seconds;
}

/// What a target_recall gives on queries that the collection has never seen.
Status measure_targets(Collection& collection, const DataSet& set, const AnnOptions& options,
                       JsonObject& json) {
  const double start = wall_seconds();
  TRY(collection.calibrate(static_cast<uint32_t>(options.k)));
  const double seconds = wall_seconds() - start;
  fmt::print("calibrated in {:.2f} s\n", seconds);
  json.number("calibrate_s", seconds);
  std::vector<SearchRequest> requests = make_requests(set.queries, options.k);
  // Every second query is learnt from, and the others are measured.
  std::vector<SearchRequest> unseen;
  Matrix<int32_t> truth = {.rows = 0, .columns = set.truth.columns, .values = {}};
  for (size_t i = 0; i < requests.size(); ++i) {
    if (i % 2 == 0) {
      requests[i].target_recall = 0.95;
      if (auto found = collection.search(requests[i]); !found.ok()) return std::move(found).error();
      continue;
    }
    unseen.push_back(std::move(requests[i]));
    const std::span<const int32_t> row = set.truth.row(i);
    truth.values.insert(truth.values.end(), row.begin(), row.end());
    ++truth.rows;
  }
  TRY(collection.calibrate(static_cast<uint32_t>(options.k)));
  std::string rows;
  for (const double target : options.targets) {
    for (SearchRequest& request : unseen)
      request.target_recall = target;
    TRY_ASSIGN(const CurvePoint point,
               measure_point(collection, unseen, truth, {options.k, options.threads}));
    rows += fmt::format(R"({}{{"target": {}, "ef": {}, "recall": {:.4f}}})",
                        rows.empty() ? "" : ", ", target, point.ef, point.recall);
  }
  json.raw("targets", "[" + rows + "]");
  return {};
}

void describe(JsonObject& json, const AnnOptions& options, const DataSet& set,
              const CollectionConfig& config) {
  json.text("engine", "ferresdb");
  json.text("isa", std::string(kernels().isa));
  json.text("metric", options.metric);
  json.integer("n", set.base.rows);
  json.integer("dim", set.base.columns);
  json.integer("k", options.k);
  json.integer("threads", options.threads);
  json.integer("seed", options.seed);
  json.raw("settings",
           fmt::format(R"({{"index": "{}", "m": {}, "ef_construction": {}}})", config.index.type,
                       config.index.m, config.index.ef_construction));
  json.boolean("build_passes_log", true);
}

}  // namespace

Status run_ann(const AnnOptions& options) {
  const std::vector<uint32_t> efs = parse_list(options.efs);
  if (efs.empty() || options.threads == 0) {
    return {Code::kInvalidArgument, "ef: a list of numbers above 0; threads: at least 1"};
  }
  TRY_ASSIGN(const DataSet set,
             read_data_set(options.base, options.queries, options.truth, options.k));
  TRY_ASSIGN(const std::string body,
             collection_body(options.config, kCollectionName, set.base.columns, options.metric));
  TRY_ASSIGN(CollectionConfig config, decode_config(body));
  config.index.seed = options.seed;
  TRY(resolve_index(config));
  JsonObject json;
  describe(json, options, set, config);
  TRY_ASSIGN(const Folder folder, Folder::open(options.dir, Folder::AtEnd::kKeep));
  Home home(folder.path(), options.threads);
  TRY(home.open());
  {
    TRY_ASSIGN(const auto collection, home.database().create(std::move(config)));
    const double wall_start = wall_seconds();
    const double cpu_start = process_cpu_seconds();
    TRY(insert_all(*collection, set.base, {}));
    json.number("build_s", wall_seconds() - wall_start);
    json.number("build_cpu_s", process_cpu_seconds() - cpu_start);
    fmt::print("built {} points in {:.2f} s\n", set.base.rows, wall_seconds() - wall_start);
    TRY(collection->checkpoint());
    const CollectionStats stats = collection->stats();
    const auto points = static_cast<double>(set.base.rows);
    json.number(
        "bytes_per_vector_ram",
        static_cast<double>(stats.memory_bytes_vectors + stats.memory_bytes_index) / points);
    json.number("bytes_per_vector_disk", static_cast<double>(stats.disk_bytes) / points);
    json.number("bytes_per_point_outside_index",
                static_cast<double>(stats.memory_bytes_points) / points);
    TRY_ASSIGN(const auto curve,
               sweep(*collection, set.queries, set.truth, efs, {options.k, options.threads}));
    json.raw("curve", curve_json(curve));
    if (!options.targets.empty()) TRY(measure_targets(*collection, set, options, json));
  }
  TRY_ASSIGN(const double open_s, measure_open(home, set, options.k));
  json.number("open_s", open_s);
  TRY(home.close());
  if (!write_json(options.json, json.str())) return {Code::kIo, options.json + ": cannot write"};
  return {};
}

}  // namespace ferres::bench
