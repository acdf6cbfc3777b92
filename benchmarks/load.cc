// N connections, a thread each, one request at a time on each: upserts (answered when durable),
// then searches for each ef. Requests are written before the clock starts. The server's CPU time
// comes from /proc, so it must run on this machine and be told by --pid.
#include "load.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <iterator>
#include <memory>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <simdjson.h>

#include "base/mutex.h"
#include "data_set.h"
#include "http_client.h"
#include "measure.h"

namespace ferres::bench {
namespace {

constexpr std::string_view kCollections = "/api/v1/collections";
constexpr double kLinkSecondsMax = 3600;
constexpr uint64_t kAskMicros = 100'000;

struct Phase {
  double wall = 0;
  double server_cpu = 0;
  std::vector<double> latencies_us;
};

/// What one connection asks: request `index`, whose answer it may look at.
using Ask = std::function<Status(HttpClient&, size_t index)>;

Status expect(const HttpAnswer& answer, int status) {
  if (answer.status == status) return {};
  return {Code::kInternal,
          fmt::format("HTTP {} instead of {}: {}", answer.status, status, answer.body)};
}

class Load {
 public:
  Load(const LoadOptions& options, const DataSet& set, Url url)
      : options_(options),
        set_(set),
        url_(std::move(url)),
        path_(fmt::format("{}/{}", kCollections, options.collection)) {}

  Status connect();
  Status create();
  Status drop();
  Result<Phase> ingest();
  /// Waits until the collection says that no point is unlinked; returns at once when it is silent.
  Status wait_until_linked();
  /// Bytes a point beside vectors, codes, links and the payload index (docs/ENGINE.md).
  Result<double> point_bytes();
  Result<Phase> search(uint32_t ef, double* recall_out);

 private:
  Result<Phase> run(size_t count, const Ask& ask);

