// See churn_load.h. A point's id is its row in base plus base.rows for each time that it was
// inserted before, so that an answer tells whether the point is the living one.
//
//   random     every point once in random order: a batch is deleted, then inserted under new ids
//   clustered  whole neighbourhoods: all points of a cell are deleted, then inserted
//   sliding    half of base lives: the oldest batch is deleted, the next of base inserted
#include "churn_load.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <numeric>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/random.h"
#include "cells.h"
#include "exact.h"
#include "local.h"
#include "measure.h"
#include "sweep.h"

namespace ferres::bench {
namespace {

constexpr uint64_t kPollMicros = 500'000;
constexpr double kFreshRestS = 5;  // for what a build leaves to the background
constexpr double kNear = 1.05;

void rest(uint64_t micros) {
  Mutex mutex;
  CondVar never;
  const MutexLock lock(mutex);
  while (never.wait_for(mutex, micros)) {
  }
}

/// Logs are left out: what a checkpoint holds of them is kept history.
uint64_t file_bytes(const std::string& dir) {
  namespace fs = std::filesystem;
  uint64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(dir, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().filename() == "wal") entry.disable_recursion_pending();
    std::error_code gone;
    if (entry->is_regular_file(gone)) bytes += entry->file_size(gone);
  }
  return bytes;
}

class Churner {
 public:
  explicit Churner(const ChurnWork& work)
      : work_(work),
        executor_(make_thread_pool(work.options.threads)),
        born_(work.base.rows, -1),
        random_(work.options.seed) {}

  void prepare(Pattern pattern);
  Status open();
  Status close();
  /// The points that live after so many turnovers, under the ids that they have then.
  void fill(Pattern pattern, size_t turnovers);
  void turn(Pattern pattern);
  /// Waits until all points are in the graph.
  Status linked();
  /// Waits for what writes leave behind, then measures.
  Result<ChurnSample> measure(double rest_s);
  /// Until memory and files are near the fresh build's, or the time is over.
  Status settle(const ChurnSample& fresh, ChurnSample& sample) const;

 private:
  using Rows = std::span<const uint32_t>;
  void replace(Rows out, Rows in);
  void slide();
  Result<double> recall_now();
  size_t window() const { return work_.base.rows / 2; }

  const ChurnWork& work_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Home> home_;
  std::shared_ptr<Collection> collection_;
  std::unique_ptr<Writer> writer_;
  std::vector<std::vector<uint32_t>> cells_;
  std::vector<int32_t> born_;  // a row's living generation; -1: not alive
  std::vector<int32_t> generations_;
  size_t oldest_ = 0;  // sliding: position in the endless repetition of base
  uint64_t resident_before_ = 0;
  Random random_;
};

void Churner::prepare(Pattern pattern) {
  generations_.assign(work_.base.rows, 0);
  if (pattern == Pattern::kClustered) {
    cells_ = make_cells(work_.base, work_.options.cells, work_.options.seed, *executor_);
  }
}

Status Churner::open() {
  resident_before_ = resident_bytes();
  home_ = std::make_unique<Home>(work_.dir, work_.options.threads);
  TRY(home_->open());
  TRY_ASSIGN(collection_, home_->database().create(work_.config));
  writer_ = std::make_unique<Writer>(*collection_);
  return {};
}

Status Churner::close() {
  writer_.reset();
  collection_.reset();
  return home_->close();
}

void Churner::replace(Rows out, Rows in) {
  const auto rows = static_cast<int32_t>(work_.base.rows);
  for (size_t start = 0; start < out.size(); start += kIdsPerDeleteMax) {
    DeleteRequest request;
    for (const uint32_t row : out.subspan(start, std::min(kIdsPerDeleteMax, out.size() - start))) {
      request.ids.push_back(std::to_string(static_cast<int32_t>(row) + born_[row] * rows));
      born_[row] = -1;
    }
    writer_->remove(std::move(request));
  }
  for (size_t start = 0; start < in.size(); start += kPointsPerUpsertMax) {
    UpsertRequest request;
    for (const uint32_t row : in.subspan(start, std::min(kPointsPerUpsertMax, in.size() - start))) {
      born_[row] = generations_[row]++;
      request.points.push_back(make_point(
          std::to_string(static_cast<int32_t>(row) + born_[row] * rows), work_.base.row(row)));
    }
    writer_->upsert(std::move(request));
  }
}

void Churner::fill(Pattern pattern, size_t turnovers) {
  const size_t rows = work_.base.rows;
  const bool sliding = pattern == Pattern::kSliding;
  std::fill(generations_.begin(), generations_.end(),
            sliding ? 0 : static_cast<int32_t>(turnovers));
  std::vector<uint32_t> living(sliding ? window() : rows);
  oldest_ = sliding ? turnovers * window() : 0;
  for (size_t i = 0; i < living.size(); ++i) {
    living[i] = static_cast<uint32_t>((oldest_ + i) % rows);
    if (sliding) generations_[living[i]] = static_cast<int32_t>((oldest_ + i) / rows);
  }
  replace({}, living);
}

Status Churner::linked() {
  TRY(writer_->drain());
  return collection_->link_all();
}

void Churner::slide() {
  const size_t rows = work_.base.rows;
  for (size_t left = window(); left > 0;) {
    const size_t count = std::min(work_.options.batch, left);
    std::vector<uint32_t> out(count);
    std::vector<uint32_t> in(count);
    for (size_t i = 0; i < count; ++i) {
      out[i] = static_cast<uint32_t>((oldest_ + i) % rows);
      in[i] = static_cast<uint32_t>((oldest_ + window() + i) % rows);
    }
    replace(out, in);
    oldest_ += count;
    left -= count;
  }
}

void Churner::turn(Pattern pattern) {
  if (pattern == Pattern::kSliding) return slide();
  const auto shuffle = [this](auto& values) {
    for (size_t i = values.size(); i > 1; --i)
      std::swap(values[i - 1], values[random_.below(i)]);
  };
  if (pattern == Pattern::kClustered) {
    shuffle(cells_);
    for (auto& cell : cells_) {
      shuffle(cell);
      replace(cell, cell);
    }
  }
  std::vector<uint32_t> order(work_.base.rows);
  std::iota(order.begin(), order.end(), 0u);
  shuffle(order);
  for (size_t start = 0; start < order.size(); start += work_.options.batch) {
    const Rows batch =
        Rows(order).subspan(start, std::min(work_.options.batch, order.size() - start));
    replace(batch, batch);
  }
}

Result<double> Churner::recall_now() {
  ExactSearch exact(work_.config.metric, work_.queries, work_.options.k, *executor_);
  const auto rows = static_cast<int32_t>(work_.base.rows);
  std::vector<const float*> vectors;
  std::vector<int32_t> ids;
  for (size_t row = 0; row < work_.base.rows; ++row) {
    if (born_[row] < 0) continue;
    vectors.push_back(work_.base.row(row).data());
    ids.push_back(static_cast<int32_t>(row) + born_[row] * rows);
  }
  exact.add(vectors, ids);
  std::vector<SearchRequest> requests = make_requests(work_.queries, work_.options.k);
  std::vector<int32_t> found(requests.size() * work_.options.k, -1);
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].ef_search = work_.options.ef;
    TRY_ASSIGN(const SearchResult result, collection_->search(requests[i]));
    for (size_t j = 0; j < result.hits.size(); ++j) {
      const int32_t id = id_number(result.hits[j].point.id);
      if (id < 0 || born_[static_cast<size_t>(id % rows)] != id / rows) {
        return Status(Code::kInternal, "a deleted point was answered");
      }
      found[i * work_.options.k + j] = id;
    }
  }
  return recall(found, exact.nearest(), work_.options.k, work_.options.k);
}

