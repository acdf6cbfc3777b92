// See lvq.h. A component is v = middle + step * (c - half), half being 128 or 7.5, so that
//   q.v = middle * sum q + step * sum q (c - half)
// Layouts: 8 bits: dim bytes c; 4 bits: a packed code (kernels/codes.h); then the tail.
#include "quant/lvq.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <tuple>

#include "quant/code_math.h"
#include "quant/packed.h"

namespace ferres {
namespace {

struct Tail {
  float squared_norm = 0;  // of the decoded vector, less that of the error: see encode
  float middle = 0;
  float step = 0;
  float sum = 0;  // of (c - half)
};

class Lvq : public Quantizer {
 public:
  Lvq(CodeMetric metric, uint32_t dim, uint32_t bits)
      : metric_(metric),
        dim_(dim),
        bits_(bits),
        packed_(static_cast<uint32_t>(packed_bytes(dim, bits))),
        half_(bits == 8 ? 128.0f : 7.5f) {}
  std::string_view name() const override { return bits_ == 8 ? "lvq8" : "lvq4"; }
  uint32_t dim() const override { return dim_; }
  uint32_t code_bytes() const override { return packed_ + sizeof(Tail); }
  void train(std::span<const float>) override {}
  bool needs_training() const override { return false; }
  std::string parameters() const override { return {}; }
  Status set_parameters(std::string_view bytes) override {
    if (bytes.empty()) return {};
    return {Code::kCorruption, "lvq has no parameters, but the index holds some"};
  }

  void encode(const float* v, std::byte* code) const override {
    alignas(64) uint8_t components[kDimMax];
    float low = 0;
    float high = 0;
    std::tie(low, high) = range(v);
    const auto steps = static_cast<float>((1 << bits_) - 1);
    Tail tail;
    tail.step = (high - low) / steps;
    if (tail.step < kTiny) tail.step = 0;
    tail.middle = low + half_ * tail.step;
    const float inverse = tail.step > 0 ? 1 / tail.step : 0;
    for (uint32_t i = 0; i < dim_; ++i) {
      const float value = std::clamp((v[i] - low) * inverse, 0.0f, steps);
      components[i] = static_cast<uint8_t>(std::lrintf(value));
    }
    const auto centred = [&](size_t i) { return static_cast<float>(components[i]) - half_; };
    tail.sum = sum_of(dim_, centred);
    // With e = decoded - v, |q - decoded|^2 - |e|^2 = |q - v|^2 + 2 (v - q).e: right on average,
    // and the better the nearer q is to v.
    tail.squared_norm = sum_of(dim_, [&](size_t i) {
      const float value = tail.middle + tail.step * centred(i);
      const float error = value - std::clamp(v[i], low, high);
      return value * value - error * error;
    });
    pack(components, dim_, bits_, code);
    std::memcpy(code + packed_, &tail, sizeof tail);
  }

  void decode(const std::byte* code, float* v) const override {
    alignas(64) uint8_t components[kDimMax];
    code_kernels().unpack(reinterpret_cast<const uint8_t*>(code), dim_, bits_, components);
    const Tail tail = tail_of(code);
    code_kernels().decode_u8(components, dim_, tail.step, half_, v);
    for (uint32_t i = 0; i < dim_; ++i)
      v[i] += tail.middle;
  }

  float deviation(const CodeQuery& query, const std::byte* code, float distance) const override {
    const Tail tail = tail_of(code);
    const float error = tail.step * tail.step * static_cast<float>(dim_) / 12;
    const float apart = metric_ == CodeMetric::kL2 ? distance : query.squared_norm;
    return code_deviation(metric_, std::max(apart, error), error, dim_);
  }

