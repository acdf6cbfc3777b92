// Three lives of one collection, each a process or a part of one:
//   1. builds all points but the tail through the log, links them, checkpoints, closes;
//   2. writes the tail into the log alone (nothing runs in the background, so that no checkpoint
//      shortens it), and kills itself by SIGKILL;
//   3. opens what is left: until the first correct answer this is what a user waits after a crash.
//      Then the tail is linked, and all points answer.
// 1 and 2 are a child process, so that memory is measured in one that never built anything before.
// The page cache is warm in 3: a machine that lost power reads from disk what is looked at.
#include "million.h"

#include <algorithm>
#include <csignal>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collection/config.h"
#include "data_set.h"
#include "folder.h"
#include "local.h"
#include "measure.h"
#include "sweep.h"

namespace ferres::bench {
namespace {

struct Work {
  const MillionOptions& options;
  const std::string& dir;
  size_t points = 0;
  size_t dimension = 0;
};

Status build_and_close(const Work& work, VectorReader& rows) {
  TRY_ASSIGN(const std::string body, collection_body(work.options.config, kCollectionName,
                                                     work.dimension, work.options.metric));
  TRY_ASSIGN(CollectionConfig config, decode_config(body));
  TRY(resolve_index(config));
  Home home(work.dir, work.options.threads);
  TRY(home.open());
  {
    TRY_ASSIGN(const auto collection, home.database().create(std::move(config)));
    TRY(insert_next(*collection, rows, 0, work.points - work.options.tail));
    TRY(collection->link_all());
    TRY(collection->checkpoint());
  }
  return home.close();
}

/// Returns only when it fails.
Status first_lives(const Work& work) {
  TRY_ASSIGN(VectorReader rows, VectorReader::open(work.options.base));
  const size_t linked = work.points - work.options.tail;
  const double start = wall_seconds();
  TRY(build_and_close(work, rows));
  fmt::print("built {} points in {:.1f} s, {:.1f} s of CPU\n", linked, wall_seconds() - start,
             process_cpu_seconds());
  CollectionOptions quiet;
  quiet.background = false;
  Home home(work.dir, work.options.threads, quiet);
  TRY(home.open());
  TRY_ASSIGN(const auto collection, home.database().find(kCollectionName));
  const double tail_start = wall_seconds();
  TRY(insert_next(*collection, rows, linked, work.options.tail));
  fmt::print("wrote {} more into the log in {:.1f} s\n", work.options.tail,
             wall_seconds() - tail_start);
  std::fflush(stdout);
  (void)raise(SIGKILL);
  return {Code::kInternal, "alive after SIGKILL"};
}

Status run_first_lives(const Work& work) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child < 0) return {Code::kInternal, "cannot fork"};
  if (child == 0) {
    const Status status = first_lives(work);
    fmt::print(stderr, "ferresdb-bench: {}\n", status.message());
    _exit(1);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
    return {Code::kInternal, "the process that builds ended otherwise than by SIGKILL"};
  }
  return {};
}

/// The vectors of a row that is linked and of the log's last: each must be answered as its own
/// nearest.
Result<std::vector<std::pair<size_t, std::vector<float>>>> probes(const Work& work) {
  std::vector<std::pair<size_t, std::vector<float>>> found;
  TRY_ASSIGN(VectorReader rows, VectorReader::open(work.options.base));
  std::vector<float> row(work.dimension);
  for (size_t i = 0; i < work.points; ++i) {
    TRY(rows.read(row));
    if (i == work.points / 2 || i == work.points - 1) found.emplace_back(i, row);
  }
  std::reverse(found.begin(), found.end());  // the tail's first
  return found;
}

Result<bool> finds(Collection& collection, const std::pair<size_t, std::vector<float>>& probe) {
  SearchRequest request;
  request.vector = probe.second;
  request.limit = 1;
  TRY_ASSIGN(const SearchResult result, collection.search(request));
  return !result.hits.empty() && result.hits[0].point.id == std::to_string(probe.first);
}

