// Neighbourhoods: every vector belongs to the nearest of some vectors drawn from among them, as in
// the first step of k-means. Uneven as neighbourhoods are, and cheap.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/executor.h"
#include "npy.h"

namespace ferres::bench {

/// The rows of each cell, ascending; every row is in exactly one. Same seed, same cells.
std::vector<std::vector<uint32_t>> make_cells(const Matrix<float>& vectors, size_t count,
                                              uint64_t seed, Executor& executor);

}  // namespace ferres::bench
