// Background jobs: one row each in jobs.cc {name, period, run}, run on the executor against a
// database that may be gone by then. A job never overlaps itself.
#pragma once
#include <memory>

#include "base/executor.h"

namespace ferres {

class Database;

class JobRunner {
 public:
  JobRunner(Executor& executor, const std::weak_ptr<Database>& database);
  /// No job starts after it; one that runs holds its own reference to the database.
  ~JobRunner();

 private:
  struct Stop;
  std::shared_ptr<Stop> stop_;
};

}  // namespace ferres
