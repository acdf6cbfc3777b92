// `ferresdb-bench million`: a large collection is killed with a long log tail and opened again.
#pragma once
#include <cstddef>
#include <string>

#include "base/status.h"

namespace ferres::bench {

struct MillionOptions {
  std::string base;
  std::string queries;
  std::string truth;
  std::string metric = "cosine";
  std::string config;  // body of create collection: JSON, or a file of it
  std::string efs = "50,100,200";
  std::string json;
  std::string dir;  // empty or not there; empty name: a temporary folder
  size_t tail = 100'000;
  size_t k = 10;
  size_t threads = 1;
};

Status run_million(const MillionOptions& options);

}  // namespace ferres::bench
