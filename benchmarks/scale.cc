// What the design promises at size, measured by hand: build with --target scale_bench, then
// scale_bench MODE DIR. The modes:
//   restart      117 k points, kill -9, a log tail of 100 k: time to a correct search
//   restore      100 k x 384 and 50 k more: back to the middle of those, to a correct search
//   shrink       500 k x 384 without history, 90 % of them deleted: memory and files beside those
//   of the rest alone collections  1 000 collections of 100 points: open, idle CPU, files, memory
//   checkpoint   500 k x 384 under writes and searches: write stalls and searches while it runs
//   ingest       searches alone and beside an ingest on the other CPU; takes a data set
//   (wordnet384)
// DIR is empty or not there; what the run put there is removed. Prints one JSON object.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "base/mutex.h"
#include "base/random.h"
#include "db/database.h"
#include "folder.h"
#include "local.h"
#include "measure.h"
#include "npy.h"

namespace ferres::bench {
namespace {

constexpr uint32_t kDim = 384;

std::vector<float> vector_of(uint64_t number, uint32_t dim) {
  Random random(number);
  std::vector<float> vector(dim);
  for (float& x : vector)
    x = static_cast<float>(random.unit() - 0.5);
  return vector;
}

/// Time for what runs beside this thread.
void let_run(uint64_t micros) {
  Mutex mutex;
  CondVar never;
  const MutexLock lock(mutex);
  while (never.wait_for(mutex, micros)) {
  }
}

class Process {
 public:
  Process(const std::string& dir, const CollectionOptions& options, size_t threads = 2)
      : executor_(make_thread_pool(threads)), clock_(system_clock()) {
    DatabaseOptions database;
    database.dir = dir;
    database.collection = options;
    auto opened =
        Database::open({&posix_files(), executor_.get(), &system_clock(), &clock_}, database);
    if (!opened.ok()) {
      std::fprintf(stderr, "%s\n", std::string(opened.error().message()).c_str());
      std::abort();
    }
    database_ = *std::move(opened);
  }
  ~Process() {
    database_->close().ignore();
    database_.reset();
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  Database& database() { return *database_; }

 private:
  std::unique_ptr<Executor> executor_;
  CommitClock clock_;
  std::shared_ptr<Database> database_;
};

CollectionConfig config(const std::string& name, uint32_t dim, const char* index) {
  CollectionConfig config;
  config.name = name;
  config.dimension = dim;
  config.index_sent = index;
  CHECK(resolve_index(config).ok());
  return config;
}

void fill(Collection& collection, uint64_t from, uint64_t to, uint32_t dim) {
  for (uint64_t start = from; start < to; start += kPointsPerUpsertMax) {
    UpsertRequest request;
    for (uint64_t i = start; i < std::min<uint64_t>(start + kPointsPerUpsertMax, to); ++i) {
      request.points.push_back(
          {std::to_string(i), std::nullopt, vector_of(i, dim), "{}", std::nullopt});
    }
    const auto result = collection.upsert(std::move(request));
    if (!result.ok()) {
      std::fprintf(stderr, "%s\n", std::string(result.error().message()).c_str());
      std::abort();
    }
  }
}

bool finds(Collection& collection, uint64_t number, uint32_t dim) {
  SearchRequest request;
  request.vector = vector_of(number, dim);
  request.limit = 1;
  const auto result = collection.search(request);
  return result.ok() && !result->hits.empty() && result->hits[0].point.id == std::to_string(number);
}

JsonObject restore(const std::string& dir) {
  constexpr uint64_t kCheckpointed = 100'000;
  constexpr uint64_t kAll = 150'000;
  CollectionOptions options;
  options.checkpoint_micros = ~uint64_t{0};
  options.checkpoint_log_bytes = ~uint64_t{0};
  Process process(dir, options);
  const auto collection = *process.database().create(config("c", kDim, "auto"));
  fill(*collection, 0, kCheckpointed, kDim);
  collection->link_all().ignore();
  CHECK(collection->checkpoint().ok());
  fill(*collection, kCheckpointed, kAll, kDim);
  const Lsn newest = collection->stats().lsn;
  DeleteRequest all;
  for (uint64_t i = 0; i < kIdsPerDeleteMax; ++i)
    all.ids.push_back(std::to_string(i));
  CHECK(collection->remove(std::move(all)).ok());  // the mistake
  const double start = wall_seconds();
  const auto restored = collection->restore({.unix_micros = {}, .lsn = newest}, nullptr);
  const double put_in_force = wall_seconds();
  CHECK(restored.ok());
  const bool correct = finds(*collection, 5, kDim) && finds(*collection, kAll - 1, kDim);
  JsonObject json;
  json.number("restore_s", put_in_force - start);
  json.number("first_searches_s", wall_seconds() - start);
  json.boolean("correct", correct && restored->points == kAll);
  collection->link_all().ignore();
  json.number("all_linked_s", wall_seconds() - start);
  return json;
}

uint64_t bytes_below(const std::string& dir) {
  uint64_t bytes = 0;
  std::error_code gone;  // files come and go meanwhile
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir, gone)) {
    const uint64_t size = entry.file_size(gone);
    if (!gone && entry.is_regular_file(gone)) bytes += size;
  }
  return bytes;
}

struct Size {
  double memory_bytes;
  double file_bytes;
};

/// The files as they lie in the collection's folder, in force or not.
Size size_of(Collection& collection, const std::string& dir) {
  const CollectionStats stats = collection.stats();
  return {static_cast<double>(stats.memory_bytes_vectors + stats.memory_bytes_index +
                              stats.memory_bytes_points + stats.memory_bytes_payload),
          static_cast<double>(bytes_below(dir + "/collections/" + collection.config().name))};
}

JsonObject shrink(const std::string& dir) {
  constexpr uint64_t kAll = 500'000;
  constexpr uint64_t kLeft = 50'000;
  Process process(dir, {});
  CollectionConfig forgetful = config("c", kDim, "auto");
  forgetful.retention_days = 0;
  const auto collection = *process.database().create(forgetful);
  fill(*collection, 0, kAll, kDim);
  collection->link_all().ignore();
  CHECK(collection->checkpoint().ok());
  const Size full = size_of(*collection, dir);
  forgetful = config("fresh", kDim, "auto");
  forgetful.retention_days = 0;
  const auto fresh = *process.database().create(forgetful);
  fill(*fresh, 0, kLeft, kDim);
  fresh->link_all().ignore();
  CHECK(fresh->checkpoint().ok());
  const Size least = size_of(*fresh, dir);
  for (uint64_t from = kLeft; from < kAll; from += kIdsPerDeleteMax) {
    DeleteRequest request;
    for (uint64_t i = from; i < from + kIdsPerDeleteMax; ++i)
      request.ids.push_back(std::to_string(i));
    CHECK(collection->remove(std::move(request)).ok());
  }
  const double start = wall_seconds();
  Size size = size_of(*collection, dir);
  double seconds = 0;
  while (seconds < 180 && (size.file_bytes > 1.1 * least.file_bytes ||
                           size.memory_bytes > 1.1 * least.memory_bytes)) {
    let_run(500'000);
    size = size_of(*collection, dir);
    seconds = wall_seconds() - start;
  }
  JsonObject json;
  json.number("seconds", seconds);
  json.number("memory_full", full.memory_bytes);
  json.number("memory", size.memory_bytes);
  json.number("memory_fresh", least.memory_bytes);
  json.number("files_full", full.file_bytes);
  json.number("files", size.file_bytes);
  json.number("files_fresh", least.file_bytes);
  json.boolean("correct", finds(*collection, 5, kDim) && !finds(*collection, kLeft, kDim));
  return json;
}

JsonObject restart(const std::string& dir) {
  constexpr uint64_t kLinked = 17'000;
  constexpr uint64_t kAll = 117'000;
  const pid_t child = fork();
  if (child == 0) {
    {
      Process first(dir, {});
      const auto collection = *first.database().create(config("c", kDim, "auto"));
      fill(*collection, 0, kLinked, kDim);
      collection->link_all().ignore();
    }
    CollectionOptions quiet;
    quiet.background = false;  // the tail stays a tail
    auto* second = new Process(dir, quiet);
    fill(**second->database().find("c"), kLinked, kAll, kDim);
    (void)raise(SIGKILL);
  }
  (void)waitpid(child, nullptr, 0);
  const double start = wall_seconds();
  Process third(dir, {});
  const double opened = wall_seconds();
  const auto collection = *third.database().find("c");
  const bool correct = finds(*collection, kAll - 1, kDim);
  const double answered = wall_seconds();
  JsonObject json;
  json.number("open_s", opened - start);
  json.number("first_search_s", answered - start);
  json.boolean("correct", correct && finds(*collection, 5, kDim));
  json.integer("unlinked_points", collection->stats().unlinked_points);
  return json;
}

JsonObject collections(const std::string& dir) {
  constexpr int kCollections = 1000;
  {
    Process first(dir, {});
    for (int i = 0; i < kCollections; ++i) {
      const auto collection = *first.database().create(config("c" + std::to_string(i), 64, "auto"));
      fill(*collection, 0, 100, 64);
    }
  }
  JsonObject json;
  const uint64_t before = resident_bytes();
  const double start = wall_seconds();
  Process second(dir, {});
  json.number("open_s", wall_seconds() - start);
  bool correct = true;
  for (int i = 0; i < kCollections; ++i) {
    correct &= finds(**second.database().find("c" + std::to_string(i)), 42, 64);
  }
  json.boolean("correct", correct);
  let_run(3'000'000);
  const double cpu = process_cpu_seconds();
  let_run(10'000'000);
  json.number("idle_cpu_share", (process_cpu_seconds() - cpu) / 10);
  json.integer("resident_bytes_per_collection", (resident_bytes() - before) / kCollections);
  uint64_t handles = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++handles;
  }
  json.integer("open_files", handles);
  json.integer("disk_bytes_per_collection", bytes_below(dir) / kCollections);
  return json;
}

JsonObject checkpoint(const std::string& dir) {
  constexpr uint64_t kPoints = 500'000;
  CollectionOptions options;
  options.checkpoint_micros = ~uint64_t{0};
  options.checkpoint_log_bytes = ~uint64_t{0};
  Process process(dir, options);
  const auto collection = *process.database().create(config("c", kDim, "auto"));
  fill(*collection, 0, kPoints, kDim);
  collection->link_all().ignore();
  struct Latencies {
    std::vector<double> writes, searches;
  };
  const auto measure = [&](const std::function<void()>& body) {
    Latencies found;
    std::atomic<bool> done{false};
    std::thread writer([&] {
      for (uint64_t i = 0; !done; ++i) {
        const double start = wall_seconds();
        UpsertRequest request;
        const uint64_t number = i * 7919 % kPoints;  // replaces points all over the arenas
        request.points.push_back(
            {std::to_string(number), std::nullopt, vector_of(number, kDim), "{}", std::nullopt});
        (void)collection->upsert(std::move(request)).ok();
        found.writes.push_back((wall_seconds() - start) * 1e3);
      }
    });
    std::thread reader([&] {
      for (uint64_t i = 0; !done; ++i) {
        SearchRequest request;
        request.vector = vector_of(i * 104729 % kPoints, kDim);
        const double start = wall_seconds();
        CHECK(collection->search(request).ok());
        found.searches.push_back((wall_seconds() - start) * 1e3);
      }
    });
    body();
    done = true;
    writer.join();
    reader.join();
    return found;
  };
  JsonObject json;
  const auto report = [&](const std::string& when, Latencies found) {
    json.number((when + "_write_ms_p50").c_str(), percentile(found.writes, 0.5));
    json.number((when + "_write_ms_p99").c_str(), percentile(found.writes, 0.99));
    json.number((when + "_write_ms_max").c_str(), percentile(found.writes, 1.0));
    json.number((when + "_search_ms_p50").c_str(), percentile(found.searches, 0.5));
    json.number((when + "_search_ms_p99").c_str(), percentile(found.searches, 0.99));
  };
  // The first one writes everything; what comes after a time of use is what the others are.
  for (const std::string number : {"1", "2", "3"}) {
    report("before_" + number, measure([] { let_run(10'000'000); }));
    double took = 0;
    report("checkpoint_" + number, measure([&] {
             const double start = wall_seconds();
             const Status status = collection->checkpoint();
             took = wall_seconds() - start;
             if (!status.ok()) std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
           }));
    json.number(("checkpoint_" + number + "_s").c_str(), took);
  }
  return json;
}

/// Writes rows in order, from the first again when they are through, until it is told to stop.
struct Ingest {
  size_t points_per_write = 0;
  size_t next = 0;
  size_t first = 0;

