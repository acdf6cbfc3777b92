// See polar.h.
#include "quant/polar.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numbers>

#include "quant/code_math.h"
#include "quant/packed.h"

namespace ferres {
namespace {

constexpr double kPi = std::numbers::pi;

void fill_level(double whole, uint32_t bits, PolarLevel& level) {
  const double step = std::ldexp(whole, -static_cast<int>(bits));
  for (uint32_t i = 0; i < 16; ++i) {
    level.high_cosine[i] = static_cast<float>(std::cos(16 * i * step));
    level.high_sine[i] = static_cast<float>(std::sin(16 * i * step));
    level.low_cosine[i] = static_cast<float>(std::cos((i + 0.5) * step));
    level.low_sine[i] = static_cast<float>(std::sin((i + 0.5) * step));
  }
  for (uint32_t i = 0; i < 256; ++i) {
    const float high_cosine = level.high_cosine[i / 16];
    const float high_sine = level.high_sine[i / 16];
    const float low_cosine = level.low_cosine[i % 16];
    const float low_sine = level.low_sine[i % 16];
    level.cosine[i] = std::fma(high_cosine, low_cosine, -(high_sine * low_sine));
    level.sine[i] = std::fma(high_sine, low_cosine, high_cosine * low_sine);
  }
}

/// atan(t) for t in [0, 1], to 1e-5 (M. Abramowitz and I. Stegun, 4.4.49's form): far below the
/// finest interval. Not libm's: that would take longer than all else.
float arc_tangent(float t) {
  const float s = t * t;
  return t *
         (0.9998660f + s * (-0.3302995f + s * (0.1801410f + s * (-0.0851330f + s * 0.0208351f))));
}

/// The angle of (x, y) in [0, pi / 2] for their magnitudes.
float quarter_angle(float x, float y) {
  const float ax = std::fabs(x);
  const float ay = std::fabs(y);
  const float more = std::max(ax, ay);
  const float less = std::min(ax, ay);
  const float angle = arc_tangent(less / (more > 0 ? more : 1));
  return ay > ax ? static_cast<float>(kPi / 2) - angle : angle;
}
float whole_angle(float x, float y) {
  const float quarter = quarter_angle(x, y);
  const float half = x < 0 ? static_cast<float>(kPi) - quarter : quarter;
  return y < 0 ? static_cast<float>(2 * kPi) - half : half;
}

/// So many equal steps over a range of angles.
struct Steps {
  float count;
  float range;
};

/// One level up: angles of pairs of `nodes`, and the projections' lengths in their place.
template <class Angle>
void rise(const PolarLevel& level, const Steps& steps, float* nodes, uint32_t count,
          uint8_t* angles, Angle&& angle) {
  const uint32_t above = (count + 1) / 2;
  const float per_step = steps.count / steps.range;
  for (uint32_t i = 0; i < count / 2; ++i) {
    const float x = nodes[i];
    const float y = nodes[i + above];
    const auto index = static_cast<uint8_t>(std::min(angle(x, y) * per_step, steps.count - 1));
    angles[i] = index;
    nodes[i] = level.cosine[index] * x + level.sine[index] * y;
  }
}

float radius_of(const std::byte* code, uint32_t dim, uint32_t bits) {
  float radius = 0;
  std::memcpy(&radius, code + packed_bytes(dim, bits), sizeof radius);
  return radius;
}

/// The angles, a byte each: those of the code itself where they are.
const uint8_t* angles_of(const std::byte* code, uint32_t dim, uint32_t bits, uint8_t* room) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(code);
  if (bits == 8) return bytes;
  code_kernels().unpack(bytes, dim, bits, room);
  return room;
}
constexpr size_t kAngleRoom = kPolarDimMax + 16;

/// Of what quantization misses an angle by that is normal about pi / 4, as those of lengths are in
/// random directions: with few bits and many leaves they are all near one boundary.
double mean_cosine(double step, double deviation) {
  double sum = 0;
  double weights = 0;
  for (int i = -60; i <= 60; ++i) {
    const double z = i / 20.0;
    const double angle = std::clamp(kPi / 4 + z * deviation, 0.0, kPi / 2);
    const double miss = angle - (std::floor(angle / step) + 0.5) * step;
    sum += std::exp(-z * z / 2) * std::cos(miss);
    weights += std::exp(-z * z / 2);
  }
  return sum / weights;
}

class Polar final : public Quantizer {
 public:
  Polar(CodeMetric metric, uint32_t dim, uint32_t bits)
      : metric_(metric), dim_(dim), bits_(bits), tables_(polar_tables(bits)) {
    // Cosines of the misses multiply over the levels.
    const double step = kPi / 2 / (1 << bits);
    double cosine = std::sin(2 * step) / (2 * step);  // evenly over four such steps
    uint32_t leaves = 2;                              // below one node
    for (uint32_t count = dim / 2; count > 1; count = (count + 1) / 2, leaves *= 2)
      cosine *= mean_cosine(step, 0.5 / std::sqrt(leaves));
    error_ = static_cast<float>(2 * (1 - cosine));
  }
  std::string_view name() const override {
    static constexpr std::array<std::string_view, 9> kNames = {
        "", "polar1", "polar2", "polar3", "polar4", "polar5", "polar6", "polar7", "polar8"};
    return kNames[bits_];
  }
  uint32_t dim() const override { return dim_; }
  uint32_t code_bytes() const override { return polar_code_bytes(dim_, bits_); }
  void train(std::span<const float>) override {}
  bool needs_training() const override { return false; }
  std::string parameters() const override { return {}; }
  Status set_parameters(std::string_view bytes) override {
    if (bytes.empty()) return {};
    return {Code::kCorruption, "polar has no parameters, but the index holds some"};
  }

