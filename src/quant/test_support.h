// What the tests of quantizers share: vectors from a seed, sums in double precision, and each
// instruction set in turn. Tests only.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <gtest/gtest.h>

#include "base/aligned.h"
#include "base/random.h"
#include "kernels/distance.h"

namespace ferres {

using Floats = AlignedVector<float>;

/// Normal enough: the sum of twelve uniform numbers.
inline float normal(Random& random) {
  double sum = -6;
  for (int k = 0; k < 12; ++k)
    sum += random.unit();
  return static_cast<float>(sum);
}
inline Floats normals(size_t dim, float scale, Random& random) {
  Floats v(dim);
  for (size_t i = 0; i < dim; ++i)
    v[i] = scale * normal(random);
  return v;
}

inline double exact_dot(const Floats& a, const Floats& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    sum += double{a[i]} * b[i];
  return sum;
}
inline double exact_norm(const Floats& a) {
  return std::sqrt(exact_dot(a, a));
}
inline double exact_l2(const Floats& a, const Floats& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  return sum;
}

/// Calls body(isa) with each table that the CPU has in force, and puts the first choice back.
template <class Body>
void on_every_isa(Body&& body) {
  const std::string_view before = kernels().isa;
  for (const DistanceKernels* table : available_kernels()) {
    ASSERT_TRUE(select_kernels(table->isa).ok());
    body(table->isa);
  }
  ASSERT_TRUE(select_kernels(before).ok());
}

}  // namespace ferres
