// Vectors that start on a cache line and may be read by whole lines: for kernels that load 64 bytes
// at a time. Memory is rounded up and never shrinks.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <type_traits>

#include "base/status.h"

namespace ferres {

template <class T>
class AlignedVector {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  AlignedVector() = default;
  explicit AlignedVector(size_t size) { resize(size); }

  /// The same size again keeps the content; any other leaves zeros, also beyond the end, where
  /// whole-line loads read.
  void resize(size_t size) {
    if (size == size_) return;
    size_ = size;
    const size_t bytes = (std::max<size_t>(size * sizeof(T), 1) + kLine - 1) / kLine * kLine;
    if (bytes > bytes_) {
      data_.reset(static_cast<T*>(std::aligned_alloc(kLine, bytes)));
      CHECK(data_ != nullptr);
      bytes_ = bytes;
    }
    std::memset(data_.get(), 0, bytes_);
  }
  /// resize(), then data().
  T* data_for(size_t size) {
    resize(size);
    return data();
  }

  size_t size() const { return size_; }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  T& operator[](size_t i) { return data_.get()[i]; }
  const T& operator[](size_t i) const { return data_.get()[i]; }

 private:
  static constexpr size_t kLine = 64;
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T, Free> data_;
  size_t size_ = 0;
  size_t bytes_ = 0;
};

}  // namespace ferres
