// Every instruction set that this CPU has against a loop in double precision.
//
// Bound: a sum of n products in s partial sums has a relative error of at most about (n / s + log s
// + 2) roundings against the sum of the magnitudes; 8 partial sums are the fewest here. So
//   |got - exact| <= (dim / 8 + 20) * 2^-24 * sum |terms| + dim * 2^-149 (products that underflow).
#include "kernels/distance.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "base/status.h"

namespace ferres {
namespace {

struct Exact {
  double value = 0;
  double magnitude = 0;
};

Exact exact_dot(const float* a, const float* b, size_t dim) {
  Exact exact;
  for (size_t i = 0; i < dim; ++i) {
    exact.value += double{a[i]} * b[i];
    exact.magnitude += std::abs(double{a[i]} * b[i]);
  }
  return exact;
}

Exact exact_l2(const float* a, const float* b, size_t dim) {
  Exact exact;
  for (size_t i = 0; i < dim; ++i) {
    const double difference = double{a[i]} - b[i];
    exact.value += difference * difference;
  }
  exact.magnitude = exact.value;
  return exact;
}

double bound(const Exact& exact, size_t dim) {
  return (static_cast<double>(dim) / 8 + 20) * std::ldexp(1.0, -24) * exact.magnitude +
         static_cast<double>(dim) * std::ldexp(1.0, -149);
}

std::vector<size_t> dims() {
  std::vector<size_t> all;
  for (size_t dim = 1; dim <= 130; ++dim)
    all.push_back(dim);
  for (const size_t dim : {384, 768, 1000, 1536, 4095, 4096})
    all.push_back(dim);
  return all;
}

constexpr size_t kRows = 15;  // a group of eight, one of four, and a rest of three
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// A query and kRows rows of `dim` floats, each with a NaN before and after it, so that a kernel
/// which reads one float too many gives itself away; at odd addresses of 4 bytes.
class Rows {
 public:
  Rows(size_t dim, float scale, std::mt19937& random) : values_((kRows + 1) * (dim + 2), kNan) {
    std::normal_distribution<float> normal(0.1f, 1.0f);
    for (size_t i = 0; i <= kRows; ++i) {
      float* const row = values_.data() + i * (dim + 2) + 1;
      for (size_t j = 0; j < dim; ++j)
        row[j] = scale * normal(random);
      rows_.push_back(row);
    }
  }
  const float* query() const { return rows_[kRows]; }
  const float* const* rows() const { return rows_.data(); }

