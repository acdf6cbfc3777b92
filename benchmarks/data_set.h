// What both benchmarks read: base vectors, queries and the exact neighbours.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/status.h"
#include "index/vector_store.h"
#include "npy.h"

namespace ferres::bench {

struct DataSet {
  Matrix<float> base;
  Matrix<float> queries;
  Matrix<int32_t> truth;
};

/// kInvalidArgument when the three do not belong together or know fewer than k neighbours.
Result<DataSet> read_data_set(const std::string& base, const std::string& queries,
                              const std::string& truth, size_t k);

/// cosine, euclidean or dot.
Result<Metric> metric_of(const std::string& name);

/// The body of create collection: `config` (JSON, or the name of a file of it, or nothing) with
/// name, dimension and metric put in front.
Result<std::string> collection_body(const std::string& config, const std::string& name,
                                    size_t dimension, const std::string& metric);

}  // namespace ferres::bench
