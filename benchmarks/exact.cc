// See exact.h. Rows are taken in blocks that stay in the second cache while all queries of a worker
// pass over them: the memory is read once, not once a query.
#include "exact.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/distance.h"

namespace ferres::bench {
namespace {

constexpr size_t kBlockRows = 256;
constexpr size_t kQueriesATask = 16;

}  // namespace

ExactSearch::ExactSearch(Metric metric, const Matrix<float>& queries, size_t k, Executor& executor)
    : metric_(metric), queries_(queries), k_(k), executor_(executor), nearest_(queries.rows) {
  for (auto& heap : nearest_)
    heap.reserve(k + 1);
}

void ExactSearch::add(std::span<const float* const> rows, std::span<const int32_t> ids) {
  const size_t dim = queries_.columns;
  std::vector<float> scales(rows.size(), 1.0f);
  if (metric_ == Metric::kCosine) {
    executor_.parallel_for((rows.size() + kBlockRows - 1) / kBlockRows, [&](size_t block) {
      const size_t end = std::min(rows.size(), (block + 1) * kBlockRows);
      for (size_t i = block * kBlockRows; i < end; ++i) {
        const float norm = std::sqrt(kernels().dot(rows[i], rows[i], dim));
        scales[i] = norm > 0 ? 1 / norm : 0;
      }
    });
  }
  executor_.parallel_for((queries_.rows + kQueriesATask - 1) / kQueriesATask, [&](size_t task) {
    const size_t last = std::min(queries_.rows, (task + 1) * kQueriesATask);
    for (size_t start = 0; start < rows.size(); start += kBlockRows) {
      const size_t count = std::min(kBlockRows, rows.size() - start);
      for (size_t query = task * kQueriesATask; query < last; ++query) {
        add_to(query, rows.subspan(start, count), ids.subspan(start, count),
               std::span(scales).subspan(start, count));
      }
    }
  });
}

void ExactSearch::add_to(size_t query, std::span<const float* const> rows,
                         std::span<const int32_t> ids, std::span<const float> scales) {
  std::array<float, kBlockRows> keys{};
  const float* const vector = queries_.row(query).data();
  if (metric_ == Metric::kEuclidean) {
    kernels().l2_squared_many(vector, rows.data(), rows.size(), queries_.columns, keys.data());
  } else {
    kernels().dot_many(vector, rows.data(), rows.size(), queries_.columns, keys.data());
    for (size_t i = 0; i < rows.size(); ++i)
      keys[i] *= -scales[i];
  }
  auto& heap = nearest_[query];
  for (size_t i = 0; i < rows.size(); ++i) {
    const Found found{keys[i], ids[i]};
    if (heap.size() == k_ && !(found < heap.front())) continue;
    heap.push_back(found);
    std::push_heap(heap.begin(), heap.end());
    if (heap.size() <= k_) continue;
    std::pop_heap(heap.begin(), heap.end());
    heap.pop_back();
  }
}

std::vector<int32_t> ExactSearch::nearest() const {
  std::vector<int32_t> ids(nearest_.size() * k_, -1);
  for (size_t query = 0; query < nearest_.size(); ++query) {
    std::vector<Found> sorted = nearest_[query];
    std::sort(sorted.begin(), sorted.end());
    for (size_t i = 0; i < sorted.size(); ++i)
      ids[query * k_ + i] = sorted[i].second;
  }
  return ids;
}

double ExactSearch::local_dimension() const {
  double sum = 0;
  size_t count = 0;
  for (size_t query = 0; query < nearest_.size(); ++query) {
    const auto row = queries_.row(query);
    const float norm = std::sqrt(kernels().dot(row.data(), row.data(), row.size()));
    std::vector<double> squares;
    for (const auto& [key, id] : nearest_[query]) {
      // For directions, the chord between them.
      squares.push_back(metric_ == Metric::kEuclidean ? key : 2 + 2 * key / norm);
    }
    std::sort(squares.begin(), squares.end());
    for (const double square : squares) {
      if (square < 1e-5 || square >= squares.back()) continue;  // rounding, or the query itself
      sum += 0.5 * std::log(squares.back() / square);
      ++count;
    }
  }
  return sum > 0 ? static_cast<double>(count) / sum : 0;
}

}  // namespace ferres::bench
