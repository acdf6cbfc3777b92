// Implements data_set.h.
#include "data_set.h"

#include <fstream>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "collection/config.h"

namespace ferres::bench {

Result<DataSet> read_data_set(const std::string& base, const std::string& queries,
                              const std::string& truth, size_t k) {
  DataSet set;
  TRY_ASSIGN(set.base, read_vectors(base));
  TRY_ASSIGN(set.queries, read_vectors(queries));
  TRY_ASSIGN(set.truth, read_ids(truth));
  if (set.base.columns != set.queries.columns || set.queries.rows != set.truth.rows) {
    return Status(Code::kInvalidArgument, "base, queries and ground truth do not belong together");
  }
  if (k == 0 || k > set.truth.columns || set.queries.rows == 0) {
    return Status(Code::kInvalidArgument,
                  fmt::format("k must be between 1 and the {} neighbours that the ground truth has",
                              set.truth.columns));
  }
  return set;
}

Result<Metric> metric_of(const std::string& name) {
  if (name == "cosine") return Metric::kCosine;
  if (name == "euclidean") return Metric::kEuclidean;
  if (name == "dot") return Metric::kDot;
  return Status(Code::kInvalidArgument, "metric: must be cosine, euclidean or dot");
}

Result<std::string> collection_body(const std::string& config, const std::string& name,
                                    size_t dimension, const std::string& metric) {
  TRY_ASSIGN(const Metric known, metric_of(metric));
  std::string body = config.empty() ? "{}" : config;
  if (body.front() != '{') {
    std::ifstream file(body);
    body.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  const size_t brace = body.find('{');
  if (brace == std::string::npos) {
    return Status(Code::kInvalidArgument, "config: neither a JSON object nor a file of one");
  }
  const bool more = body.find('"', brace) != std::string::npos;
  body.replace(0, brace + 1,
               fmt::format(R"({{"name": "{}", "dimension": {}, "distance": "{}"{})", name,
                           dimension, metric_name(known), more ? ", " : ""));
  return body;
}

}  // namespace ferres::bench
