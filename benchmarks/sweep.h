// Recall against speed: all queries at one value of ef_search after another.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/status.h"
#include "collection/collection.h"
#include "measure.h"
#include "npy.h"

namespace ferres::bench {

/// One search for each row, without metadata.
std::vector<SearchRequest> make_requests(const Matrix<float>& queries, size_t k);

struct SweepOptions {
  size_t k = 10;
  size_t threads = 1;
};

/// One row of the table: all searches with what is asked of them, an ef_search or a target_recall
/// (then ef is the one in force). The best of kPasses passes counts. Prints a line.
Result<CurvePoint> measure_point(Collection& collection, std::vector<SearchRequest>& requests,
                                 const Matrix<int32_t>& truth, const SweepOptions& options);

/// Points were stored under their row as id. Ends beyond kRecallEnough.
Result<std::vector<CurvePoint>> sweep(Collection& collection, const Matrix<float>& queries,
                                      const Matrix<int32_t>& truth,
                                      const std::vector<uint32_t>& efs,
                                      const SweepOptions& options);

}  // namespace ferres::bench
