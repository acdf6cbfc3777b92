// What is particular to polar: the public functions, the tree of angles on fixed boundaries, and
// the promise of its error.
#include "quant/polar.h"

#include <algorithm>
#include <cstring>
#include <numbers>
#include <vector>

#include <gtest/gtest.h>

#include "quant/test_support.h"

namespace ferres {
namespace {

constexpr uint64_t kSeed = 36;
constexpr uint32_t kDims[] = {16, 32, 48, 112, 128, 144, 384, 400, 768, 1040, 4096};

AlignedVector<std::byte> encoded(const Floats& v, uint32_t bits) {
  const auto dim = static_cast<uint32_t>(v.size());
  AlignedVector<std::byte> code(polar_code_bytes(dim, bits));
  polar_encode(v.data(), dim, bits, code.data());
  return code;
}
Floats decoded(const AlignedVector<std::byte>& code, uint32_t dim, uint32_t bits) {
  Floats v(dim);
  polar_decode(code.data(), dim, bits, v.data());
  return v;
}

/// The textbook's way: angles one after another with libm, lengths exact, from the leaves up.
double relative_error_by_the_book(const Floats& v, uint32_t bits) {
  std::vector<double> lengths(v.data(), v.data() + v.size());
  std::vector<std::vector<double>> angles;
  while (lengths.size() > 1) {
    const size_t above = (lengths.size() + 1) / 2;
    const double range = angles.empty() ? 2 * std::numbers::pi : std::numbers::pi / 2;
    const double step = range / (1 << bits);
    angles.emplace_back();
    for (size_t i = 0; i < lengths.size() / 2; ++i) {
      const double angle = std::atan2(lengths[i + above], lengths[i]);
      const double whole = angle < 0 ? angle + 2 * std::numbers::pi : angle;
      angles.back().push_back((std::min(std::floor(whole / step), (1 << bits) - 1.0) + 0.5) * step);
      lengths[i] = std::hypot(lengths[i], lengths[i + above]);
    }
    lengths.resize(above);
  }
  std::vector<double> out = lengths;
  for (size_t level = angles.size(); level-- > 0;) {
    const std::vector<double>& angle = angles[level];
    const size_t above = out.size();
    out.resize(above + angle.size());
    for (size_t i = 0; i < angle.size(); ++i) {
      out[i + above] = out[i] * std::sin(angle[i]);
      out[i] *= std::cos(angle[i]);
    }
  }
  double error = 0;
  for (size_t i = 0; i < v.size(); ++i)
    error += (out[i] - v[i]) * (out[i] - v[i]);
  return error / exact_dot(v, v);
}

TEST(Polar, ErrorIsWithinThePromiseAndNoWorseThanTheTextbooks) {
  Random random(kSeed);
  for (const uint32_t dim : kDims) {
    double book = 0;
    double ours = 0;
    for (int i = 0; i < 30; ++i) {
      const Floats v = normals(dim, 1, random);
      book += relative_error_by_the_book(v, 8) / 30;
      ours += exact_l2(v, decoded(encoded(v, 8), dim, 8)) / exact_dot(v, v) / 30;
    }
    EXPECT_LT(ours, 2.8e-4) << dim;
    EXPECT_LT(ours, 1.05 * book) << dim;
    EXPECT_GT(ours, 0.5 * book) << dim << ": too good to be eight bits";
  }
}

TEST(Polar, KeepsTheRadius) {
  Random random(kSeed);
  for (const uint32_t dim : kDims) {
    for (uint32_t bits = 1; bits <= 8; ++bits) {
      for (const float scale : {1e-25f, 1.0f, 1e10f}) {
        const Floats v = normals(dim, scale, random);
        const AlignedVector<std::byte> code = encoded(v, bits);
        float radius = 0;
        std::memcpy(&radius, code.data() + code.size() - sizeof radius, sizeof radius);
        EXPECT_NEAR(radius / exact_norm(v), 1, 1e-5) << dim;
        EXPECT_NEAR(exact_norm(decoded(code, dim, bits)) / exact_norm(v), 1, 1e-5) << dim;
      }
    }
  }
}

TEST(Polar, ACodeIsAnglesAndOneFloat) {
  for (uint32_t bits = 1; bits <= 8; ++bits)
    EXPECT_EQ(polar_code_bytes(768, bits), 768 * bits / 8 + 4);
}

TEST(Polar, DistanceWithoutDecodingIsThatOfTheDecoded) {
  Random random(kSeed);
  for (const uint32_t dim : kDims) {
    for (uint32_t bits = 1; bits <= 8; ++bits) {
      const Floats v = normals(dim, 1, random);
      const Floats query = normals(dim, 1, random);
      const AlignedVector<std::byte> code = encoded(v, bits);
      const Floats back = decoded(code, dim, bits);
      const double bound = 3e-6 * exact_norm(query) * exact_norm(v);
      on_every_isa([&](std::string_view isa) {
        EXPECT_NEAR(
            polar_distance_asymmetric(CodeMetric::kDot, query.data(), code.data(), dim, bits),
            -exact_dot(query, back), bound)
            << isa << " dim " << dim << " bits " << bits;
        EXPECT_NEAR(
            polar_distance_asymmetric(CodeMetric::kL2, query.data(), code.data(), dim, bits),
            exact_l2(query, back), 4 * bound)
            << isa << " dim " << dim << " bits " << bits;
      });
    }
  }
}

TEST(Polar, EveryAngleOfTheFirstLevelIsFound) {
  // Through all octants, and on the axes, where intervals begin.
  for (uint32_t bits = 1; bits <= 8; ++bits) {
    const double step = 2 * std::numbers::pi / (1 << bits);
    for (int i = 0; i < 1 << bits; ++i) {
      for (const double inside : {0.02, 0.5, 0.98}) {
        Floats v(16);
        v[3] = static_cast<float>(std::cos((i + inside) * step));
        v[11] = static_cast<float>(std::sin((i + inside) * step));
        const Floats back = decoded(encoded(v, bits), 16, bits);
        // The levels above err too, but the leaf's direction is the middle of its interval.
        const double length = std::hypot(back[3], back[11]);
        EXPECT_NEAR(back[3] / length, std::cos((i + 0.5) * step), 1e-5) << bits << " " << i;
        EXPECT_NEAR(back[11] / length, std::sin((i + 0.5) * step), 1e-5) << bits << " " << i;
      }
    }
  }
}

TEST(Polar, TablesInRegistersAndInMemoryAgree) {
  for (uint32_t bits = 1; bits <= 8; ++bits) {
    const PolarTables& tables = polar_tables(bits);
    for (const PolarLevel* level : {&tables.first, &tables.upper}) {
      const double range = (level == &tables.first ? 4 : 1) * std::numbers::pi / 2;
      for (uint32_t i = 0; i < 1u << bits; ++i) {
        const double angle = (i + 0.5) * range / (1 << bits);
        EXPECT_NEAR(level->cosine[i], std::cos(angle), 2e-7);
        EXPECT_NEAR(level->sine[i], std::sin(angle), 2e-7);
      }
    }
  }
}

TEST(Polar, TheKernelHasTheSameBitsOnEveryIsa) {
  Random random(kSeed);
  for (uint32_t dim = 16; dim <= 1040; dim += 16) {
    const Floats query = normals(dim, 1, random);
    AlignedVector<uint8_t> angles(dim + 16);
    for (size_t i = 0; i < angles.size(); ++i)
      angles[i] = static_cast<uint8_t>(random.below(256));
    const float first = available_kernels().front()->codes->polar_dot(polar_tables(8), query.data(),
                                                                      angles.data(), dim);
    for (const DistanceKernels* table : available_kernels()) {
      EXPECT_EQ(table->codes->polar_dot(polar_tables(8), query.data(), angles.data(), dim), first)
          << table->isa << " dim " << dim;
    }
  }
}

}  // namespace
}  // namespace ferres