Result<ChurnSample> Churner::measure(double rest_s) {
  ChurnSample sample;
  TRY(linked());
  // The dead are reclaimed once no reader can see them; a checkpoint before that would save them.
  for (int i = 0; i < 60 && collection_->stats().tombstones > 0; ++i)
    rest(kPollMicros);
  TRY(collection_->checkpoint());
  rest(static_cast<uint64_t>(rest_s * 1e6));
  const CollectionStats stats = collection_->stats();
  sample.points = stats.points;
  sample.dead_points = stats.tombstones;
  sample.stats_bytes =
      stats.memory_bytes_vectors + stats.memory_bytes_index + stats.memory_bytes_points;
  sample.resident_bytes = resident_bytes() - resident_before_;
  sample.file_bytes = file_bytes(work_.dir);
  TRY_ASSIGN(sample.recall, recall_now());
  return sample;
}

Status Churner::settle(const ChurnSample& fresh, ChurnSample& sample) const {
  const auto near = [](uint64_t now, uint64_t wanted) {
    return static_cast<double>(now) <= static_cast<double>(wanted) * kNear;
  };
  const double start = wall_seconds();
  for (;;) {
    sample.resident_bytes = resident_bytes() - resident_before_;
    sample.file_bytes = file_bytes(work_.dir);
    sample.waited_s = wall_seconds() - start;
    if (near(sample.resident_bytes, fresh.resident_bytes) &&
        near(sample.file_bytes, fresh.file_bytes)) {
      return {};
    }
    if (sample.waited_s >= work_.options.settle_s) return {};
    rest(kPollMicros);
  }
}

}  // namespace

Status churn_in_child(const ChurnWork& work, Pattern pattern, const ChurnSample& fresh,
                      const ReportChurn& report) {
  Churner churner(work);
  churner.prepare(pattern);
  TRY(churner.open());
  churner.fill(pattern, 0);
  TRY_ASSIGN(ChurnSample sample, churner.measure(0));
  TRY(report(sample));
  for (size_t i = 0; i < work.options.turnovers; ++i) {
    const double wall = wall_seconds();
    const double cpu = process_cpu_seconds();
    churner.turn(pattern);
    TRY(churner.linked());
    const double wall_s = wall_seconds() - wall;
    const double cpu_s = process_cpu_seconds() - cpu;
    TRY_ASSIGN(sample, churner.measure(0));
    sample.wall_s = wall_s;
    sample.cpu_s = cpu_s;
    TRY(report(sample));
  }
  TRY(churner.settle(fresh, sample));
  TRY(report(sample));
  return churner.close();
}

Status build_fresh_in_child(const ChurnWork& work, Pattern pattern, const ReportChurn& report) {
  Churner churner(work);
  churner.prepare(Pattern::kRandom);
  TRY(churner.open());
  churner.fill(pattern, work.options.turnovers);
  TRY_ASSIGN(const ChurnSample sample, churner.measure(kFreshRestS));
  TRY(report(sample));
  return churner.close();
}

}  // namespace ferres::bench
