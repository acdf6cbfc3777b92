// Reads two-dimensional arrays from NumPy's .npy files: what data sets and their ground truth are
// kept in. Formats 1 and 2, C order, little endian.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace ferres::bench {

template <class T>
struct Matrix {
  size_t rows = 0;
  size_t columns = 0;
  std::vector<T> values;

  std::span<const T> row(size_t index) const {
    return std::span(values).subspan(index * columns, columns);
  }
};

/// float32, float16 or uint8, as float.
Result<Matrix<float>> read_vectors(const std::string& path);
/// int32.
Result<Matrix<int32_t>> read_ids(const std::string& path);

}  // namespace ferres::bench
