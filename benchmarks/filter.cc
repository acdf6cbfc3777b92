// Every point gets a random number and the rank of its distance from one query, so that a filter on
// the one matches anywhere and on the other only near that query or only far from it. Each filter
// is swept over ef_search until its recall is reached; what its searches cost then is printed
// beside the unfiltered search at the same recall.
#include "filter.h"

#include <algorithm>
#include <fstream>
#include <numeric>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/random.h"
#include "collection/config.h"
#include "filter/predicate.h"
#include "folder.h"
#include "kernels/distance.h"
#include "local.h"
#include "measure.h"

namespace ferres::bench {
namespace {

constexpr uint64_t kRandomValues = 1000;
constexpr double kShares[] = {0.001, 0.01, 0.04, 0.1, 0.2, 0.5};

struct Named {
  std::string name;
  std::string json;          // empty: no filter
  bool near_anchor = false;  // asked with the queries nearest to the anchor
};

struct Row {
  uint64_t matches = 0;
  uint32_t ef = 0;
  double recall = 0;
  double p50_us = 0;
  double p99_us = 0;
};

/// Positions of `vectors` by distance from `from`, nearest first.
std::vector<size_t> by_distance(const Matrix<float>& vectors, std::span<const float> from) {
  std::vector<float> distances(vectors.rows);
  for (size_t i = 0; i < vectors.rows; ++i)
    distances[i] = kernels().l2_squared(from.data(), vectors.row(i).data(), from.size());
  std::vector<size_t> order(vectors.rows);
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return distances[a] < distances[b]; });
  return order;
}

Result<std::vector<std::string>> read_lines(const std::string& path, size_t count) {
  std::vector<std::string> lines(count, "{}");
  if (path.empty()) return lines;
  std::ifstream in(path);
  for (std::string& line : lines) {
    if (!std::getline(in, line) || line.size() < 2 || line.front() != '{') {
      return Status(Code::kInvalidArgument, path + ": a JSON object a line, one for every vector");
    }
  }
  return lines;
}

std::vector<Named> all_filters(const FilterOptions& options, size_t points) {
  std::vector<Named> filters = {{"none", "", false}};
  for (const double share : kShares) {
    filters.push_back({fmt::format("random {}%", share * 100),
                       fmt::format(R"({{"random":{{"$lt":{}}}}})", share * kRandomValues), false});
  }
  for (const double share : kShares) {
    const auto count = static_cast<size_t>(share * static_cast<double>(points));
    filters.push_back({fmt::format("far {}%", share * 100),
                       fmt::format(R"({{"rank":{{"$gte":{}}}}})", points - count), true});
  }
  for (const std::string& filter : options.filters)
    filters.push_back({filter, filter, false});
  return filters;
}

std::vector<SearchRequest> make_requests(const Matrix<float>& queries,
                                         std::span<const size_t> order, size_t count, size_t k) {
  std::vector<SearchRequest> requests(std::min(count, order.size()));
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto row = queries.row(order[i]);
    requests[i].vector.assign(row.begin(), row.end());
    requests[i].limit = static_cast<uint32_t>(k);
    requests[i].with_metadata = false;
  }
  return requests;
}

Result<std::vector<int32_t>> run_all(Collection& collection, std::vector<SearchRequest>& requests,
                                     std::vector<double>& latencies_us) {
  const size_t k = requests.front().limit;
  std::vector<int32_t> found(requests.size() * k, -1);
  latencies_us.clear();
  for (size_t i = 0; i < requests.size(); ++i) {
    const double start = wall_seconds();
    TRY_ASSIGN(const SearchResult result, collection.search(requests[i]));
    latencies_us.push_back((wall_seconds() - start) * 1e6);
    for (size_t j = 0; j < result.hits.size(); ++j)
      found[i * k + j] = id_number(result.hits[j].point.id);
  }
  return found;
}

/// Of what the exact search found, how much `found` holds. Fewer than k may match.
double share_found(std::span<const int32_t> found, std::span<const int32_t> truth, size_t k) {
  size_t wanted = 0;
  size_t hit = 0;
  for (size_t at = 0; at < truth.size(); at += k) {
    const auto row = found.subspan(at, k);
    for (const int32_t id : truth.subspan(at, k)) {
      if (id < 0) continue;
      ++wanted;
      hit += std::find(row.begin(), row.end(), id) != row.end();
    }
  }
  return wanted == 0 ? 1 : static_cast<double>(hit) / static_cast<double>(wanted);
}

