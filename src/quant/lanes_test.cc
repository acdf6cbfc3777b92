// One-bit lanes: the estimates are right on average for both metrics, a lane is written and copied
// without touching another, and a filter never loses a neighbour because of the tables' rounding.
#include "quant/lanes.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "quant/test_support.h"

namespace ferres {
namespace {

constexpr uint64_t kSeed = 32;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

class Group {
 public:
  explicit Group(uint32_t dim) : bytes_(lane_group_bytes(dim)) {}
  std::byte* data() { return bytes_.data(); }
  const std::byte* data() const { return bytes_.data(); }
  size_t size() const { return bytes_.size(); }
  void fill(Random& random) {
    for (size_t i = 0; i < bytes_.size(); ++i)
      bytes_[i] = static_cast<std::byte>(random.below(256));
  }
  std::vector<std::byte> copy() const { return {data(), data() + size()}; }

 private:
  AlignedVector<std::byte> bytes_;
};

/// What the kernel holds a lane for, by bisection of its limit.
double estimate(const Group& group, const LaneTables& tables, uint32_t dim, uint32_t lane,
                double distance) {
  double low = -1e6;
  double high = 1e6;
  for (int step = 0; step < 60; ++step) {
    const double middle = (low + high) / 2;
    const LaneLimit limit = {static_cast<float>(distance), static_cast<float>(middle)};
    float estimates[kLaneGroup];
    const uint32_t mask = code_kernels().filter_lanes(lane_block(group.data()), tables.query(), dim,
                                                      limit, estimates);
    ((mask >> lane & 1) != 0 ? high : low) = middle;
  }
  return low;
}

double exact(CodeMetric metric, const Floats& a, const Floats& b) {
  return metric == CodeMetric::kL2 ? exact_l2(a, b) : -exact_dot(a, b);
}

TEST(Lanes, EstimatesAreRightOnAverage) {
  Random random(kSeed);
  for (const CodeMetric metric : {CodeMetric::kL2, CodeMetric::kDot}) {
    for (const uint32_t dim : {112u, 384u, 768u}) {
      const Floats node = normals(dim, 1, random);
      Group group(dim);
      double error = 0;
      double squared = 0;
      constexpr int kRounds = 10;
      for (int round = 0; round < kRounds; ++round) {
        const Floats query = normals(dim, 1, random);
        LaneTables tables;
        tables.prepare(query.data(), dim);
        const double distance = exact(metric, query, node);
        for (uint32_t lane = 0; lane < kLaneGroup; ++lane) {
          // Towards the query, where a factor that is off by a share shows.
          Floats neighbour = normals(dim, 1, random);
          for (uint32_t i = 0; i < dim; ++i)
            neighbour[i] += query[i];
          encode_lane(metric, node.data(), neighbour.data(), dim, lane, group.data());
          const double miss =
              estimate(group, tables, dim, lane, distance) - exact(metric, query, neighbour);
          error += miss;
          squared += miss * miss;
        }
      }
      constexpr double kCount = kRounds * kLaneGroup;
      const double deviation = std::sqrt(squared / kCount);
      EXPECT_LT(std::fabs(error / kCount), 4 * deviation / std::sqrt(kCount)) << dim;
      // |q| |d| sqrt((1 - 2/pi) / (2/pi) / dim), with lengths of sqrt(dim) and sqrt(3 dim); for L2
      // |q - c|, and twice that; less what of it is along d.
      const double expected = std::sqrt(0.57 * 3 * dim) * (metric == CodeMetric::kL2 ? 2.83 : 1);
      EXPECT_LT(deviation, 1.2 * expected) << dim;
      EXPECT_GT(deviation, 0.5 * expected) << dim;
    }
  }
}

TEST(Lanes, ANeighbourAtTheNodeIsAsFarAsTheNode) {
  Random random(kSeed);
  for (const CodeMetric metric : {CodeMetric::kL2, CodeMetric::kDot}) {
    const Floats node = normals(128, 1, random);
    const Floats query = normals(128, 1, random);
    LaneTables tables;
    tables.prepare(query.data(), 128);
    Group group(128);
    encode_lane(metric, node.data(), node.data(), 128, 5, group.data());
    EXPECT_NEAR(estimate(group, tables, 128, 5, 17), 17, 1e-4);
  }
}

TEST(Lanes, EncodingALaneTouchesItsBitsAndFactorsAlone) {
  Random random(kSeed);
  constexpr uint32_t kDim = 112;
  for (uint32_t lane = 0; lane < kLaneGroup; ++lane) {
    Group group(kDim);
    group.fill(random);
    const std::vector<std::byte> before = group.copy();
    const Floats from = normals(kDim, 1, random);
    const Floats to = normals(kDim, 1, random);
    encode_lane(CodeMetric::kL2, from.data(), to.data(), kDim, lane, group.data());
    const std::byte own{static_cast<uint8_t>(lane >= 16 ? 0xF0 : 0x0F)};
    const size_t own_byte = 2 * (lane % 8) + (lane % 16) / 8;
    for (size_t i = 0; i < group.size(); ++i) {
      const size_t word = i / sizeof(float);
      if (word == lane || word == kLaneGroup + lane) continue;
      const bool is_code = word >= 2 * kLaneGroup && i % 16 == own_byte;
      const std::byte others = is_code ? ~own : std::byte{0xFF};
      ASSERT_EQ(group.data()[i] & others, before[i] & others) << "lane " << lane << " byte " << i;
    }
  }
}

TEST(Lanes, ACopiedLaneIsTheOneThatEncodingWouldHaveMade) {
  Random random(kSeed);
  constexpr uint32_t kDim = 96;
  for (uint32_t from_lane = 0; from_lane < kLaneGroup; ++from_lane) {
    for (uint32_t to_lane = 0; to_lane < kLaneGroup; ++to_lane) {
      const Floats node = normals(kDim, 1, random);
      const Floats neighbour = normals(kDim, 1, random);
      Group source(kDim);
      Group target(kDim);
      source.fill(random);
      target.fill(random);
      Group expected(kDim);
      std::memcpy(expected.data(), target.data(), target.size());
      encode_lane(CodeMetric::kL2, node.data(), neighbour.data(), kDim, from_lane, source.data());
      encode_lane(CodeMetric::kL2, node.data(), neighbour.data(), kDim, to_lane, expected.data());
      copy_lane(source.data(), from_lane, target.data(), to_lane, kDim);
      ASSERT_EQ(target.copy(), expected.copy()) << from_lane << " to " << to_lane;
      copy_lane(target.data(), to_lane, target.data(), to_lane ^ 17, kDim);
      encode_lane(CodeMetric::kL2, node.data(), neighbour.data(), kDim, to_lane ^ 17,
                  expected.data());
      ASSERT_EQ(target.copy(), expected.copy()) << "within a group from " << to_lane;
    }
  }
}

TEST(Lanes, ExtremeQueriesAndNeighboursPassAnInfiniteLimit) {
  // Or the lane would be lost for good.
  constexpr uint32_t kDim = 64;
  Random random(kSeed);
  for (const float node_scale : {0.0f, 1e-40f, 1.0f, 1e15f, 1e37f}) {
    for (const float query_scale : {0.0f, 1e-40f, 1.0f, 1e15f, 1e37f}) {
      for (const CodeMetric metric : {CodeMetric::kL2, CodeMetric::kDot}) {
        const Floats node = normals(kDim, node_scale, random);
        const Floats neighbour = normals(kDim, node_scale, random);
        const Floats query = normals(kDim, query_scale, random);
        LaneTables tables;
        tables.prepare(query.data(), kDim);
        Group group(kDim);
        encode_lane(metric, node.data(), neighbour.data(), kDim, 9, group.data());
        float estimates[kLaneGroup];
        const uint32_t mask = code_kernels().filter_lanes(lane_block(group.data()), tables.query(),
                                                          kDim, {0, kInfinity}, estimates);
        EXPECT_NE(mask >> 9 & 1, 0u) << "node " << node_scale << " query " << query_scale;
      }
    }
  }
}

}  // namespace
}  // namespace ferres
