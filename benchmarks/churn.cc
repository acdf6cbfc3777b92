// Each collection lives in a child process, so that its resident memory is nobody else's. After
// each turnover the child checkpoints and waits; the parent opens a second view of that checkpoint
// and audits its graph from the root: so the audit also sees what a restart would, and its own
// memory is not the child's. What must hold at the end is printed as held or missed.
#include "churn.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "churn_load.h"
#include "collection/partition.h"
#include "data_set.h"
#include "folder.h"
#include "kernels/distance.h"
#include "local.h"
#include "measure.h"

namespace ferres::bench {
namespace {

constexpr std::array<std::pair<std::string_view, Pattern>, 3> kPatterns = {
    {{"random", Pattern::kRandom},
     {"clustered", Pattern::kClustered},
     {"sliding", Pattern::kSliding}}};
constexpr double kRecallLossMax = 0.01;
constexpr double kGrowthMax = 1.05;
constexpr double kMiB = 1 << 20;

/// Points that no search can reach from the root, as the newest checkpoint has them.
Result<uint64_t> unreachable_points(const ChurnWork& work, uint64_t points) {
  const std::string dir = work.dir + "/collections/" + kCollectionName;
  FileSystem& files = posix_files();
  TRY_ASSIGN(const std::vector<Lsn> lsns, list_manifests(files, dir + "/checkpoints"));
  if (lsns.empty()) return Status(Code::kInternal, dir + ": no checkpoint");
  TRY_ASSIGN(const Manifest manifest, read_manifest(files, dir + "/checkpoints", lsns.back()));
  TRY_ASSIGN(const auto partition,
             Partition::open({&files, dir, work.config, 0}, {}, manifest.stores));
  const IndexStats stats = partition->derived().index->audit();
  if (stats.points != points) {
    return Status(Code::kInternal, fmt::format("{} points in the graph of a checkpoint with {}",
                                               stats.points, points));
  }
  return stats.unreachable;
}

/// Child's end: sends a sample and waits until the parent has looked at the files.
Status send_sample(int socket, const ChurnSample& sample) {
  char answer = 0;
  if (::send(socket, &sample, sizeof sample, 0) != ssize_t{sizeof sample} ||
      ::recv(socket, &answer, 1, 0) != 1) {
    return {Code::kIo, "the parent is gone"};
  }
  return {};
}

void print_row(std::string_view pattern, const std::string& when, const ChurnSample& sample) {
  fmt::print(
      "{:<10} {:>6} {:>8} {:>7.1f} {:>7.1f} {:>7.4f} {:>6} {:>5} {:>8.1f} {:>8.1f} {:>8.1f}\n",
      pattern, when, sample.points, sample.wall_s, sample.cpu_s, sample.recall, sample.unreachable,
      sample.dead_points, static_cast<double>(sample.resident_bytes) / kMiB,
      static_cast<double>(sample.stats_bytes) / kMiB,
      static_cast<double>(sample.file_bytes) / kMiB);
  std::fflush(stdout);
}

/// Runs `body` in a child and returns what it reported; `named` says what the n-th sample is.
Result<std::vector<ChurnSample>> run_child(const ChurnWork& work, std::string_view pattern,
                                           const std::function<std::string(size_t)>& named,
                                           const std::function<Status(const ReportChurn&)>& body) {
  std::array<int, 2> ends{};
  // Packets: a sample arrives whole or not at all.
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends.data()) != 0) {
    return Status(Code::kIo, "cannot make a socket pair");
  }
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    (void)::close(ends[0]);
    const Status status =
        body([&](const ChurnSample& sample) { return send_sample(ends[1], sample); });
    if (!status.ok()) fmt::print(stderr, "ferresdb-bench: {}\n", status.message());
    _exit(status.ok() ? 0 : 1);
  }
  (void)::close(ends[1]);
  std::vector<ChurnSample> samples;
  Status failure = child < 0 ? Status(Code::kInternal, "cannot fork") : Status();
  ChurnSample sample;
  while (failure.ok() && ::recv(ends[0], &sample, sizeof sample, 0) == ssize_t{sizeof sample}) {
    auto audited = unreachable_points(work, sample.points);
    if (!audited.ok()) {
      failure = std::move(audited).error();
      break;
    }
    sample.unreachable = *audited;
    print_row(pattern, named(samples.size()), sample);
    samples.push_back(sample);
    const char answer = 1;
    (void)::send(ends[0], &answer, 1, MSG_NOSIGNAL);
  }
  (void)::close(ends[0]);  // a child that still works fails at its next sample
  int status = 0;
  if (child > 0) (void)waitpid(child, &status, 0);
  TRY(std::move(failure));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || samples.empty()) {
    return Status(Code::kInternal, "the child process failed");
  }
  return samples;
}

