// What the operations need from the process. Everything referred to outlives the calls and is
// thread-safe.
#pragma once
#include <atomic>
#include <cstdint>
#include <string>

#include "api/query_stats.h"
#include "api/tasks.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/files.h"
#include "db/database.h"

namespace ferres {

struct Context {
  Database& db;
  Clock& clock;
  FileSystem& files;
  /// For what would keep a connection's thread busy. Its tasks may wait for the database's work,
  /// which runs elsewhere.
  Executor& long_requests;
  std::string version;
  std::string data_dir;
  std::string address;  // "host:port" as clients see this node
  uint64_t started_nanos = 0;
  QueryStats query_stats;
  Tasks tasks{clock};
  std::atomic<bool> stopping{false};  // long requests give up
};

}  // namespace ferres