 protected:
  Tail tail_of(const std::byte* code) const {
    Tail tail;
    std::memcpy(&tail, code + packed_, sizeof tail);
    return tail;
  }
  /// From the integer query's sum and its product with (c - half).
  float distance_to(const CodeQuery& query, const std::byte* code, float product) const {
    const Tail tail = tail_of(code);
    const float all = tail.middle * static_cast<float>(query.whole_sum) + tail.step * product;
    return finish_distance(metric_, query.squared_norm, tail.squared_norm, query.scale * all);
  }
  /// From the product of one code's (c - half) with the other's.
  float distance_between(const Tail& own, const Tail& tail, float product) const {
    const float middles =
        own.middle * (tail.middle * static_cast<float>(dim_) + tail.step * tail.sum) +
        tail.middle * own.step * own.sum;
    return finish_distance(metric_, own.squared_norm, tail.squared_norm,
                           middles + own.step * tail.step * product);
  }

  const CodeMetric metric_;
  const uint32_t dim_;
  const uint32_t bits_;
  const uint32_t packed_;  // bytes before the tail
  const float half_;

 private:
  std::pair<float, float> range(const float* v) const {
    float low[16];
    float high[16];
    std::fill_n(low, 16, kLong);
    std::fill_n(high, 16, -kLong);
    for (uint32_t i = 0; i < dim_; i += 16) {
      for (uint32_t j = 0; j < 16; ++j) {
        low[j] = v[i + j] < low[j] ? v[i + j] : low[j];
        high[j] = v[i + j] > high[j] ? v[i + j] : high[j];
      }
    }
    const auto within = [](float value) { return std::clamp(value, -kLong, kLong); };
    return {within(*std::min_element(low, low + 16)), within(*std::max_element(high, high + 16))};
  }
};

class Lvq8 final : public Lvq {
 public:
  Lvq8(CodeMetric metric, uint32_t dim) : Lvq(metric, dim, 8) {}

  void prepare(CodeQuery& query) const override {
    query.squared_norm = squared_norm(query.values.data(), dim_);
    split_query(query.values.data(), dim_, kLong, query);
  }
  void distances(const CodeQuery& query, const std::byte* const* codes, size_t count,
                 float* out) const override {
    for_products(query, codes, count, dim_,
                 [&](size_t i, float product) { out[i] = distance_to(query, codes[i], product); });
  }
  void distances_between(const std::byte* from, const std::byte* const* codes, size_t count,
                         float* out) const override {
    const Tail own = tail_of(from);
    for_code_products(from, codes, count, dim_, [&](size_t i, int32_t product) {
      const Tail tail = tail_of(codes[i]);
      const float centred = static_cast<float>(product - 128 * static_cast<int32_t>(tail.sum));
      out[i] = distance_between(own, tail, centred);
    });
  }
};

class Lvq4 final : public Lvq {
 public:
  Lvq4(CodeMetric metric, uint32_t dim) : Lvq(metric, dim, 4) {}

  void prepare(CodeQuery& query) const override {
    query.squared_norm = squared_norm(query.values.data(), dim_);
    prepare_packed(query.values.data(), dim_, bits_, query);
  }
  void distances(const CodeQuery& query, const std::byte* const* codes, size_t count,
                 float* out) const override {
    for_packed_products(query, codes, count, bits_, false, [&](size_t i, float product) {
      out[i] = distance_to(query, codes[i], product);
    });
  }
  void distances_between(const std::byte* from, const std::byte* const* codes, size_t count,
                         float* out) const override {
    thread_local CodeQuery query;
    const Tail own = tail_of(from);
    prepare_from_packed(from, dim_, bits_, query);
    for_packed_products(query, codes, count, bits_, false, [&](size_t i, float product) {
      out[i] = distance_between(own, tail_of(codes[i]), query.scale * product);
    });
  }
};

}  // namespace

std::unique_ptr<Quantizer> make_lvq(const QuantizerSpec& spec, CodeMetric metric, uint32_t dim) {
  if (spec.bits == 8) return std::make_unique<Lvq8>(metric, dim);
  return std::make_unique<Lvq4>(metric, dim);
}

}  // namespace ferres
