// A rotation keeps lengths and inner products, can be undone, spreads what is in one component, and
// gives the same bits on every instruction set.
#include "quant/rotation.h"

#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "quant/test_support.h"

namespace ferres {
namespace {

constexpr uint64_t kSeed = 31;
constexpr uint32_t kDims[] = {1, 3, 16, 17, 96, 100, 128, 384, 400, 768, 784, 1536, 4095, 4096};

/// A vector of rotation.dim() components, padded with zeros.
Floats padded(const Rotation& rotation, float scale, Random& random) {
  Floats v(rotation.padded_dim());
  for (uint32_t i = 0; i < rotation.dim(); ++i)
    v[i] = scale * normal(random);
  return v;
}
Floats applied(const Rotation& rotation, const Floats& v) {
  Floats out(v.size());
  std::memcpy(out.data(), v.data(), v.size() * sizeof(float));
  rotation.apply(out.data());
  return out;
}

TEST(Rotation, PadsToAMultipleOfSixteen) {
  for (const uint32_t dim : kDims) {
    const Rotation rotation(dim);
    EXPECT_EQ(rotation.dim(), dim);
    EXPECT_EQ(rotation.padded_dim() % 16, 0u);
    EXPECT_GE(rotation.padded_dim(), dim);
    EXPECT_LT(rotation.padded_dim(), dim + 16);
    EXPECT_EQ(rotation.padded_dim(), Rotation::pad(dim));
  }
}

TEST(Rotation, KeepsLengthsAndInnerProducts) {
  Random random(kSeed);
  for (const uint32_t dim : kDims) {
    const Rotation rotation(dim);
    for (const float scale : {1e-10f, 1.0f, 1e10f}) {
      const Floats a = padded(rotation, scale, random);
      const Floats b = padded(rotation, scale, random);
      const Floats ra = applied(rotation, a);
      const Floats rb = applied(rotation, b);
      const double bound = 2e-6 * exact_norm(a) * exact_norm(b);
      EXPECT_NEAR(exact_norm(ra), exact_norm(a), 2e-6 * exact_norm(a)) << dim;
      EXPECT_NEAR(exact_dot(ra, rb), exact_dot(a, b), bound) << dim;
    }
  }
}

TEST(Rotation, InvertUndoesApply) {
  Random random(kSeed);
  for (const uint32_t dim : kDims) {
    const Rotation rotation(dim);
    const Floats v = padded(rotation, 1, random);
    Floats back = applied(rotation, v);
    EXPECT_GT(exact_l2(v, back), 0.01 * exact_dot(v, v)) << dim << ": nothing was rotated";
    rotation.invert(back.data());
    for (size_t i = 0; i < v.size(); ++i)
      ASSERT_NEAR(back[i], v[i], 1e-5) << dim << " at " << i;
  }
}

TEST(Rotation, SpreadsOneComponentOverAll) {
  for (const uint32_t dim : kDims) {
    const Rotation rotation(dim);
    const auto n = static_cast<double>(rotation.padded_dim());
    for (const uint32_t at : {0u, dim / 2, dim - 1}) {
      Floats v(rotation.padded_dim());
      v[at] = 1;
      rotation.apply(v.data());
      double most = 0;
      for (size_t i = 0; i < v.size(); ++i)
        most = std::max(most, double{std::fabs(v[i])});
      EXPECT_LT(most, 6 / std::sqrt(n)) << dim << " from " << at;
    }
  }
}

TEST(Rotation, HasTheSameBitsOnEveryIsa) {
  Random random(kSeed);
  for (const uint32_t dim : kDims) {
    const Floats v = padded(Rotation(dim), 1, random);
    std::vector<float> first;
    on_every_isa([&](std::string_view isa) {
      const Rotation rotation(dim);
      Floats out = applied(rotation, v);
      rotation.invert(out.data());
      rotation.apply(out.data());
      const std::vector<float> bits(out.data(), out.data() + out.size());
      if (first.empty()) first = bits;
      EXPECT_EQ(bits, first) << isa << " dim " << dim;
    });
  }
}

TEST(Rotation, IsPartOfTheFormat) {
  // Codes on disk were made with these numbers: another seed or order makes them worthless.
  Floats v(48);
  for (size_t i = 0; i < 48; ++i)
    v[i] = static_cast<float>(i);
  Rotation(48).apply(v.data());
  EXPECT_EQ(v[0], -3.8808364868164062f);
  EXPECT_EQ(v[17], 13.64359188079834f);
  EXPECT_EQ(v[47], -28.000827789306641f);
}

}  // namespace
}  // namespace ferres
