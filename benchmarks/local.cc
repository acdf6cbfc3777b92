// See local.h.
#include "local.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "base/files.h"

namespace ferres::bench {
namespace {

constexpr size_t kWritesUnderWay = 4;

Status as_status(const Result<UpsertResult>& result) {
  if (!result.ok()) return result.error().clone();
  if (result->failed.empty()) return {};
  return {Code::kInvalidArgument,
          "point " + result->failed.front().first + ": " + result->failed.front().second};
}

}  // namespace

Home::Home(std::string dir, size_t threads, CollectionOptions options)
    : dir_(std::move(dir)),
      options_(options),
      executor_(make_thread_pool(threads)),
      commit_clock_(system_clock()) {}

Status Home::open() {
  const Environment env{&posix_files(), executor_.get(), &system_clock(), &commit_clock_};
  DatabaseOptions options;
  options.dir = dir_;
  options.collection = options_;
  TRY_ASSIGN(database_, Database::open(env, options));
  return {};
}

Status Home::close() {
  const Status status = database_->close();
  database_.reset();
  return status.clone();
}

Writer::~Writer() {
  drain().ignore();  // told to whoever called drain()
}

void Writer::upsert(UpsertRequest request) {
  enter();
  collection_.upsert(std::move(request),
                     [this](const Result<UpsertResult>& result) { leave(as_status(result)); });
}

void Writer::remove(DeleteRequest request) {
  enter();
  const size_t wanted = request.ids.size();
  collection_.remove(std::move(request), [this, wanted](const Result<DeleteResult>& result) {
    if (!result.ok()) return leave(result.error().clone());
    leave(result->deleted == wanted ? Status()
                                    : Status(Code::kInternal, "a point to delete was not there"));
  });
}

void Writer::enter() {
  const MutexLock lock(mutex_);
  while (running_ >= kWritesUnderWay)
    changed_.wait(mutex_);
  ++running_;
}

void Writer::leave(Status status) {
  const MutexLock lock(mutex_);
  if (failure_.ok()) failure_ = std::move(status);
  --running_;
  changed_.signal_all();
}

Status Writer::drain() {
  const MutexLock lock(mutex_);
  while (running_ > 0)
    changed_.wait(mutex_);
  return failure_.clone();
}

PointInput make_point(std::string id, std::span<const float> vector) {
  PointInput point;
  point.id = std::move(id);
  point.vector.assign(vector.begin(), vector.end());
  return point;
}

Status insert_all(Collection& collection, const Matrix<float>& base,
                  const std::function<std::string(size_t)>& metadata) {
  Writer writer(collection);
  for (size_t start = 0; start < base.rows; start += kPointsPerUpsertMax) {
    UpsertRequest request;
    const size_t end = std::min(start + kPointsPerUpsertMax, base.rows);
    for (size_t i = start; i < end; ++i) {
      request.points.push_back(make_point(std::to_string(i), base.row(i)));
      if (metadata) request.points.back().metadata_json = metadata(i);
    }
    writer.upsert(std::move(request));
  }
  TRY(writer.drain());
  return collection.link_all();
}

Status insert_next(Collection& collection, VectorReader& rows, size_t first, size_t count) {
  Writer writer(collection);
  std::vector<float> batch;
  for (size_t done = 0; done < count;) {
    const size_t some = std::min(kPointsPerUpsertMax, count - done);
    batch.resize(some * rows.columns());
    TRY(rows.read(batch));
    UpsertRequest request;
    for (size_t i = 0; i < some; ++i) {
      request.points.push_back(
          make_point(std::to_string(first + done + i),
                     std::span(batch).subspan(i * rows.columns(), rows.columns())));
    }
    writer.upsert(std::move(request));
    done += some;
  }
  return writer.drain();
}

int32_t id_number(const std::string& id) {
  int32_t number = -1;
  std::from_chars(id.data(), id.data() + id.size(), number);
  return number;
}

}  // namespace ferres::bench
