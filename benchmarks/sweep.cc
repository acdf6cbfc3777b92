// See sweep.h. One query at a time a thread; each search thread is pinned to a CPU.
#include "sweep.h"

#include <algorithm>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "local.h"

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

}  // namespace

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

Result<CurvePoint> measure_point(Collection& collection, std::vector<SearchRequest>& requests,
                                 const Matrix<int32_t>& truth, const SweepOptions& options) {
  Pass best;
  for (int i = 0; i < kPasses; ++i) {
    TRY_ASSIGN(Pass pass, run_pass(collection, requests, options.threads));
    if (i == 0 || pass.wall < best.wall) best = std::move(pass);
  }
  TRY_ASSIGN(const auto one, collection.search(requests.front()));
  const auto count = static_cast<double>(requests.size());
  CurvePoint point;
  point.ef = one.ef_search;
  point.recall = recall(best.found, truth.values, truth.columns, options.k);
  point.qps = count / best.wall;
  point.qps_cpu = count / best.cpu;
  point.p50_us = percentile(best.latencies_us, 0.5);
  point.p99_us = percentile(best.latencies_us, 0.99);
  fmt::print("ef {:>4}  recall {:.4f}  qps {:>9.1f}  p50 {:>7.1f} us  p99 {:>7.1f} us\n", point.ef,
             point.recall, point.qps, point.p50_us, point.p99_us);
  return point;
}

Result<std::vector<CurvePoint>> sweep(Collection& collection, const Matrix<float>& queries,
                                      const Matrix<int32_t>& truth,
                                      const std::vector<uint32_t>& efs,
                                      const SweepOptions& options) {
  std::vector<SearchRequest> requests = make_requests(queries, options.k);
  std::vector<CurvePoint> curve;
  for (const uint32_t ef : efs) {
    for (SearchRequest& request : requests)
      request.ef_search = ef;
    TRY_ASSIGN(curve.emplace_back(), measure_point(collection, requests, truth, options));
    if (curve.back().recall > kRecallEnough) break;
  }
  return curve;
}

}  // namespace ferres::bench