std::string sample_json(const ChurnSample& sample) {
  JsonObject json;
  json.integer("points", sample.points);
  json.number("wall_s", sample.wall_s);
  json.number("cpu_s", sample.cpu_s);
  json.number("recall", sample.recall);
  json.integer("unreachable", sample.unreachable);
  json.integer("dead_points", sample.dead_points);
  json.integer("resident_bytes", sample.resident_bytes);
  json.integer("stats_bytes", sample.stats_bytes);
  json.integer("file_bytes", sample.file_bytes);
  json.number("waited_s", sample.waited_s);
  return json.str();
}

std::string judge(std::string_view pattern, const std::vector<ChurnSample>& samples,
                  const ChurnSample& fresh) {
  const ChurnSample& end = samples.back();
  const double memory =
      static_cast<double>(end.resident_bytes) / static_cast<double>(fresh.resident_bytes);
  const double files = static_cast<double>(end.file_bytes) / static_cast<double>(fresh.file_bytes);
  const uint64_t unreachable =
      std::max_element(samples.begin(), samples.end(), [](const auto& a, const auto& b) {
        return a.unreachable < b.unreachable;
      })->unreachable;
  const auto word = [](bool held) { return held ? "held" : "MISSED"; };
  const bool recall_holds = end.recall >= fresh.recall - kRecallLossMax;
  fmt::print(
      "{}: recall {:+.4f} of fresh: {}; unreachable at most {}: {}; memory {:.3f}: {}; "
      "files {:.3f}: {}; after {:.1f} s\n",
      pattern, end.recall - fresh.recall, word(recall_holds), unreachable, word(unreachable == 0),
      memory, word(memory <= kGrowthMax), files, word(files <= kGrowthMax), end.waited_s);
  JsonObject json;
  json.text("pattern", std::string(pattern));
  std::string rows;
  for (const ChurnSample& sample : samples)
    rows += (rows.empty() ? "\n  " : ",\n  ") + sample_json(sample);
  json.raw("samples", "[" + rows + "]");
  json.raw("fresh", sample_json(fresh));
  json.boolean("recall_holds", recall_holds);
  json.boolean("all_reachable", unreachable == 0);
  json.number("memory_to_fresh", memory);
  json.number("files_to_fresh", files);
  return json.str();
}

/// Both lives of one pattern. `fresh` is kept where two patterns end with the same points.
Result<std::string> run_pattern(const ChurnWork& work, std::pair<std::string_view, Pattern> pattern,
                                std::optional<ChurnSample>& fresh) {
  const auto folder_for = [&](ChurnWork& own, const char* name) {
    own.dir = work.dir + "/" + name;
    return Folder::open(own.dir, Folder::AtEnd::kRemove);
  };
  if (!fresh) {
    ChurnWork own = work;
    TRY_ASSIGN(const Folder folder, folder_for(own, "fresh"));
    TRY_ASSIGN(const std::vector<ChurnSample> samples,
               run_child(
                   own, pattern.first, [](size_t) { return "fresh"; },
                   [&](const ReportChurn& report) {
                     return build_fresh_in_child(own, pattern.second, report);
                   }));
    fresh = samples.front();
  }
  ChurnWork own = work;
  TRY_ASSIGN(const Folder folder, folder_for(own, "churned"));
  const size_t turnovers = work.options.turnovers;
  TRY_ASSIGN(
      const std::vector<ChurnSample> samples,
      run_child(
          own, pattern.first, [&](size_t i) { return i > turnovers ? "end" : std::to_string(i); },
          [&](const ReportChurn& report) {
            return churn_in_child(own, pattern.second, *fresh, report);
          }));
  return judge(pattern.first, samples, *fresh);
}