 private:
  std::vector<float> values_;
  std::vector<const float*> rows_;
};

void expect_close(float got, const Exact& exact, size_t dim, const std::string& what) {
  EXPECT_LE(std::abs(got - exact.value), bound(exact, dim))
      << what << " dim " << dim << ": " << got << " instead of " << exact.value;
}

void compare_all(const DistanceKernels& table, const Rows& data, size_t dim) {
  const std::string isa(table.isa);
  std::vector<float> dots(kRows + 1, -7.0f);
  std::vector<float> squares(kRows + 1, -7.0f);
  for (size_t count = 0; count <= kRows; ++count) {
    table.dot_many(data.query(), data.rows(), count, dim, dots.data());
    table.l2_squared_many(data.query(), data.rows(), count, dim, squares.data());
    EXPECT_EQ(dots[count], -7.0f) << isa << " wrote beyond count " << count;
    EXPECT_EQ(squares[count], -7.0f) << isa << " wrote beyond count " << count;
    for (size_t i = 0; i < count; ++i) {
      const float* const row = data.rows()[i];
      const Exact dot = exact_dot(data.query(), row, dim);
      const Exact square = exact_l2(data.query(), row, dim);
      expect_close(dots[i], dot, dim, isa + " dot_many");
      expect_close(squares[i], square, dim, isa + " l2_squared_many");
      expect_close(table.dot(data.query(), row, dim), dot, dim, isa + " dot");
      expect_close(table.l2_squared(data.query(), row, dim), square, dim, isa + " l2_squared");
    }
  }
}

TEST(Distance, EveryIsaIsWithinTheBoundForEveryDimension) {
  constexpr unsigned kSeed = 20251;
  std::mt19937 random(kSeed);
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  for (const size_t dim : dims()) {
    for (const float scale : {1.0f, 1e15f, 1e-15f, 1e-22f}) {
      const Rows data(dim, scale, random);
      for (const DistanceKernels* table : available_kernels())
        compare_all(*table, data, dim);
      if (HasFailure()) return;
    }
  }
}

TEST(Distance, VectorToItselfIsExactlyZeroApart) {
  std::mt19937 random(3);
  for (const size_t dim : dims()) {
    const Rows data(dim, 1e10f, random);
    for (const DistanceKernels* table : available_kernels()) {
      EXPECT_EQ(table->l2_squared(data.query(), data.query(), dim), 0.0f) << table->isa;
    }
  }
}

TEST(Distance, OverflowIsInfinityAndNanStaysNan) {
  for (const DistanceKernels* table : available_kernels()) {
    for (const size_t dim : {1, 7, 16, 33, 100}) {
      const std::vector<float> huge(dim, 3e38f);
      std::vector<float> nan(dim, 1.0f);
      nan[dim - 1] = kNan;
      const float* const row = huge.data();
      EXPECT_TRUE(std::isinf(table->dot(row, row, dim))) << table->isa << " dim " << dim;
      EXPECT_TRUE(std::isnan(table->l2_squared(nan.data(), row, dim))) << table->isa;
      EXPECT_TRUE(std::isnan(table->dot(nan.data(), row, dim))) << table->isa;
    }
  }
}

TEST(Distance, ManyGivesTheSameBitsWhereverARowStands) {
  // A full group is the same work for each row; the others may round differently. Within a group
  // a row's result must not depend on its neighbours.
  std::mt19937 random(5);
  const Rows data(100, 1.0f, random);
  const std::vector<const float*> same(8, data.rows()[0]);
  for (const DistanceKernels* table : available_kernels()) {
    std::vector<float> out(8);
    table->dot_many(data.query(), same.data(), 8, 100, out.data());
    for (const float value : out)
      EXPECT_EQ(value, out[0]) << table->isa;
  }
}

TEST(Table, ScalarIsAlwaysThereAndSlowest) {
  ASSERT_FALSE(available_kernels().empty());
  EXPECT_EQ(available_kernels().front()->isa, "scalar");
}

TEST(Table, SelectionByNameIsInForce) {
  const std::string_view before = kernels().isa;
  for (const DistanceKernels* table : available_kernels()) {
    ASSERT_TRUE(select_kernels(table->isa).ok());
    EXPECT_EQ(&kernels(), table);
  }
  ASSERT_TRUE(select_kernels("auto").ok());
  EXPECT_EQ(&kernels(), available_kernels().back());
  ASSERT_TRUE(select_kernels(before).ok());
}

TEST(Table, UnknownIsaIsRefusedAndChangesNothing) {
  const std::string before(kernels().isa);
  for (const std::string_view name : {"", "sse9", "AVX2", "avx2 "}) {
    const Status status = select_kernels(name);
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << name;
    EXPECT_NE(status.message().find("scalar"), std::string_view::npos) << status.message();
  }
  EXPECT_EQ(kernels().isa, before);
}

TEST(Table, FirstUseTakesTheEnvironment) {
  const char* const isa = std::getenv("FERRES_ISA");  // NOLINT(concurrency-mt-unsafe)
  if (isa == nullptr || *isa == '\0') {
    EXPECT_EQ(kernels().isa, available_kernels().back()->isa);
  } else {
    EXPECT_TRUE(kernels().isa == isa || std::string_view(isa) == "auto");
  }
}

}  // namespace
}  // namespace ferres