Result<Row> sweep(Collection& collection, std::vector<SearchRequest> requests,
                  const Predicate* predicate, const std::vector<uint32_t>& efs, double wanted) {
  std::vector<double> latencies;
  for (SearchRequest& request : requests) {
    request.filter = predicate;
    request.exact = true;
  }
  Row row;
  ListRequest count;
  count.filter = predicate;
  count.count_only = true;
  TRY_ASSIGN(const ListResult counted, collection.list(count));
  row.matches = counted.total;
  TRY_ASSIGN(const std::vector<int32_t> truth, run_all(collection, requests, latencies));
  for (const uint32_t ef : efs) {
    for (SearchRequest& request : requests) {
      request.exact = false;
      request.ef_search = ef;
    }
    std::vector<int32_t> found;
    row.ef = ef;
    row.p50_us = 0;
    for (int pass = 0; pass < kPasses; ++pass) {
      TRY_ASSIGN(found, run_all(collection, requests, latencies));
      const double p50 = percentile(latencies, 0.5);
      if (row.p50_us != 0 && p50 >= row.p50_us) continue;
      row.p50_us = p50;
      row.p99_us = percentile(latencies, 0.99);
    }
    row.recall = share_found(found, truth, requests.front().limit);
    if (row.recall >= wanted) break;
  }
  return row;
}

Result<std::shared_ptr<Collection>> fill(Home& home, const FilterOptions& options,
                                         const Matrix<float>& base, std::span<const float> anchor) {
  TRY_ASSIGN(const std::string body,
             collection_body(options.config, kCollectionName, base.columns, options.metric));
  TRY_ASSIGN(CollectionConfig config, decode_config(body));
  TRY(resolve_index(config));
  TRY_ASSIGN(auto collection, home.database().create(std::move(config)));
  TRY_ASSIGN(const std::vector<std::string> lines, read_lines(options.payload, base.rows));
  const std::vector<size_t> order = by_distance(base, anchor);
  std::vector<size_t> rank(base.rows);
  for (size_t i = 0; i < order.size(); ++i)
    rank[order[i]] = i;
  Random random(options.seed);
  TRY(insert_all(*collection, base, [&](size_t i) {
    const std::string& line = lines[i];
    return fmt::format(R"({{"random":{},"rank":{}{}{})", random.below(kRandomValues), rank[i],
                       line == "{}" ? "" : ",", line.substr(1));
  }));
  return collection;
}

}  // namespace

Status run_filter(const FilterOptions& options) {
  const std::vector<uint32_t> efs = parse_list(options.efs);
  if (efs.empty()) return {Code::kInvalidArgument, "ef: a list of numbers above 0"};
  TRY_ASSIGN(const Matrix<float> base, read_vectors(options.base));
  TRY_ASSIGN(const Matrix<float> queries, read_vectors(options.queries));
  if (queries.rows == 0 || queries.columns != base.columns) {
    return {Code::kInvalidArgument, "queries: as many columns as base"};
  }
  const std::vector<size_t> near = by_distance(queries, queries.row(0));
  std::vector<size_t> in_order(queries.rows);
  std::iota(in_order.begin(), in_order.end(), size_t{0});
  TRY_ASSIGN(const Folder folder, Folder::open("", Folder::AtEnd::kKeep));
  Home home(folder.path(), 1);
  TRY(home.open());
  std::string rows;
  {
    TRY_ASSIGN(const auto collection, fill(home, options, base, queries.row(0)));
    pin_thread(0);
    fmt::print("{:<24} {:>8} {:>5} {:>7} {:>9} {:>9} {:>7}\n", "filter", "matches", "ef", "recall",
               "p50 us", "p99 us", "ratio");
    double plain_us = 0;
    for (const Named& filter : all_filters(options, base.rows)) {
      std::optional<Predicate> predicate;
      if (!filter.json.empty()) {
        TRY_ASSIGN(predicate, Predicate::parse(filter.json));
      }
      const auto& order = filter.near_anchor ? near : in_order;
      TRY_ASSIGN(const Row row,
                 sweep(*collection, make_requests(queries, order, options.queries_max, options.k),
                       predicate ? &*predicate : nullptr, efs, options.recall));
      if (filter.json.empty()) plain_us = row.p50_us;
      fmt::print("{:<24} {:>8} {:>5} {:>7.4f} {:>9.1f} {:>9.1f} {:>7.2f}\n", filter.name,
                 row.matches, row.ef, row.recall, row.p50_us, row.p99_us, row.p50_us / plain_us);
      JsonObject json;
      json.raw("filter", filter.json.empty() ? "null" : filter.json);
      json.integer("matches", row.matches);
      json.integer("ef", row.ef);
      json.number("recall", row.recall);
      json.number("p50_us", row.p50_us);
      json.number("p99_us", row.p99_us);
      json.number("ratio_to_unfiltered", row.p50_us / plain_us);
      rows += (rows.empty() ? "" : ", ") + json.str();
    }
  }
  TRY(home.close());
  JsonObject json;
  json.integer("n", base.rows);
  json.integer("dim", base.columns);
  json.number("recall_wanted", options.recall);
  json.raw("filters", "[" + rows + "]");
  if (!write_json(options.json, json.str())) return {Code::kIo, options.json + ": cannot write"};
  return {};
}

}  // namespace ferres::bench
