// The exact neighbours of some queries among vectors that come in pieces: what approximate answers
// are judged by. Distances are those of the project's kernels, so a tie that the database sees is
// one here too.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "index/vector_store.h"
#include "npy.h"

namespace ferres::bench {

class ExactSearch {
 public:
  /// queries and executor outlive it. The executor's workers share the queries.
  ExactSearch(Metric metric, const Matrix<float>& queries, size_t k, Executor& executor);

  /// Offers vectors and the ids that they are answered under.
  void add(std::span<const float* const> rows, std::span<const int32_t> ids);
  /// k ids a query, nearest first, -1 where there are fewer.
  std::vector<int32_t> nearest() const;
  /// The dimension of the space around the queries, by the maximum likelihood of how fast the
  /// number of neighbours grows with the distance (Levina and Bickel, "Maximum likelihood
  /// estimation of intrinsic dimension", 2004; averaged as MacKay and Ghahramani corrected it).
  double local_dimension() const;

 private:
  using Found = std::pair<float, int32_t>;  // key in the order of the distance, id
  void add_to(size_t query, std::span<const float* const> rows, std::span<const int32_t> ids,
              std::span<const float> scales);

  const Metric metric_;
  const Matrix<float>& queries_;
  const size_t k_;
  Executor& executor_;
  std::vector<std::vector<Found>> nearest_;  // a heap a query, the farthest on top
};

}  // namespace ferres::bench