void report_memory(JsonObject& json, const CollectionStats& stats, uint64_t resident) {
  const auto points = static_cast<double>(stats.points);
  json.number("resident_bytes_per_point", static_cast<double>(resident) / points);
  json.number("vectors_bytes_per_point", static_cast<double>(stats.memory_bytes_vectors) / points);
  json.number("links_bytes_per_point", static_cast<double>(stats.memory_bytes_index) / points);
  json.number("records_bytes_per_point", static_cast<double>(stats.memory_bytes_points) / points);
  json.number("disk_bytes_per_point", static_cast<double>(stats.disk_bytes) / points);
  fmt::print("memory a point: {:.0f} bytes resident (vectors {}, links {}, records {} MiB)\n",
             static_cast<double>(resident) / points, stats.memory_bytes_vectors >> 20,
             stats.memory_bytes_index >> 20, stats.memory_bytes_points >> 20);
}

Status last_life(const Work& work, JsonObject& json, const std::vector<uint32_t>& efs) {
  TRY_ASSIGN(const Matrix<float> queries, read_vectors(work.options.queries));
  TRY_ASSIGN(const Matrix<int32_t> truth, read_ids(work.options.truth));
  if (queries.columns != work.dimension || queries.rows != truth.rows || queries.rows == 0 ||
      work.options.k == 0 || truth.columns < work.options.k) {
    return {Code::kInvalidArgument, "base, queries and ground truth do not belong together"};
  }
  TRY_ASSIGN(const auto wanted, probes(work));
  const uint64_t resident_before = resident_bytes();
  Home home(work.dir, work.options.threads);
  const double start = wall_seconds();
  TRY(home.open());
  TRY_ASSIGN(const auto collection, home.database().find(kCollectionName));
  const double opened = wall_seconds();
  TRY_ASSIGN(bool correct, finds(*collection, wanted[0]));
  const double answered = wall_seconds();
  const CollectionStats early = collection->stats();
  TRY_ASSIGN(const bool also, finds(*collection, wanted[1]));
  correct = correct && also && early.points == work.points;
  fmt::print("open {:.2f} s, first answer after {:.2f} s ({}), {} points not linked\n",
             opened - start, answered - start, correct ? "correct" : "WRONG",
             early.unlinked_points);
  json.number("open_s", opened - start);
  json.number("first_search_s", answered - start);
  json.boolean("correct", correct);
  json.integer("unlinked_at_first_search", early.unlinked_points);
  TRY(collection->link_all());
  json.number("linked_s", wall_seconds() - start);
  fmt::print("all linked after {:.1f} s\n", wall_seconds() - start);
  TRY(collection->checkpoint());
  TRY_ASSIGN(const auto curve,
             sweep(*collection, queries, truth, efs, {work.options.k, work.options.threads}));
  json.raw("curve", curve_json(curve));
  report_memory(json, collection->stats(), resident_bytes() - resident_before);
  return {};
}

}  // namespace

Status run_million(const MillionOptions& options) {
  const std::vector<uint32_t> efs = parse_list(options.efs);
  if (efs.empty() || options.threads == 0) {
    return {Code::kInvalidArgument, "ef: a list of numbers above 0; threads: at least 1"};
  }
  TRY_ASSIGN(const Folder folder, Folder::open(options.dir, Folder::AtEnd::kRemove));
  Work work{options, folder.path()};
  {
    TRY_ASSIGN(const VectorReader rows, VectorReader::open(options.base));
    work.points = rows.rows();
    work.dimension = rows.columns();
  }
  if (options.tail == 0 || options.tail >= work.points) {
    return {Code::kInvalidArgument, "tail: at least 1, and fewer than base has"};
  }
  TRY(run_first_lives(work));
  JsonObject json;
  json.integer("n", work.points);
  json.integer("dim", work.dimension);
  json.integer("tail", options.tail);
  json.integer("threads", options.threads);
  TRY(last_life(work, json, efs));
  if (!write_json(options.json, json.str())) return {Code::kIo, options.json + ": cannot write"};
  return {};
}

}  // namespace ferres::bench