  void encode(const float* v, std::byte* code) const override {
    polar_encode(v, dim_, bits_, code);
  }
  void decode(const std::byte* code, float* v) const override {
    polar_decode(code, dim_, bits_, v);
  }
  void prepare(CodeQuery& query) const override {
    query.squared_norm = squared_norm(query.values.data(), dim_);
    query.scratch.resize(dim_);
    for (uint32_t i = 0; i < dim_; ++i)
      query.scratch[i] = std::clamp(query.values[i], -kLong, kLong);
  }
  void distances(const CodeQuery& query, const std::byte* const* codes, size_t count,
                 float* out) const override {
    alignas(64) uint8_t room[kAngleRoom];
    for (size_t i = 0; i < count; ++i) {
      const float radius = radius_of(codes[i], dim_, bits_);
      const uint8_t* const angles = angles_of(codes[i], dim_, bits_, room);
      const float product = code_kernels().polar_dot(tables_, query.scratch.data(), angles, dim_);
      out[i] = finish_distance(metric_, query.squared_norm, radius * radius, radius * product);
    }
  }
  void distances_between(const std::byte* from, const std::byte* const* codes, size_t count,
                         float* out) const override {
    distances_by_decoding(*this, from, codes, count, out);
  }
  float deviation(const CodeQuery& query, const std::byte* code, float distance) const override {
    const float radius = radius_of(code, dim_, bits_);
    const float norm = radius * radius;
    const QueryParts parts = query_parts(metric_, query.squared_norm, norm, distance);
    // The radius is kept, so the error has a part along the vector, half its squared length, by
    // which the share that the distance tells of is too small.
    const float lost = error_ / 2;
    const float along = std::fabs(parts.share) * norm * lost / (1 - lost);
    const float across = error_ - lost * lost;
    return code_deviation(metric_, parts.across, norm * across, dim_) +
           (metric_ == CodeMetric::kL2 ? 2 * along : along);
  }

 private:
  const CodeMetric metric_;
  const uint32_t dim_;
  const uint32_t bits_;
  const PolarTables& tables_;
  float error_;  // squared, of a unit vector
};

}  // namespace

const PolarTables& polar_tables(uint32_t bits) {
  static const std::array<PolarTables, 8> tables = [] {
    std::array<PolarTables, 8> all{};
    for (uint32_t b = 1; b <= 8; ++b) {
      fill_level(2 * kPi, b, all[b - 1].first);
      fill_level(kPi / 2, b, all[b - 1].upper);
    }
    return all;
  }();
  return tables[bits - 1];
}

void polar_encode(const float* vector, uint32_t dim, uint32_t bits, std::byte* code) {
  const PolarTables& tables = polar_tables(bits);
  float nodes[kPolarDimMax];
  uint8_t angles[kPolarDimMax];
  const float most = largest(vector, dim);
  const float unit = inverse_of(most, 1);  // so that nothing overflows or vanishes
  for (uint32_t i = 0; i < dim; ++i)
    nodes[i] = vector[i] * unit;
  const float norm = sum_of(dim, [&](size_t i) { return nodes[i] * nodes[i]; });
  const auto steps = static_cast<float>(1 << bits);
  rise(tables.first, {steps, static_cast<float>(2 * kPi)}, nodes, dim, angles, whole_angle);
  uint32_t done = dim / 2;
  for (uint32_t count = dim / 2; count > 1; count = (count + 1) / 2) {
    rise(tables.upper, {steps, static_cast<float>(kPi / 2)}, nodes, count, angles + done,
         quarter_angle);
    done += count / 2;
  }
  angles[dim - 1] = 0;
  pack(angles, dim, bits, code);
  const float radius = unit > 0 ? std::min(std::sqrt(norm) * most, kLong) : 0;
  std::memcpy(code + packed_bytes(dim, bits), &radius, sizeof radius);
}

void polar_decode(const std::byte* code, uint32_t dim, uint32_t bits, float* vector) {
  const PolarTables& tables = polar_tables(bits);
  alignas(64) uint8_t room[kAngleRoom];
  const uint8_t* const angles = angles_of(code, dim, bits, room);
  std::array<uint32_t, 16> counts{};  // of nodes, from the leaves up
  uint32_t levels = 0;
  for (uint32_t count = dim; count > 1; count = (count + 1) / 2)
    counts[levels++] = count;
  uint32_t first = dim - 1;  // beyond the level's angles
  vector[0] = radius_of(code, dim, bits);
  while (levels-- > 0) {
    const uint32_t count = counts[levels];
    const uint32_t above = (count + 1) / 2;
    const PolarLevel& level = levels == 0 ? tables.first : tables.upper;
    first -= count / 2;
    for (uint32_t i = 0; i < count / 2; ++i) {
      const float length = vector[i];
      vector[i] = level.cosine[angles[first + i]] * length;
      vector[i + above] = level.sine[angles[first + i]] * length;
    }
  }
}

float polar_distance_asymmetric(CodeMetric metric, const float* query, const std::byte* code,
                                uint32_t dim, uint32_t bits) {
  alignas(64) uint8_t room[kAngleRoom];
  const float radius = radius_of(code, dim, bits);
  const float product =
      code_kernels().polar_dot(polar_tables(bits), query, angles_of(code, dim, bits, room), dim);
  const float norm = metric == CodeMetric::kL2 ? squared_norm(query, dim) : 0;
  return finish_distance(metric, norm, radius * radius, radius * product);
}

std::unique_ptr<Quantizer> make_polar(const QuantizerSpec& spec, CodeMetric metric, uint32_t dim) {
  return std::make_unique<Polar>(metric, dim, spec.bits);
}

}  // namespace ferres