  void run(Collection& collection, const Matrix<float>& rows, const std::atomic<bool>& done) {
    Writer writer(collection);
    while (!done) {
      UpsertRequest request;
      for (size_t i = 0; i < points_per_write; ++i) {
        request.points.push_back(make_point(std::to_string(next), rows.row(next)));
        if (++next == rows.rows) next = first;
      }
      writer.upsert(std::move(request));
    }
    CHECK(writer.drain().ok());
  }
};

/// What searches took, as the time of the CPU: they wait for nothing, and what else runs on the
/// machine does not count.
struct Searches {
  std::vector<double> micros;
  std::vector<double> tails;  // how many points were not linked

  void run(Collection& collection, const Matrix<float>& queries) {
    constexpr size_t kSearches = 6000;
    for (size_t i = 0; i < kSearches; ++i) {
      SearchRequest request;
      const auto query = queries.row(i % queries.rows);
      request.vector.assign(query.begin(), query.end());
      request.ef_search = 64;
      const double start = thread_cpu_seconds();
      CHECK(collection.search(request).ok());
      micros.push_back((thread_cpu_seconds() - start) * 1e6);
      if (i % 16 == 0) tails.push_back(static_cast<double>(collection.stats().unlinked_points));
    }
  }
};

/// Searches on one CPU, alone and beside an ingest whose only thread has the other. `steady` writes
/// 100 points at a time, `bulk` 1 000; both keep four writes under way.
JsonObject ingest(const std::string& dir, const std::string& data) {
  constexpr size_t kPoints = 50'000;
  constexpr int kRounds = 5;
  const auto base = read_vectors(data + "/base.npy");
  const auto queries = read_vectors(data + "/queries.npy");
  if (!base.ok() || !queries.ok() || base->rows <= kPoints) {
    std::fprintf(stderr, "%s: no base.npy of more than %zu rows and queries.npy\n", data.c_str(),
                 kPoints);
    std::abort();
  }
  pin_thread(1);  // threads started from here stay on that CPU
  Process process(dir, {}, 1);
  const auto columns = static_cast<uint32_t>(base->columns);
  const auto collection = *process.database().create(config("c", columns, "auto"));
  Matrix<float> start{kPoints, columns, {}};
  const auto rows = std::span(base->values).first(kPoints * columns);
  start.values.assign(rows.begin(), rows.end());
  CHECK(insert_all(*collection, start, nullptr).ok());
  JsonObject json;
  size_t next = kPoints;
  for (const auto& [name, points_per_write] :
       {std::pair("steady", size_t{100}), std::pair("bulk", size_t{1000})}) {
    Ingest ingest{points_per_write, next, kPoints};
    std::map<std::string, std::vector<double>> found;
    for (int round = 0; round < kRounds; ++round) {
      Searches idle;
      Searches busy;
      std::atomic<bool> done{false};
      std::thread writer;
      std::thread reader([&] {
        pin_thread(0);
        idle.run(*collection, *queries);
        const size_t before = ingest.next;
        const double started = wall_seconds();
        writer = std::thread([&] {
          pin_thread(1);
          ingest.run(*collection, *base, done);
        });
        busy.run(*collection, *queries);
        done = true;
        writer.join();
        found["points_per_s"].push_back(static_cast<double>(ingest.next - before) /
                                        (wall_seconds() - started));
      });
      reader.join();
      CHECK(collection->link_all().ok());
      for (const double share : {0.5, 0.99}) {
        const std::string p = share == 0.5 ? "p50" : "p99";
        found["idle_us_" + p].push_back(percentile(idle.micros, share));
        found["ingest_us_" + p].push_back(percentile(busy.micros, share));
        found["ratio_" + p].push_back(found["ingest_us_" + p].back() /
                                      found["idle_us_" + p].back());
        found["tail_" + p].push_back(percentile(busy.tails, share));
      }
    }
    for (auto& [key, values] : found)
      json.number((std::string(name) + "_" + key).c_str(), percentile(values, 0.5));
    next = ingest.next;
  }
  return json;
}

}  // namespace
}  // namespace ferres::bench

int main(int argc, char** argv) {
  using ferres::bench::JsonObject;
  const std::map<std::string, JsonObject (*)(const std::string&)> all = {
      {"restart", ferres::bench::restart},
      {"restore", ferres::bench::restore},
      {"shrink", ferres::bench::shrink},
      {"collections", ferres::bench::collections},
      {"checkpoint", ferres::bench::checkpoint}};
  const std::string mode = argc > 1 ? argv[1] : "";
  const bool ingest = mode == "ingest";
  if (argc != (ingest ? 4 : 3) || *argv[2] == 0 || (!ingest && !all.contains(mode))) {
    std::fprintf(stderr,
                 "usage: scale_bench restart|restore|shrink|collections|checkpoint DIR | "
                 "ingest DIR DATA\n");
    return 2;
  }
  using ferres::bench::Folder;
  const auto folder = Folder::open(argv[2], Folder::AtEnd::kRemove);
  if (!folder.ok()) {
    std::fprintf(stderr, "scale_bench: %s\n", std::string(folder.error().message()).c_str());
    return 2;
  }
  const JsonObject json =
      ingest ? ferres::bench::ingest(folder->path(), argv[3]) : all.at(mode)(folder->path());
  std::printf("%s\n", json.str().c_str());
  return 0;
}
