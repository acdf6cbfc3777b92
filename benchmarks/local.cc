// See local.h.
#include "local.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/files.h"
#include "base/mutex.h"

namespace ferres::bench {
namespace {

constexpr size_t kBatchesInFlight = 4;  // the lane has the next batch when it ends one

/// Lets a few upserts run at once and keeps the first failure.
class Window {
 public:
  void enter() {
    const MutexLock lock(mutex_);
    while (running_ >= kBatchesInFlight)
      changed_.wait(mutex_);
    ++running_;
  }
  void leave(Status status) {
    const MutexLock lock(mutex_);
    if (failure_.ok()) failure_ = std::move(status);
    --running_;
    changed_.signal_all();
  }
  Status drain() {
    const MutexLock lock(mutex_);
    while (running_ > 0)
      changed_.wait(mutex_);
    return failure_.clone();
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  size_t running_ GUARDED_BY(mutex_) = 0;
  Status failure_ GUARDED_BY(mutex_);
};

Status as_status(const Result<UpsertResult>& result) {
  if (!result.ok()) return result.error().clone();
  if (result->failed.empty()) return {};
  return {Code::kInvalidArgument,
          "point " + result->failed.front().first + ": " + result->failed.front().second};
}

}  // namespace

Home::Home(std::string dir, size_t threads)
    : dir_(std::move(dir)), executor_(make_thread_pool(threads)), commit_clock_(system_clock()) {}

Status Home::open() {
  const Environment env{&posix_files(), executor_.get(), &system_clock(), &commit_clock_};
  DatabaseOptions options;
  options.dir = dir_;
  TRY_ASSIGN(database_, Database::open(env, options));
  return {};
}

Status Home::close() {
  const Status status = database_->close();
  database_.reset();
  return status.clone();
}

Status insert_all(Collection& collection, const Matrix<float>& base,
                  const std::function<std::string(size_t)>& metadata) {
  Window window;
  for (size_t start = 0; start < base.rows; start += kPointsPerUpsertMax) {
    UpsertRequest request;
    const size_t end = std::min(start + kPointsPerUpsertMax, base.rows);
    for (size_t i = start; i < end; ++i) {
      PointInput point;
      point.id = std::to_string(i);
      const auto row = base.row(i);
      if (metadata) point.metadata_json = metadata(i);
      point.vector.assign(row.begin(), row.end());
      request.points.push_back(std::move(point));
    }
    window.enter();
    collection.upsert(std::move(request), [&window](const Result<UpsertResult>& result) {
      window.leave(as_status(result));
    });
  }
  TRY(window.drain());
  return collection.link_all();
}

int32_t id_number(const std::string& id) {
  int32_t number = -1;
  std::from_chars(id.data(), id.data() + id.size(), number);
  return number;
}

}  // namespace ferres::bench
