// What the design promises at size, measured by hand: build with --target scale_bench, then
// scale_bench MODE DIR. The modes:
//   restart      117 k points, kill -9, a log tail of 100 k: time to a correct search
//   collections  1 000 collections of 100 points: open, idle CPU, files, memory
//   checkpoint   500 k x 384 under writes: write stalls and reads while it runs
//   ingest       p99 of searches, alone and beside an ingest on the other CPU
// DIR is empty or not there; what the run put there is removed. Prints one JSON object.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "base/mutex.h"
#include "base/random.h"
#include "db/database.h"
#include "folder.h"
#include "measure.h"

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
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  json.integer("disk_bytes_per_collection", bytes / kCollections);
  return json;
}

JsonObject checkpoint(const std::string& dir) {
  constexpr uint64_t kPoints = 500'000;
  CollectionOptions options;
  options.background = false;
  Process process(dir, options);
  const auto collection = *process.database().create(config("c", kDim, "flat"));
  fill(*collection, 0, kPoints, kDim);
  struct Latencies {
    std::vector<double> writes, reads;
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
        const double start = wall_seconds();
        (void)collection->get(std::to_string(i * 104729 % kPoints), std::nullopt).ok();
        found.reads.push_back((wall_seconds() - start) * 1e3);
        if (i % 64 == 0) let_run(1000);
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
    json.number((when + "_read_ms_p99").c_str(), percentile(found.reads, 0.99));
  };
  report("idle", measure([] { let_run(5'000'000); }));
  double took = 0;
  report("checkpoint", measure([&] {
           const double start = wall_seconds();
           const Status status = collection->checkpoint();
           took = wall_seconds() - start;
           if (!status.ok()) std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
         }));
  json.number("checkpoint_s", took);
  return json;
}

/// Searches on one CPU, alone and beside an ingest whose only thread has the other.
JsonObject ingest(const std::string& dir) {
  constexpr uint64_t kPoints = 50'000;
  constexpr int kRounds = 5;
  pin_thread(1);  // threads started from here stay on that CPU
  Process process(dir, {}, 1);
  const auto collection = *process.database().create(config("c", kDim, "auto"));
  fill(*collection, 0, kPoints, kDim);
  CHECK(collection->link_all().ok());
  uint64_t query = 0;
  const auto p99_of_searches = [&](uint64_t count) {
    std::vector<double> micros;
    for (uint64_t i = 0; i < count; ++i) {
      SearchRequest request;
      request.vector = vector_of(kPoints * 10 + query++, kDim);
      request.limit = 10;
      request.ef_search = 64;
      const double start = wall_seconds();
      CHECK(collection->search(request).ok());
      micros.push_back((wall_seconds() - start) * 1e6);
    }
    return percentile(micros, 0.99);
  };
  std::vector<double> idle;
  std::vector<double> busy;
  std::vector<double> ratios;
  std::atomic<uint64_t> written{0};
  for (int round = 0; round < kRounds; ++round) {
    std::atomic<bool> done{false};
    std::thread writer;
    std::thread reader([&] {
      pin_thread(0);
      idle.push_back(p99_of_searches(10'000));
      writer = std::thread([&] {
        pin_thread(1);
        for (uint64_t i = 0; !done; i += 100) {
          const uint64_t from = kPoints + i % kPoints;
          fill(*collection, from, from + 100, kDim);
          written += 100;
        }
      });
      busy.push_back(p99_of_searches(10'000));
      done = true;
    });
    reader.join();
    writer.join();
    CHECK(collection->link_all().ok());
    ratios.push_back(busy.back() / idle.back());
  }
  JsonObject json;
  json.number("idle_p99_us", percentile(idle, 0.5));
  json.number("ingest_p99_us", percentile(busy, 0.5));
  json.number("ratio_median", percentile(ratios, 0.5));
  json.integer("points_written", written);
  return json;
}

}  // namespace
}  // namespace ferres::bench

int main(int argc, char** argv) {
  using ferres::bench::JsonObject;
  const std::map<std::string, JsonObject (*)(const std::string&)> all = {
      {"restart", ferres::bench::restart},
      {"collections", ferres::bench::collections},
      {"checkpoint", ferres::bench::checkpoint},
      {"ingest", ferres::bench::ingest}};
  const auto found = all.find(argc > 1 ? argv[1] : "");
  if (argc != 3 || *argv[2] == 0 || found == all.end()) {
    std::fprintf(stderr, "usage: scale_bench restart|collections|checkpoint|ingest DIR\n");
    return 2;
  }
  using ferres::bench::Folder;
  const auto folder = Folder::open(argv[2], Folder::AtEnd::kRemove);
  if (!folder.ok()) {
    std::fprintf(stderr, "scale_bench: %s\n", std::string(folder.error().message()).c_str());
    return 2;
  }
  std::printf("%s\n", found->second(folder->path()).str().c_str());
  return 0;
}
