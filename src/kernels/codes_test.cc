// Every kernel on codes, of every instruction set that this CPU has, against a plain loop. Integers
// must be equal; floats must have the same bits on every ISA and be near a loop in double
// precision. What stands beyond `dim` is garbage in codes and zero in queries, as codes.h allows.
#include "kernels/codes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/aligned.h"
#include "base/random.h"
#include "kernels/distance.h"

namespace ferres {
namespace {

constexpr uint64_t kSeed = 20252;
constexpr size_t kRows = 9;  // two groups of four and a rest
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<size_t> dims() {
  std::vector<size_t> all;
  for (size_t dim = 16; dim <= 448; dim += 16)
    all.push_back(dim);
  for (const size_t dim : {768, 784, 1024, 1040, 2048, 4080, 4096})
    all.push_back(dim);
  return all;
}

size_t lines(size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

/// How codes and integer queries are filled.
enum class Fill { kRandom, kLeast, kMost, kAlternating };
constexpr Fill kFills[] = {Fill::kRandom, Fill::kLeast, Fill::kMost, Fill::kAlternating};

int64_t filled(Fill fill, size_t i, int64_t least, int64_t most, Random& random) {
  switch (fill) {
    case Fill::kLeast:
      return least;
    case Fill::kMost:
      return most;
    case Fill::kAlternating:
      return i % 2 == 0 ? least : most;
    default:
      return least + static_cast<int64_t>(random.below(static_cast<uint64_t>(most - least + 1)));
  }
}

/// kRows codes of `bytes` bytes, each on a line of its own with garbage up to the line's end.
class Codes {
 public:
  Codes(size_t bytes, Fill fill, Random& random) : memory_(kRows * lines(bytes)) {
    for (size_t r = 0; r < kRows; ++r) {
      uint8_t* const row = memory_.data() + r * lines(bytes);
      for (size_t j = 0; j < lines(bytes); ++j) {
        row[j] = static_cast<uint8_t>(j < bytes ? filled(fill, j, 0, 255, random)
                                                : static_cast<int64_t>(random.below(256)));
      }
      rows_[r] = row;
    }
  }
  const uint8_t* const* rows() const { return rows_.data(); }
  const uint8_t* operator[](size_t i) const { return rows_[i]; }

 private:
  AlignedVector<uint8_t> memory_;
  std::array<const uint8_t*, kRows> rows_{};
};

using Dot = std::function<void(const CodeKernels&, size_t count, int32_t* out)>;

/// Runs a kernel of one row a result for every ISA and every count; `expected` holds kRows sums
/// modulo 2^32.
void expect_sums(const std::string& what, const std::array<uint32_t, kRows>& expected,
                 const Dot& dot) {
  for (const DistanceKernels* table : available_kernels()) {
    for (size_t count = 0; count <= kRows; ++count) {
      std::array<int32_t, kRows + 1> out{};
      out.fill(-77);
      dot(*table->codes, count, out.data());
      EXPECT_EQ(out[count], -77) << table->isa << " " << what << " wrote beyond count " << count;
      for (size_t i = 0; i < count; ++i) {
        EXPECT_EQ(static_cast<uint32_t>(out[i]), expected[i])
            << table->isa << " " << what << " row " << i << " of " << count;
      }
    }
  }
}

struct Planes {
  AlignedVector<int16_t> whole;
  AlignedVector<int8_t> high;
  AlignedVector<int8_t> low;
};

Planes planes(size_t dim, Fill fill, Random& random) {
  Planes p;
  p.whole.resize(dim);
  p.high.resize(dim);
  p.low.resize(dim);
  const int64_t most = split_max(dim);
  for (size_t i = 0; i < dim; ++i) {
    const auto value = static_cast<int32_t>(filled(fill, i, -most, most, random));
    const int32_t high = (value + 64) >> 7;
    p.whole[i] = static_cast<int16_t>(value);
    p.high[i] = static_cast<int8_t>(high);
    p.low[i] = static_cast<int8_t>(value - 128 * high);
  }
  return p;
}

std::string label(const char* kernel, size_t dim, Fill codes, Fill query) {
  return std::string(kernel) + " dim " + std::to_string(dim) + " fills " +
         std::to_string(static_cast<int>(codes)) + std::to_string(static_cast<int>(query));
}

TEST(CodeKernels, SumsOfBytesAreExact) {
  Random random(kSeed);
  for (const size_t dim : dims()) {
    for (const Fill fill : kFills) {
      const Codes codes(dim, fill, random);
      for (const Fill query_fill : kFills) {
        const Planes p = planes(dim, query_fill, random);
        std::array<uint32_t, kRows> expected{};
        for (size_t i = 0; i < kRows; ++i) {
          int64_t sum = 0;
          for (size_t j = 0; j < dim; ++j)
            sum += int64_t{p.whole[j]} * codes[i][j];
          expected[i] = static_cast<uint32_t>(sum);
        }
        expect_sums(label("dot_u8", dim, fill, query_fill), expected,
                    [&](const CodeKernels& kernels, size_t count, int32_t* out) {
                      kernels.dot_u8({p.whole.data(), p.high.data(), p.low.data()}, codes.rows(),
                                     count, dim, out);
                    });
      }
      if (HasFailure()) return;
    }
  }
}

TEST(CodeKernels, SumsOfCodesAgainstCodesAreExact) {
  Random random(kSeed);
  for (const size_t dim : dims()) {
    for (const Fill fill : kFills) {
      const Codes codes(dim, fill, random);
      for (const Fill from_fill : kFills) {
        const Codes from(dim, from_fill, random);
        std::array<uint32_t, kRows> expected{};
        for (size_t i = 0; i < kRows; ++i) {
          int64_t sum = 0;
          for (size_t j = 0; j < dim; ++j)
            sum += from[0][j] * (codes[i][j] - 128);
          expected[i] = static_cast<uint32_t>(sum);
        }
        expect_sums(label("dot_u8_codes", dim, fill, from_fill), expected,
                    [&](const CodeKernels& kernels, size_t count, int32_t* out) {
                      kernels.dot_u8_codes(from[0], codes.rows(), count, dim, out);
                    });
      }
      if (HasFailure()) return;
    }
  }
}

/// The components of a packed code, from what codes.h says of it.
std::vector<uint32_t> components(const uint8_t* code, size_t dim, uint32_t bits) {
  std::vector<uint32_t> all(dim);
  for (const uint32_t width : {8u, 4u, 2u, 1u}) {
    if ((bits & width) == 0) continue;
    const size_t bytes = dim * width / 8;
    for (size_t j = 0; j < dim; ++j) {
      const uint32_t value = code[j % bytes] >> (j / bytes * width) & ((1u << width) - 1);
      all[j] = (all[j] << width) + value;
    }
    code += bytes;
  }
  return all;
}

TEST(CodeKernels, SumsOfPackedCodesAreExact) {
  Random random(kSeed);
  for (const size_t dim : dims()) {
    for (uint32_t bits = 1; bits <= 7; ++bits) {
      for (const Fill fill : kFills) {
        const Codes codes(packed_bytes(dim, bits), fill, random);
        for (const Fill query_fill : kFills) {
          AlignedVector<int8_t> query(dim + 64);
          for (size_t i = 0; i < dim + 64; ++i)
            query[i] = static_cast<int8_t>(filled(query_fill, i, -127, 127, random));
          std::array<uint32_t, kRows> expected{};
          for (size_t i = 0; i < kRows; ++i) {
            const std::vector<uint32_t> values = components(codes[i], dim, bits);
            int64_t sum = 0;
            for (size_t j = 0; j < dim; ++j)
              sum += int64_t{query[j]} * values[j];
            expected[i] = static_cast<uint32_t>(sum);
          }
          expect_sums(label("dot_packed", dim, fill, query_fill) + " bits " + std::to_string(bits),
                      expected, [&](const CodeKernels& kernels, size_t count, int32_t* out) {
                        kernels.dot_packed(query.data(), codes.rows(), count, dim, bits, out);
                      });
        }
      }
      if (HasFailure()) return;
    }
  }
}

TEST(CodeKernels, UnpackedCodesAreTheComponents) {
  Random random(kSeed);
  for (const size_t dim : dims()) {
    for (uint32_t bits = 1; bits <= 8; ++bits) {
      const Codes codes(packed_bytes(dim, bits), Fill::kRandom, random);
      const std::vector<uint32_t> expected = components(codes[0], dim, bits);
      for (const DistanceKernels* table : available_kernels()) {
        std::vector<uint8_t> out(dim + 1, 99);
        table->codes->unpack(codes[0], dim, bits, out.data());
        for (size_t j = 0; j < dim; ++j)
          ASSERT_EQ(out[j], expected[j]) << table->isa << " dim " << dim << " bits " << bits;
        EXPECT_EQ(out[dim], 99) << table->isa << " wrote beyond dim " << dim;
        if (bits == 8) continue;
        std::vector<int8_t> centred(dim + 1, 99);
        const int32_t sum = table->codes->unpack_centred(codes[0], dim, bits, centred.data());
        int32_t expected_sum = 0;
        for (size_t j = 0; j < dim; ++j) {
          const int32_t value = 2 * static_cast<int32_t>(expected[j]) - ((1 << bits) - 1);
          ASSERT_EQ(centred[j], value) << table->isa << " dim " << dim << " bits " << bits;
          expected_sum += value;
        }
        EXPECT_EQ(sum, expected_sum) << table->isa << " dim " << dim << " bits " << bits;
        EXPECT_EQ(centred[dim], 99) << table->isa << " wrote beyond dim " << dim;
      }
    }
  }
}

/// Where a lane's four bits of a group stand, as codes.h says it.
size_t byte_of(uint32_t lane) {
  return 2 * (lane % 8) + (lane % 16) / 8;
}
uint32_t bits_of(const uint8_t* group_codes, uint32_t lane) {
  return group_codes[byte_of(lane)] >> (lane >= 16 ? 4 : 0) & 15;
}

struct Lanes {
  AlignedVector<uint8_t> codes;
  AlignedVector<uint8_t> tables;
  std::vector<float> base = std::vector<float>(kLaneGroup);
  std::vector<float> slope = std::vector<float>(kLaneGroup);
  std::vector<float> estimates;  // with a distance of 0

  static constexpr float kScale = 0.37f;
  static constexpr float kBias = -3.25f;

  Lanes(size_t dim, Fill fill, Random& random) : codes(4 * dim), tables(4 * dim) {
    const auto most = static_cast<int64_t>(std::min<size_t>(255, 65535 / (dim / 4)));
    for (size_t i = 0; i < 4 * dim; ++i) {
      codes[i] = static_cast<uint8_t>(random.below(256));
      tables[i] = static_cast<uint8_t>(filled(fill, i, 0, most, random));
    }
    for (uint32_t lane = 0; lane < kLaneGroup; ++lane) {
      base[lane] = static_cast<float>(random.unit() * 20 - 10);
      slope[lane] = static_cast<float>(random.unit() - 0.5);
    }
    // Every value that a torn or unset lane can hold.
    slope[3] = base[7] = slope[30] = kNan;
    base[8] = slope[17] = kInfinity;
    base[21] = -kInfinity;
    estimates = plain(dim);
  }
  std::vector<float> plain(size_t dim) const {
    std::vector<float> out(kLaneGroup);
    for (uint32_t lane = 0; lane < kLaneGroup; ++lane) {
      uint32_t sum = 0;
      for (size_t group = 0; group < dim / 4; ++group)
        sum += tables[16 * group + bits_of(codes.data() + 16 * group, lane)];
      EXPECT_LE(sum, 65535u);
      out[lane] = base[lane] + slope[lane] * (kBias + kScale * static_cast<float>(sum));
    }
    return out;
  }
  uint32_t expected(float distance, float limit) const {
    uint32_t mask = 0;
    for (uint32_t lane = 0; lane < kLaneGroup; ++lane)
      mask |= static_cast<uint32_t>(!(distance + estimates[lane] > limit)) << lane;
    return mask;
  }
};

TEST(CodeKernels, LanesBelowTheLimitAreThoseOfThePlainLoop) {
  Random random(kSeed);
  for (const size_t dim : dims()) {
    for (const Fill fill : kFills) {
      const Lanes lanes(dim, fill, random);
      std::vector<float> limits = lanes.estimates;  // each at its very edge
      limits.insert(limits.end(), {0.0f, kNan, kInfinity, -kInfinity});
      for (const float distance : {0.0f, 1.5f, kInfinity, kNan}) {
        for (const float limit : limits) {
          for (const DistanceKernels* table : available_kernels()) {
            std::array<float, kLaneGroup> estimates{};
            const uint32_t mask = table->codes->filter_lanes(
                {lanes.codes.data(), lanes.base.data(), lanes.slope.data()},
                {lanes.tables.data(), Lanes::kScale, Lanes::kBias}, dim, {distance, limit},
                estimates.data());
            for (size_t lane = 0; lane < kLaneGroup; ++lane)
              EXPECT_EQ((mask >> lane & 1) != 0, !(estimates[lane] > limit));
            EXPECT_EQ(mask, lanes.expected(distance, limit))
                << table->isa << " dim " << dim << " distance " << distance << " limit " << limit;
          }
        }
      }
      if (HasFailure()) return;
    }
  }
}

AlignedVector<float> normals(size_t dim, float scale, Random& random) {
  AlignedVector<float> v(dim);
  for (size_t i = 0; i < dim; ++i) {
    double sum = -6;
    for (int k = 0; k < 12; ++k)
      sum += random.unit();
    v[i] = static_cast<float>(sum) * scale;
  }
  return v;
}

/// Equal as bytes; any NaN is like another.
void expect_same(const float* a, const float* b, size_t count, const std::string& what) {
  for (size_t i = 0; i < count; ++i) {
    const bool same = std::memcmp(a + i, b + i, sizeof(float)) == 0;
    EXPECT_TRUE(same || (std::isnan(a[i]) && std::isnan(b[i])))
        << what << " at " << i << ": " << a[i] << " and " << b[i];
  }
}

TEST(CodeKernels, ScoredLanesAreThoseOfThePlainLoop) {
  Random random(kSeed);
  for (const size_t dim : dims()) {
    for (const float scale : {1.0f, 1e-30f, 1e25f}) {
      const AlignedVector<float> query = normals(dim, scale, random);
      const AlignedVector<float> values = normals(kLaneGroup * dim, scale, random);
      AlignedVector<float> base = normals(kLaneGroup, scale, random);
      base[3] = kNan;
      base[8] = kInfinity;
      std::array<float, kLaneGroup> expected{};
      for (size_t lane = 0; lane < kLaneGroup; ++lane) {
        expected[lane] = base[lane];
        for (size_t j = 0; j < dim; ++j)
          expected[lane] -= query[j] * values[kLaneGroup * j + lane];
      }
      std::vector<float> limits(expected.begin(), expected.end());  // each at its very edge
      limits.insert(limits.end(), {0.0f, kNan, kInfinity, -kInfinity});
      for (const float limit : limits) {
        for (const DistanceKernels* table : available_kernels()) {
          std::array<float, kLaneGroup> distances{};
          const uint32_t mask = table->codes->score_lanes(
              {values.data(), base.data()}, query.data(), dim, limit, distances.data());
          const std::string what = std::string(table->isa) + " dim " + std::to_string(dim);
          expect_same(distances.data(), expected.data(), kLaneGroup, what);
          for (size_t lane = 0; lane < kLaneGroup; ++lane)
            EXPECT_EQ((mask >> lane & 1) != 0, !(expected[lane] > limit))
                << what << " lane " << lane;
        }
      }
      if (HasFailure()) return;
    }
  }
}

TEST(CodeKernels, EncodedLanesAreTheSameOnEveryIsaAndTouchNothingElse) {
  Random random(kSeed);
  for (const size_t dim : dims()) {
    for (const float scale : {1.0f, 1e-30f, 1e25f}) {
      const AlignedVector<float> from = normals(dim, scale, random);
      AlignedVector<float> to = normals(dim, scale, random);
      to[dim / 2] = from[dim / 2];  // a difference of zero counts as up
      for (uint32_t lane = 0; lane < kLaneGroup; ++lane) {
        const Lanes before(dim, Fill::kRandom, random);
        LaneSums first;
        for (const DistanceKernels* table : available_kernels()) {
          const std::string what = std::string(table->isa) + " dim " + std::to_string(dim) +
                                   " lane " + std::to_string(lane);
          std::vector<uint8_t> codes(before.codes.data(), before.codes.data() + 4 * dim);
          const LaneSums sums =
              table->codes->encode_lane(from.data(), to.data(), dim, lane, codes.data());
          for (size_t i = 0; i < dim / 4; ++i) {
            for (uint32_t other = 0; other < kLaneGroup; ++other) {
              uint32_t expected = bits_of(before.codes.data() + 16 * i, other);
              if (other == lane) {
                expected = 0;
                for (uint32_t k = 0; k < 4; ++k)
                  expected |= static_cast<uint32_t>(to[4 * i + k] >= from[4 * i + k]) << k;
              }
              ASSERT_EQ(bits_of(codes.data() + 16 * i, other), expected) << what << " of " << other;
            }
          }
          if (table == available_kernels().front()) first = sums;
          expect_same(&sums.absolute, &first.absolute, 1, what);
          expect_same(&sums.squared, &first.squared, 1, what);
          expect_same(&sums.from_signed, &first.from_signed, 1, what);
        }
      }
    }
  }
}

TEST(CodeKernels, LaneSumsAreNearTheExactOnes) {
  Random random(kSeed);
  for (const size_t dim : dims()) {
    const AlignedVector<float> from = normals(dim, 1, random);
    const AlignedVector<float> to = normals(dim, 1, random);
    double absolute = 0;
    double squared = 0;
    double from_signed = 0;
    for (size_t i = 0; i < dim; ++i) {
      const double d = double{to[i]} - from[i];
      absolute += std::fabs(d);
      squared += d * d;
      from_signed += d >= 0 ? from[i] : -from[i];
    }
    std::vector<uint8_t> codes(4 * dim);
    for (const DistanceKernels* table : available_kernels()) {
      const LaneSums sums = table->codes->encode_lane(from.data(), to.data(), dim, 0, codes.data());
      const double bound = 1e-6 * static_cast<double>(dim);
      EXPECT_NEAR(sums.absolute, absolute, bound) << table->isa << " dim " << dim;
      EXPECT_NEAR(sums.squared, squared, 2 * bound) << table->isa << " dim " << dim;
      EXPECT_NEAR(sums.from_signed, from_signed, bound) << table->isa << " dim " << dim;
    }
  }
}

TEST(CodeKernels, LaneTablesAreTheRoundedSumsOfFour) {
  Random random(kSeed);
  for (const size_t dim : dims()) {
    for (const float magnitude : {1.0f, 1e-18f, 1e18f}) {
      const AlignedVector<float> query = normals(dim, magnitude, random);
      float most = 0;
      for (size_t i = 0; i < dim; i += 4) {
        most = std::max(most, std::fabs(query[i]) + std::fabs(query[i + 1]) +
                                  std::fabs(query[i + 2]) + std::fabs(query[i + 3]));
      }
      const float scale = 255 / (2 * most);
      std::vector<uint8_t> first;
      for (const DistanceKernels* table : available_kernels()) {
        std::vector<uint8_t> tables(4 * dim, 7);
        table->codes->lane_tables(query.data(), dim, scale, tables.data());
        for (size_t i = 0; i < 4 * dim; ++i) {
          double sum = 0;
          for (size_t k = 0; k < 4; ++k) {
            const double q = query[i / 16 * 4 + k];
            sum += std::fabs(q) + (i % 16 >> k & 1 ? q : -q);
          }
          ASSERT_NEAR(tables[i], sum * scale, 0.5001)
              << table->isa << " dim " << dim << " at " << i;
        }
        if (first.empty()) first = tables;
        EXPECT_EQ(tables, first) << table->isa << " dim " << dim;
      }
    }
  }
}

TEST(CodeKernels, LaneTablesOfNanAndInfinityAreTheSameOnEveryIsa) {
  AlignedVector<float> query(32);
  for (size_t i = 0; i < 32; ++i)
    query[i] = static_cast<float>(i) - 16;
  query[2] = kNan;
  query[9] = kInfinity;
  query[30] = -kInfinity;
  for (const float scale : {0.0f, 1.0f}) {
    std::vector<uint8_t> first;
    for (const DistanceKernels* table : available_kernels()) {
      std::vector<uint8_t> tables(4 * 32, 7);
      table->codes->lane_tables(query.data(), 32, scale, tables.data());
      if (first.empty()) first = tables;
      EXPECT_EQ(tables, first) << table->isa << " scale " << scale;
    }
  }
}

TEST(CodeKernels, SplitIsTheRoundedQueryInTwoPlanes) {
  Random random(kSeed);
  for (const size_t dim : dims()) {
    AlignedVector<float> query = normals(dim, 1, random);
    query[dim - 1] = kNan;  // counts as zero
    float most = 0;
    for (size_t i = 0; i < dim; ++i)
      most = std::max(most, std::fabs(query[i]));
    query[0] = -most;
    query[1] = most;
    const float factor = static_cast<float>(split_max(dim)) / most;
    for (const DistanceKernels* table : available_kernels()) {
      std::vector<int16_t> whole(dim + 1, 99);
      std::vector<int8_t> high(dim + 1, 99);
      std::vector<int8_t> low(dim + 1, 99);
      table->codes->split(query.data(), dim, factor, whole.data(), high.data(), low.data());
      EXPECT_EQ(whole[0], -split_max(dim));
      EXPECT_EQ(whole[1], split_max(dim));
      for (size_t i = 0; i < dim; ++i) {
        const long expected = i == dim - 1 ? 0 : std::lrintf(query[i] * factor);
        ASSERT_EQ(whole[i], expected) << table->isa << " dim " << dim << " at " << i;
        ASSERT_EQ(128 * high[i] + low[i], whole[i]) << table->isa << " dim " << dim << " at " << i;
        ASSERT_LE(std::abs(low[i]), 64) << table->isa << " dim " << dim << " at " << i;
      }
      EXPECT_EQ(whole[dim] + high[dim] + low[dim], 3 * 99) << table->isa << " wrote beyond dim";
    }
  }
}

TEST(CodeKernels, GridCodesAndTheirSumsAreThoseOfThePlainLoop) {
  Random random(kSeed);
  for (const size_t dim : dims()) {
    AlignedVector<float> v = normals(dim, 1, random);
    v[1] = 1e30f;
    v[2] = -1e30f;
    v[3] = 0;
    for (uint32_t bits = 1; bits <= 8; ++bits) {
      const float inverse = static_cast<float>(1 << bits) / 5;
      std::vector<uint8_t> expected;
      double along = 0;
      double squared = 0;
      double size = 0;
      for (size_t j = 0; j < dim; ++j) {
        const float half = static_cast<float>(1 << (bits - 1));
        const float code = std::clamp(std::floor(v[j] * inverse + half), 0.0f, 2 * half - 1);
        expected.push_back(static_cast<uint8_t>(code));
        const double centred = code - (2.0 * half - 1) / 2;
        along += double{v[j]} * inverse * centred;
        size += std::fabs(double{v[j]} * inverse * centred);
        squared += centred * centred;
      }
      GridSums first;
      for (const DistanceKernels* table : available_kernels()) {
        std::vector<uint8_t> codes(dim);
        table->codes->grid_codes(v.data(), dim, inverse, bits, codes.data());
        EXPECT_EQ(codes, expected) << table->isa << " dim " << dim << " bits " << bits;
        const GridSums sums = table->codes->grid_sums(v.data(), dim, inverse, bits);
        EXPECT_NEAR(sums.along, along, 1e-6 * size) << table->isa << " dim " << dim;
        EXPECT_NEAR(sums.squared, squared, 1e-6 * squared) << table->isa << " dim " << dim;
        if (table == available_kernels().front()) first = sums;
        expect_same(&sums.along, &first.along, 1, std::string(table->isa));
        expect_same(&sums.squared, &first.squared, 1, std::string(table->isa));
      }
    }
  }
}

TEST(CodeKernels, NanHasTheLowestGridCode) {
  AlignedVector<float> v(16);
  v[5] = kNan;
  for (const DistanceKernels* table : available_kernels()) {
    std::vector<uint8_t> codes(16, 9);
    table->codes->grid_codes(v.data(), 16, 1, 4, codes.data());
    EXPECT_EQ(codes[5], 0) << table->isa;
    EXPECT_EQ(codes[6], 8) << table->isa;
  }
}

TEST(CodeKernels, DecodedBytesHaveTheSameBitsOnEveryIsa) {
  Random random(kSeed);
  for (const size_t dim : dims()) {
    const Codes codes(dim, Fill::kRandom, random);
    for (const auto& [scale, middle] : {std::pair{0.0173f, 128.0f}, std::pair{1e20f, 7.5f}}) {
      std::vector<float> expected(dim + 1, 99);
      for (size_t i = 0; i < dim; ++i)
        expected[i] = scale * (static_cast<float>(codes[0][i]) - middle);
      for (const DistanceKernels* table : available_kernels()) {
        std::vector<float> out(dim + 1, 99);
        table->codes->decode_u8(codes[0], dim, scale, middle, out.data());
        expect_same(out.data(), expected.data(), dim + 1, std::string(table->isa));
      }
    }
  }
}

TEST(CodeKernels, HadamardHasTheSameBitsOnEveryIsaAndIsExactEnough) {
  Random random(kSeed);
  for (size_t n = 16; n <= 4096; n *= 2) {
    const AlignedVector<float> x = normals(n, 1, random);
    AlignedVector<float> signs(n);
    for (size_t i = 0; i < n; ++i)
      signs[i] = random.one_in(2) ? 1.0f : -1.0f;
    const float scale = 1 / std::sqrt(static_cast<float>(n));
    std::vector<double> exact(n);
    for (size_t row = 0; row < n; ++row) {
      for (size_t i = 0; i < n; ++i) {
        const bool minus = __builtin_popcountll(row & i) % 2 != 0;
        exact[row] += double{x[i]} * signs[i] * (minus ? -1 : 1);
      }
    }
    std::vector<float> first;
    for (const DistanceKernels* table : available_kernels()) {
      std::vector<float> out(x.data(), x.data() + n);
      table->codes->hadamard(out.data(), signs.data(), n, scale);
      if (first.empty()) first = out;
      expect_same(out.data(), first.data(), n, std::string(table->isa) + " n " + std::to_string(n));
      for (size_t i = 0; i < n; ++i)
        ASSERT_NEAR(out[i], exact[i] * scale, 1e-5) << table->isa << " n " << n << " at " << i;
    }
  }
}

}  // namespace
}  // namespace ferres
