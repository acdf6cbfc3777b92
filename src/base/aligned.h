// Vectors that start on a cache line and may be read by whole lines: for kernels that load 64 bytes
// at a time. resize() rounds the memory up, zeroes what is beyond, and never shrinks it.
// Belongs to one thread at a time.
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

  /// Keeps nothing: every element is zero afterwards when the memory grew, else as it was. Beyond
  /// the last one all is zero up to the next line, whatever a longer use has left there.
  void resize(size_t size) {
    size_ = size;
    const size_t bytes = (std::max<size_t>(size * sizeof(T), 1) + kLine - 1) / kLine * kLine;
    if (data_ != nullptr && bytes <= bytes_) {  // null: moved from
      std::memset(data_.get() + size, 0, bytes - size * sizeof(T));
      return;
    }
    data_.reset(static_cast<T*>(std::aligned_alloc(kLine, bytes)));
    CHECK(data_ != nullptr);
    std::memset(data_.get(), 0, bytes);
    bytes_ = bytes;
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
