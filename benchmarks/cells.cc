// See cells.h.
#include "cells.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/random.h"
#include "kernels/distance.h"

namespace ferres::bench {

std::vector<std::vector<uint32_t>> make_cells(const Matrix<float>& vectors, size_t count,
                                              uint64_t seed, Executor& executor) {
  count = std::clamp<size_t>(count, 1, vectors.rows);
  std::vector<uint32_t> order(vectors.rows);
  std::iota(order.begin(), order.end(), 0u);
  Random random(seed);
  std::vector<const float*> centres;
  for (size_t i = 0; i < count; ++i) {
    std::swap(order[i], order[i + random.below(order.size() - i)]);
    centres.push_back(vectors.row(order[i]).data());
  }
  std::vector<uint32_t> cell_of(vectors.rows);
  constexpr size_t kRowsATask = 1024;
  executor.parallel_for((vectors.rows + kRowsATask - 1) / kRowsATask, [&](size_t task) {
    std::vector<float> distances(count);
    const size_t end = std::min(vectors.rows, (task + 1) * kRowsATask);
    for (size_t row = task * kRowsATask; row < end; ++row) {
      kernels().l2_squared_many(vectors.row(row).data(), centres.data(), count, vectors.columns,
                                distances.data());
      cell_of[row] = static_cast<uint32_t>(std::min_element(distances.begin(), distances.end()) -
                                           distances.begin());
    }
  });
  std::vector<std::vector<uint32_t>> cells(count);
  for (uint32_t row = 0; row < vectors.rows; ++row)
    cells[cell_of[row]].push_back(row);
  return cells;
}

}  // namespace ferres::bench
