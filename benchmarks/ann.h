// `ferresdb-bench ann`: recall against speed inside the process, through the collection's own write
// and search path.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace ferres::bench {

struct AnnOptions {
  std::string base;
  std::string queries;
  std::string truth;
  std::string metric = "cosine";  // cosine, euclidean, dot
  std::string config;             // body of create collection: JSON, or a file of it
  std::string efs;                // comma list
  std::vector<double> targets;    // searched with as target_recall, after the sweep
  std::string json;               // where the result goes
  std::string dir;                // where the collection is made; empty: a temporary folder
  size_t k = 10;
  size_t threads = 1;
  uint64_t seed = 42;
};

Status run_ann(const AnnOptions& options);

}  // namespace ferres::bench
