// `ferresdb-bench generate`: many vectors that lie as real ones do, queries and exact neighbours.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/status.h"

namespace ferres::bench {

struct GenerateOptions {
  std::string base;     // real vectors
  std::string out;      // float32
  std::string queries;  // files to write, too
  std::string truth;
  std::string metric = "cosine";
  size_t count = 1'000'000;
  size_t queries_count = 200;
  size_t k = 100;  // neighbours a query
  double noise = 1;
  size_t threads = 1;
  uint64_t seed = 42;
};

Status run_generate(const GenerateOptions& options);

}  // namespace ferres::bench