Status check_options(const ChurnOptions& options, size_t rows) {
  if (options.turnovers == 0 || options.batch == 0 || options.batch > kPointsPerUpsertMax ||
      options.k == 0 || options.threads == 0 || options.queries_max == 0) {
    return {Code::kInvalidArgument,
            fmt::format("turnovers, k, threads, queries-max: at least 1; batch: 1 to {}",
                        kPointsPerUpsertMax)};
  }
  if (rows < 4 * options.batch || (options.turnovers + 1) * rows > INT32_MAX) {
    return {Code::kInvalidArgument, "too few points for the batch, or too many turnovers"};
  }
  return {};
}

Matrix<float> first_rows(Matrix<float> matrix, size_t rows) {
  if (rows == 0 || rows >= matrix.rows) return matrix;
  matrix.rows = rows;
  matrix.values.resize(rows * matrix.columns);
  matrix.values.shrink_to_fit();
  return matrix;
}

}  // namespace

Status run_churn(const ChurnOptions& options) {
  TRY_ASSIGN(Matrix<float> all, read_vectors(options.base));
  const Matrix<float> base = first_rows(std::move(all), options.points_max);
  TRY(check_options(options, base.rows));
  TRY_ASSIGN(Matrix<float> all_queries, read_vectors(options.queries));
  const Matrix<float> queries = first_rows(std::move(all_queries), options.queries_max);
  if (queries.rows == 0 || queries.columns != base.columns) {
    return {Code::kInvalidArgument, "queries: as many columns as base"};
  }
  TRY_ASSIGN(const std::string body,
             collection_body(options.config, kCollectionName, base.columns, options.metric));
  TRY_ASSIGN(CollectionConfig config, decode_config(body));
  TRY(resolve_index(config));
  config.retention_days = 0;  // what is living is compared, not the past
  TRY_ASSIGN(const Folder folder, Folder::open(options.dir, Folder::AtEnd::kRemove));
  const ChurnWork work{options, base, queries, config, folder.path()};
  fmt::print("{:<10} {:>6} {:>8} {:>7} {:>7} {:>7} {:>6} {:>5} {:>8} {:>8} {:>8}\n", "pattern",
             "turn", "points", "wall s", "CPU s", "recall", "lost", "dead", "RSS MiB", "stats",
             "files");
  std::string results;
  std::optional<ChurnSample> fresh_whole;
  std::optional<ChurnSample> fresh_half;
  for (const auto& pattern : kPatterns) {
    if (("," + options.patterns + ",").find(fmt::format(",{},", pattern.first)) ==
        std::string::npos) {
      continue;
    }
    auto& fresh = pattern.second == Pattern::kSliding ? fresh_half : fresh_whole;
    TRY_ASSIGN(const std::string result, run_pattern(work, pattern, fresh));
    results += (results.empty() ? "\n" : ",\n") + result;
  }
  if (results.empty()) {
    return {Code::kInvalidArgument, "patterns: some of random, clustered, sliding"};
  }
  JsonObject json;
  json.text("isa", std::string(kernels().isa));
  json.integer("n", base.rows);
  json.integer("dim", base.columns);
  json.integer("ef", options.ef);
  json.integer("k", options.k);
  json.integer("queries", queries.rows);
  json.integer("batch", options.batch);
  json.integer("threads", options.threads);
  json.raw("patterns", "[" + results + "]");
  if (!write_json(options.json, json.str())) return {Code::kIo, options.json + ": cannot write"};
  return {};
}

}  // namespace ferres::bench
