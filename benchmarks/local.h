// A database inside the benchmark's process, and the load of vectors into one of its collections.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/executor.h"
#include "base/mutex.h"
#include "base/status.h"
#include "collection/collection.h"
#include "data_set.h"
#include "db/database.h"

namespace ferres::bench {

inline constexpr const char* kCollectionName = "bench";

/// The process around a database, in the order in which it must go.
class Home {
 public:
  Home(std::string dir, size_t threads, CollectionOptions options = {});
  Status open();
  Status close();
  Database& database() { return *database_; }

 private:
  std::string dir_;
  CollectionOptions options_;
  std::unique_ptr<Executor> executor_;
  CommitClock commit_clock_;
  std::shared_ptr<Database> database_;
};

/// Keeps a few writes under way at once, so that the lane has the next when it ends one, and the
/// first failure. One thread owns it.
class Writer {
 public:
  explicit Writer(Collection& collection) : collection_(collection) {}
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Both wait while too many are under way; the writes are applied in the order of the calls.
  void upsert(UpsertRequest request);
  void remove(DeleteRequest request);
  /// Waits for all of them: each is durable and visible then.
  Status drain();

 private:
  void enter();
  void leave(Status status);

  Collection& collection_;
  Mutex mutex_;
  CondVar changed_;
  size_t running_ GUARDED_BY(mutex_) = 0;
  Status failure_ GUARDED_BY(mutex_);
};

PointInput make_point(std::string id, std::span<const float> vector);

/// Upserts every row under its number as id, in durable batches, and waits until all are linked.
/// `metadata`, when given, makes the JSON of a row.
Status insert_all(Collection& collection, const Matrix<float>& base,
                  const std::function<std::string(size_t)>& metadata);

/// Upserts the next `count` rows under the numbers from `first`, and waits until they are durable.
Status insert_next(Collection& collection, VectorReader& rows, size_t first, size_t count);

/// The number that an id of insert_all is; -1 when it is none.
int32_t id_number(const std::string& id);

}  // namespace ferres::bench
