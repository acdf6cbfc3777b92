// What the operations need from the process. Everything referred to outlives the calls and is
// thread-safe.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "api/cloud_settings.h"
#include "api/query_stats.h"
#include "api/reindex_jobs.h"
#include "api/tasks.h"
#include "auth/accounts.h"
#include "auth/audit_log.h"
#include "backup/s3_client.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/files.h"
#include "db/database.h"

namespace ferres {

struct Context {
  Database& db;
  Accounts& accounts;
  Clock& clock;
  FileSystem& files;
  /// For what would keep a connection's thread busy. Its tasks may wait for the database's work,
  /// which runs elsewhere.
  Executor& long_requests;
  /// The same for what waits for the object store, which may be silent for long.
  Executor& store_requests;
  std::string version;
  std::string data_dir;
  std::string address;  // "host:port" as clients see this node
  uint64_t started_nanos = 0;
  bool namespace_physical_isolation = false;
  S3Settings s3 = {};
  QueryStats query_stats{clock};
  CloudSettings cloud{files, data_dir + "/system/cloud.json", s3};
  std::function<Result<std::unique_ptr<ObjectStore>>(const S3Target&, const S3Options&)>
      open_store = open_s3;
  Tasks tasks{clock};
  std::shared_ptr<AuditLog> audit = nullptr;  // null: none is kept
  ReindexJobs reindex_jobs = {};
  std::atomic<int> logins{0};           // that wait or are being checked
  std::atomic<bool> stopping{false};    // long requests give up
  std::atomic<bool> backing_up{false};  // or bringing a backup back: one at a time
};

}  // namespace ferres