  const LoadOptions& options_;
  const DataSet& set_;
  Url url_;
  std::string path_;
  std::vector<std::unique_ptr<HttpClient>> clients_;
};

void append_vector(std::string& text, std::span<const float> vector) {
  text += '[';
  for (size_t i = 0; i < vector.size(); ++i) {
    fmt::format_to(std::back_inserter(text), "{}{}", i == 0 ? "" : ",", vector[i]);
  }
  text += ']';
}

Status Load::connect() {
  for (size_t i = 0; i < options_.connections; ++i) {
    TRY_ASSIGN(auto client, HttpClient::connect(url_, options_.key));
    clients_.push_back(std::move(client));
  }
  return {};
}

Status Load::drop() {
  TRY_ASSIGN(const HttpAnswer answer, clients_[0]->request("DELETE", path_, ""));
  return answer.status == 404 ? Status() : expect(answer, 204);
}

Status Load::create() {
  TRY(drop());
  TRY_ASSIGN(const std::string body, collection_body(options_.config, options_.collection,
                                                     set_.base.columns, options_.metric));
  TRY_ASSIGN(const HttpAnswer answer, clients_[0]->request("POST", kCollections, body));
  return expect(answer, 201);
}

/// Requests 0 .. count - 1, spread over the connections in turn.
Result<Phase> Load::run(size_t count, const Ask& ask) {
  const size_t connections = clients_.size();
  std::vector<std::vector<double>> latencies(connections);
  std::vector<Status> statuses(connections);
  Phase phase;
  const double cpu_start = cpu_seconds_of(options_.pid);
  const double start = wall_seconds();
  {
    std::vector<std::jthread> threads;
    threads.reserve(connections);
    for (size_t c = 0; c < connections; ++c) {
      threads.emplace_back([&, c] {
        for (size_t i = c; i < count && statuses[c].ok(); i += connections) {
          const double sent = wall_seconds();
          statuses[c] = ask(*clients_[c], i);
          latencies[c].push_back((wall_seconds() - sent) * 1e6);
        }
      });
    }
  }
  phase.wall = wall_seconds() - start;
  phase.server_cpu = cpu_seconds_of(options_.pid) - cpu_start;
  for (size_t c = 0; c < connections; ++c) {
    TRY(std::move(statuses[c]));
    phase.latencies_us.insert(phase.latencies_us.end(), latencies[c].begin(), latencies[c].end());
  }
  return phase;
}

Result<Phase> Load::ingest() {
  std::vector<std::string> bodies;
  for (size_t start = 0; start < set_.base.rows; start += options_.batch) {
    std::string body = R"({"points":[)";
    const size_t end = std::min(start + options_.batch, set_.base.rows);
    for (size_t i = start; i < end; ++i) {
      fmt::format_to(std::back_inserter(body), R"({}{{"id":"{}","vector":)", i > start ? "," : "",
                     i);
      append_vector(body, set_.base.row(i));
      body += '}';
    }
    bodies.push_back(body + "]}");
  }
  return run(bodies.size(), [&](HttpClient& client, size_t i) -> Status {
    TRY_ASSIGN(const HttpAnswer answer, client.request("POST", path_ + "/points", bodies[i]));
    TRY(expect(answer, 200));
    if (answer.body.find(R"("failed":[])") != std::string_view::npos) return {};
    return {Code::kInternal, fmt::format("points refused: {}", answer.body.substr(0, 500))};
  });
}

Status Load::wait_until_linked() {
  // The server cannot tell when it is done: it is asked.
  Mutex mutex;
  CondVar changed;
  const MutexLock lock(mutex);
  simdjson::dom::parser parser;
  for (const double end = wall_seconds() + kLinkSecondsMax; wall_seconds() < end;) {
    TRY_ASSIGN(const HttpAnswer answer, clients_[0]->request("GET", path_ + "/stats", ""));
    simdjson::dom::element stats;
    uint64_t unlinked = 0;
    if (answer.status != 200 || parser.parse(answer.body).get(stats) != simdjson::SUCCESS ||
        stats["unlinked_points"].get(unlinked) != simdjson::SUCCESS || unlinked == 0) {
      return {};
    }
    changed.wait_for(mutex, kAskMicros);
  }
  return {Code::kDeadline, "the points are still not linked into the graph"};
}

Result<double> Load::point_bytes() {
  TRY_ASSIGN(const HttpAnswer answer, clients_[0]->request("GET", path_ + "/stats", ""));
  simdjson::dom::parser parser;
  simdjson::dom::element stats;
  uint64_t bytes = 0;
  if (answer.status != 200 || parser.parse(answer.body).get(stats) != simdjson::SUCCESS ||
      stats["memory"]["points"].get(bytes) != simdjson::SUCCESS) {
    return 0.0;  // a server that does not tell
  }
  return static_cast<double>(bytes) / static_cast<double>(set_.base.rows);
}

/// Ids of an answer into found, -1 where there are fewer.
Status ids_of_answer(std::string_view body, std::span<int32_t> found) {
  thread_local simdjson::dom::parser parser;
  simdjson::dom::array results;
  if (parser.parse(body)["results"].get(results) != simdjson::SUCCESS) {
    return {Code::kInternal, "the answer of a search has no results"};
  }
  size_t at = 0;
  for (const simdjson::dom::element result : results) {
    std::string_view id;
    if (at == found.size() || result["id"].get(id) != simdjson::SUCCESS) break;
    std::from_chars(id.data(), id.data() + id.size(), found[at++]);
  }
  return {};
}

Result<Phase> Load::search(uint32_t ef, double* recall_out) {
  std::vector<std::string> bodies;
  for (size_t i = 0; i < set_.queries.rows; ++i) {
    std::string body = fmt::format(R"({{"limit":{},"ef_search":{},"vector":)", options_.k, ef);
    append_vector(body, set_.queries.row(i));
    bodies.push_back(body + "}");
  }
  std::vector<int32_t> found(bodies.size() * options_.k, -1);
  auto phase = run(bodies.size(), [&](HttpClient& client, size_t i) -> Status {
    TRY_ASSIGN(const HttpAnswer answer, client.request("POST", path_ + "/search", bodies[i]));
    TRY(expect(answer, 200));
    return ids_of_answer(answer.body, std::span(found).subspan(i * options_.k, options_.k));
  });
  *recall_out = recall(found, set_.truth.values, set_.truth.columns, options_.k);
  return phase;
}

Result<std::string> sweep(Load& load, const LoadOptions& options, size_t queries) {
  std::string curve;
  for (const uint32_t ef : parse_list(options.efs)) {
    Phase best;
    double found = 0;
    for (int i = 0; i < kPasses; ++i) {
      TRY_ASSIGN(Phase phase, load.search(ef, &found));
      if (i == 0 || phase.wall < best.wall) best = std::move(phase);
    }
    const auto count = static_cast<double>(queries);
    JsonObject point;
    point.integer("ef", ef);
    point.number("recall", found);
    point.number("qps", count / best.wall);
    point.number("p50_us", percentile(best.latencies_us, 0.5));
    point.number("p99_us", percentile(best.latencies_us, 0.99));
    if (options.pid != 0) point.number("server_cpu_us", best.server_cpu * 1e6 / count);
    fmt::print("{}\n", point.str());
    curve += (curve.empty() ? "\n  " : ",\n  ") + point.str();
    if (found > kRecallEnough) break;
  }
  return "[" + curve + "]";
}

Status fill(Load& load, const LoadOptions& options, size_t rows, JsonObject& json) {
  TRY(load.create());
  json.integer("batch", options.batch);
  TRY_ASSIGN(Phase ingest, load.ingest());
  const auto points = static_cast<double>(rows);
  json.number("ingest_points_per_s", points / ingest.wall);
  json.number("ingest_p50_us", percentile(ingest.latencies_us, 0.5));
  json.number("ingest_p99_us", percentile(ingest.latencies_us, 0.99));
  if (options.pid != 0) {
    json.number("ingest_server_cpu_us_per_point", ingest.server_cpu * 1e6 / points);
  }
  fmt::print("{} points in {:.2f} s\n", rows, ingest.wall);
  const double wait_start = wall_seconds();
  TRY(load.wait_until_linked());
  json.number("link_rest_s", wall_seconds() - wait_start);
  TRY_ASSIGN(const double point_bytes, load.point_bytes());
  json.number("point_bytes", point_bytes);
  fmt::print("{:.1f} bytes a point beside vectors, links and payload index\n", point_bytes);
  return {};
}

}  // namespace

Status run_load(const LoadOptions& options) {
  if (parse_list(options.efs).empty() || options.connections == 0 || options.batch == 0) {
    return {Code::kInvalidArgument,
            "ef: a list of numbers above 0; connections and batch: at least 1"};
  }
  TRY_ASSIGN(const DataSet set,
             read_data_set(options.base, options.queries, options.truth, options.k));
  TRY_ASSIGN(Url url, parse_url(options.url));
  Load load(options, set, std::move(url));
  TRY(load.connect());
  JsonObject json;
  json.integer("n", set.base.rows);
  json.integer("dim", set.base.columns);
  json.integer("connections", options.connections);
  if (options.only != "search") TRY(fill(load, options, set.base.rows, json));
  if (options.only != "fill") {
    TRY_ASSIGN(const std::string curve, sweep(load, options, set.queries.rows));
    json.raw("curve", curve);
  }
  if (options.only.empty()) TRY(load.drop());
  if (!write_json(options.json, json.str())) return {Code::kIo, options.json + ": cannot write"};
  return {};
}

}  // namespace ferres::bench
