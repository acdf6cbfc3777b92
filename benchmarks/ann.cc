// Builds a collection in a folder of its own (durable upserts in batches of 1 000, so the build
// passes the log), waits until every point is linked, checkpoints, sweeps ef_search, and opens it
// again. One query at a time a thread; each search thread is pinned to a CPU.
#include "ann.h"

#include <algorithm>
#include <thread>
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

namespace ferres::bench {
namespace {

struct Pass {
  double wall = 0;
  double cpu = 0;
  std::vector<double> latencies_us;
  std::vector<int32_t> found;
};

/// Queries first, first + step, ... one after another on the calling thread.
Status search_share(Collection& collection, std::vector<SearchRequest>& requests, size_t first,
                    size_t step, Pass& pass) {
  pin_thread(first);
  const double cpu_start = thread_cpu_seconds();
  for (size_t i = first; i < requests.size(); i += step) {
    const double start = wall_seconds();
    const auto result = collection.search(requests[i]);
    pass.latencies_us.push_back((wall_seconds() - start) * 1e6);
    if (!result.ok()) return result.error().clone();
    const size_t k = requests[i].limit;
    for (size_t j = 0; j < std::min(k, result->hits.size()); ++j) {
      pass.found[i * k + j] = id_number(result->hits[j].point.id);
    }
  }
  pass.cpu = thread_cpu_seconds() - cpu_start;
  return {};
}

Result<Pass> run_pass(Collection& collection, std::vector<SearchRequest>& requests,
                      size_t threads) {
  const size_t slots = requests.size() * requests.front().limit;
  std::vector<Pass> shares(threads);
  for (Pass& share : shares)
    share.found.assign(slots, -1);
  std::vector<Status> statuses(threads);
  const double start = wall_seconds();
  {
    // The caller's own thread stays free: pinning it would bind every thread that it starts later.
    std::vector<std::jthread> workers;
    workers.reserve(threads);
    for (size_t t = 0; t < threads; ++t) {
      workers.emplace_back(
          [&, t] { statuses[t] = search_share(collection, requests, t, threads, shares[t]); });
    }
  }
  Pass whole = std::move(shares[0]);
  whole.wall = wall_seconds() - start;
  TRY(std::move(statuses[0]));
  for (size_t t = 1; t < threads; ++t) {
    TRY(std::move(statuses[t]));
    whole.cpu += shares[t].cpu;
    whole.latencies_us.insert(whole.latencies_us.end(), shares[t].latencies_us.begin(),
                              shares[t].latencies_us.end());
    for (size_t i = 0; i < slots; ++i)
      whole.found[i] = std::max(whole.found[i], shares[t].found[i]);
  }
  return whole;
}

std::vector<SearchRequest> make_requests(const Matrix<float>& queries, size_t k) {
  std::vector<SearchRequest> requests(queries.rows);
  for (size_t i = 0; i < queries.rows; ++i) {
    const auto row = queries.row(i);
    requests[i].vector.assign(row.begin(), row.end());
    requests[i].limit = static_cast<uint32_t>(k);
    requests[i].with_metadata = false;
  }
  return requests;
}

Result<std::vector<CurvePoint>> sweep(Collection& collection, const DataSet& set,
                                      const std::vector<uint32_t>& efs, const AnnOptions& options) {
  std::vector<SearchRequest> requests = make_requests(set.queries, options.k);
  std::vector<CurvePoint> curve;
  for (const uint32_t ef : efs) {
    for (SearchRequest& request : requests)
      request.ef_search = ef;
    Pass best;
    for (int i = 0; i < kPasses; ++i) {
      TRY_ASSIGN(Pass pass, run_pass(collection, requests, options.threads));
      if (i == 0 || pass.wall < best.wall) best = std::move(pass);
    }
    const auto count = static_cast<double>(requests.size());
    CurvePoint point;
    point.ef = ef;
    point.recall = recall(best.found, set.truth.values, set.truth.columns, options.k);
    point.qps = count / best.wall;
    point.qps_cpu = count / best.cpu;
    point.p50_us = percentile(best.latencies_us, 0.5);
    point.p99_us = percentile(best.latencies_us, 0.99);
    fmt::print("ef {:>4}  recall {:.4f}  qps {:>9.1f}  p50 {:>7.1f} us  p99 {:>7.1f} us\n", ef,
               point.recall, point.qps, point.p50_us, point.p99_us);
    curve.push_back(point);
    if (point.recall > kRecallEnough) break;
  }
  return curve;
}

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
    TRY_ASSIGN(const auto curve, sweep(*collection, set, efs, options));
    json.raw("curve", curve_json(curve));
  }
  TRY_ASSIGN(const double open_s, measure_open(home, set, options.k));
  json.number("open_s", open_s);
  TRY(home.close());
  if (!write_json(options.json, json.str())) return {Code::kIo, options.json + ": cannot write"};
  return {};
}

}  // namespace ferres::bench
