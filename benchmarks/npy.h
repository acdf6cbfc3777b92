// Reads and writes two-dimensional arrays as NumPy's .npy files: what data sets and their ground
// truth are kept in. Formats 1 and 2, C order, little endian.
#pragma once
#include <cstddef>
#include <cstdint>
#include <fstream>
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

/// Vectors of a file, float32, float16 or uint8 as float, some rows at a time.
class VectorReader {
 public:
  static Result<VectorReader> open(const std::string& path);
  size_t rows() const { return rows_; }
  size_t columns() const { return columns_; }
  /// The next rows, in a row: rows.size() is a multiple of columns().
  Status read(std::span<float> rows);

 private:
  std::string path_;
  std::string type_;
  std::ifstream file_;
  size_t rows_ = 0;
  size_t columns_ = 0;
};

/// float32, float16 or uint8, as float.
Result<Matrix<float>> read_vectors(const std::string& path);
/// int32.
Result<Matrix<int32_t>> read_ids(const std::string& path);

/// Writes a file of `columns` float32 or int32 a row, as the rows come.
class NpyWriter {
 public:
  static Result<NpyWriter> create(const std::string& path, size_t rows, size_t columns,
                                  const char* type);
  Status write(std::span<const float> values);
  Status write(std::span<const int32_t> values);
  /// kInternal when other than rows * columns values came.
  Status close();

 private:
  Status write_bytes(const void* data, size_t values);

  std::string path_;
  std::ofstream file_;
  size_t missing_ = 0;  // values
};

}  // namespace ferres::bench
