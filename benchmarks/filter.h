// `ferresdb-bench filter`: filtered searches inside the process, against what an exact search with
// the same filter answers.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace ferres::bench {

struct FilterOptions {
  std::string base;
  std::string queries;
  std::string metric = "cosine";
  std::string config;                // body of create collection: JSON, or a file of it
  std::string payload;               // a JSON object a line, in the order of base; may be empty
  std::vector<std::string> filters;  // further ones, on the payload's fields
  std::string efs = "10,20,30,40,60,80,120,160,240,320,500,800";
  std::string json;
  size_t k = 10;
  size_t queries_max = 200;
  double recall = 0.99;  // each filter is swept until it is reached
  uint64_t seed = 42;
};

Status run_filter(const FilterOptions& options);

}  // namespace ferres::bench
