// `ferresdb-bench churn`: what many deletes and inserts leave of a collection, beside a fresh build
// of the same points.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/status.h"

namespace ferres::bench {

struct ChurnOptions {
  std::string base;
  std::string queries;
  std::string metric = "cosine";
  std::string config;  // body of create collection: JSON, or a file of it
  std::string patterns = "random,clustered,sliding";
  std::string json;
  std::string dir;  // empty or not there; empty name: a temporary folder
  size_t turnovers = 10;
  size_t points_max = 0;  // so many of base; 0: all
  size_t queries_max = 300;
  size_t batch = 200;  // points deleted, then inserted, at a time
  size_t cells = 300;  // neighbourhoods of the clustered pattern
  size_t k = 10;
  uint32_t ef = 50;
  double settle_s = 120;  // at the end: for memory and files to come near the fresh build's
  size_t threads = 1;
  uint64_t seed = 42;
};

Status run_churn(const ChurnOptions& options);

}  // namespace ferres::bench
