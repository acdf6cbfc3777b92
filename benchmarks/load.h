// `ferresdb-bench load`: ingest and search through a running server's HTTP interface.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include <sys/types.h>

#include "base/status.h"

namespace ferres::bench {

struct LoadOptions {
  std::string url;
  std::string key;
  std::string base;
  std::string queries;
  std::string truth;
  std::string metric = "cosine";
  std::string config;
  std::string efs;
  std::string json;
  std::string collection = "ferresdb-bench";  // replaced when it exists, dropped at the end
  std::string only;  // fill: it stays; search: it is there, and stays; empty: both
  size_t k = 10;
  size_t connections = 1;
  size_t batch = 100;  // points an upsert
  pid_t pid = 0;       // the server's, for its CPU time; 0: unknown
};

Status run_load(const LoadOptions& options);

}  // namespace ferres::bench
