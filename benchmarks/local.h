// A database inside the benchmark's process, and the load of vectors into one of its collections.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/executor.h"
#include "base/status.h"
#include "collection/collection.h"
#include "data_set.h"
#include "db/database.h"

namespace ferres::bench {

inline constexpr const char* kCollectionName = "bench";

/// The process around a database, in the order in which it must go.
class Home {
 public:
  Home(std::string dir, size_t threads);
  Status open();
  Status close();
  Database& database() { return *database_; }

 private:
  std::string dir_;
  std::unique_ptr<Executor> executor_;
  CommitClock commit_clock_;
  std::shared_ptr<Database> database_;
};

/// Upserts every row under its number as id, in durable batches, and waits until all are linked.
/// `metadata`, when given, makes the JSON of a row.
Status insert_all(Collection& collection, const Matrix<float>& base,
                  const std::function<std::string(size_t)>& metadata);

/// The number that an id of insert_all is; -1 when it is none.
int32_t id_number(const std::string& id);

}  // namespace ferres::bench
