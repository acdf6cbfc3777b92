// Distances in plain C++, for CPUs without AVX2 and as the form that is easy to believe. Eight sums
// side by side: the compiler may not reorder float additions itself, and one sum would wait for
// each addition in turn. Thread-safe: pure functions.
#include <array>
#include <cstddef>

#include "kernels/distance.h"
#include "kernels/tables.h"

namespace ferres {
namespace {

constexpr size_t kSums = 8;

float total(const std::array<float, kSums>& sums) {
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

float dot(const float* a, const float* b, size_t dim) {
  std::array<float, kSums> sums{};
  size_t i = 0;
  for (; i + kSums <= dim; i += kSums) {
    for (size_t j = 0; j < kSums; ++j)
      sums[j] += a[i + j] * b[i + j];
  }
  for (size_t j = 0; i + j < dim; ++j)
    sums[j] += a[i + j] * b[i + j];
  return total(sums);
}

float l2_squared(const float* a, const float* b, size_t dim) {
  std::array<float, kSums> sums{};
  size_t i = 0;
  for (; i + kSums <= dim; i += kSums) {
    for (size_t j = 0; j < kSums; ++j) {
      const float difference = a[i + j] - b[i + j];
      sums[j] += difference * difference;
    }
  }
  for (size_t j = 0; i + j < dim; ++j) {
    const float difference = a[i + j] - b[i + j];
    sums[j] += difference * difference;
  }
  return total(sums);
}

void dot_many(const float* query, const float* const* rows, size_t count, size_t dim, float* out) {
  for (size_t i = 0; i < count; ++i)
    out[i] = dot(query, rows[i], dim);
}

void l2_squared_many(const float* query, const float* const* rows, size_t count, size_t dim,
                     float* out) {
  for (size_t i = 0; i < count; ++i)
    out[i] = l2_squared(query, rows[i], dim);
}

}  // namespace

const DistanceKernels kScalarKernels = {
    "scalar", dot, l2_squared, dot_many, l2_squared_many, &kScalarCodeKernels};

}  // namespace ferres
