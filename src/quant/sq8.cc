// See sq8.h. A code: dim bytes c, then the tail. A component is v = low + step * c, so that
//   q.v = q.low + sum (q * step) c
// and the query takes the steps: codes are summed by the kernel of all bytes.
// Parameters: u32 magic, u32 dim, dim f32 low, dim f32 step.
#include "quant/sq8.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/coding.h"
#include "quant/code_math.h"

namespace ferres {
namespace {

constexpr uint32_t kMagic = 0x31385153;  // "SQ81"
constexpr size_t kSampleMax = 10'000;
constexpr float kMiddle = 128;
constexpr float kSteps = 255;

struct Tail {
  float squared_norm = 0;   // of the decoded vector
  float squared_error = 0;  // of decoded against encoded
  float error_along = 0;    // the error's inner product with the vector: what was cut shortens it
};

class Sq8 final : public Quantizer {
 public:
  Sq8(CodeMetric metric, uint32_t dim, float share)
      : metric_(metric), dim_(dim), share_(share), low_(dim), step_(dim), inverse_(dim) {
    for (uint32_t i = 0; i < dim; ++i)
      set_range(i, -1, 1);  // until it is trained: fits normalised vectors
  }
  std::string_view name() const override { return "sq8"; }
  uint32_t dim() const override { return dim_; }
  uint32_t code_bytes() const override { return dim_ + sizeof(Tail); }
  bool needs_training() const override { return true; }

  void train(std::span<const float> rows) override {
    const size_t count = rows.size() / dim_;
    const size_t samples = std::min(count, kSampleMax);
    std::vector<float> column;
    column.reserve(samples);
    for (uint32_t i = 0; i < dim_; ++i) {
      column.clear();
      for (size_t s = 0; s < samples; ++s) {
        const float value = rows[s * count / samples * dim_ + i];
        if (std::isfinite(value)) column.push_back(std::clamp(value, -kLong, kLong));
      }
      if (column.empty()) continue;
      // As many are cut at either end.
      const auto cut = static_cast<ptrdiff_t>((1 - share_) / 2 * static_cast<float>(column.size()));
      const auto first = column.begin() + cut;
      const auto last = column.end() - 1 - cut;
      std::nth_element(column.begin(), first, column.end());
      const float low = *first;
      std::nth_element(first, last, column.end());
      set_range(i, low, *last);
    }
  }

  std::string parameters() const override {
    std::string out;
    put_u32(out, kMagic);
    put_u32(out, dim_);
    for (const AlignedVector<float>* values : {&low_, &step_}) {
      for (uint32_t i = 0; i < dim_; ++i)
        put_f32(out, (*values)[i]);
    }
    return out;
  }

  Status set_parameters(std::string_view bytes) override {
    const auto* const at = reinterpret_cast<const std::byte*>(bytes.data());
    const size_t ranges = 2 * sizeof(uint32_t);
    const size_t part = dim_ * sizeof(float);
    bool fits = bytes.size() == ranges + 2 * part && load_u32(at) == kMagic &&
                load_u32(at + sizeof(uint32_t)) == dim_;
    for (size_t i = 0; fits && i < dim_; ++i) {
      const float low = load_f32(at + ranges + i * sizeof(float));
      const float step = load_f32(at + ranges + part + i * sizeof(float));
      fits = std::fabs(low) <= kLong && step >= 0 && step <= kLong;
    }
    if (!fits) {
      return {Code::kCorruption,
              "the parameters of sq8 are not " + std::to_string(dim_) + " ranges"};
    }
    for (size_t i = 0; i < dim_; ++i) {
      low_[i] = load_f32(at + ranges + i * sizeof(float));
      set_step(i, load_f32(at + ranges + part + i * sizeof(float)));
    }
    return {};
  }

  void encode(const float* v, std::byte* code) const override {
    auto* const out = reinterpret_cast<uint8_t*>(code);
    for (uint32_t i = 0; i < dim_; ++i) {
      const float value = std::clamp((v[i] - low_[i]) * inverse_[i], 0.0f, kSteps);
      out[i] = static_cast<uint8_t>(std::lrintf(value));
    }
    Tail tail;
    tail.squared_norm = sum_of(dim_, [&](size_t i) {
      const float value = decoded(out, i);
      return value * value;
    });
    const float error = sum_of(dim_, [&](size_t i) {
      const float difference = v[i] - decoded(out, i);
      return difference * difference;
    });
    tail.squared_error = error < kFar ? error : kFar;
    const float along = sum_of(dim_, [&](size_t i) { return v[i] * (decoded(out, i) - v[i]); });
    tail.error_along = along > -kFar && along < kFar ? along : 0;
    std::memcpy(code + dim_, &tail, sizeof tail);
  }

  void decode(const std::byte* code, float* v) const override {
    const auto* const bytes = reinterpret_cast<const uint8_t*>(code);
    for (uint32_t i = 0; i < dim_; ++i)
      v[i] = decoded(bytes, i);
  }

  void prepare(CodeQuery& query) const override {
    const float* const v = query.values.data();
    query.squared_norm = squared_norm(v, dim_);
    query.scratch.resize(dim_);
    for (uint32_t i = 0; i < dim_; ++i)
      query.scratch[i] = std::clamp(v[i], -kLong, kLong) * step_[i];
    query.constant = sum_of(dim_, [&](size_t i) {
      return std::clamp(v[i], -kLong, kLong) * (low_[i] + kMiddle * step_[i]);
    });
    split_query(query.scratch.data(), dim_, kFar, query);
  }

  void distances(const CodeQuery& query, const std::byte* const* codes, size_t count,
                 float* out) const override {
    for_products(query, codes, count, dim_, [&](size_t i, float product) {
      Tail tail;
      std::memcpy(&tail, codes[i] + dim_, sizeof tail);
      out[i] = finish_distance(metric_, query.squared_norm, tail.squared_norm,
                               query.constant + query.scale * product);
    });
  }

  void distances_between(const std::byte* from, const std::byte* const* codes, size_t count,
                         float* out) const override {
    distances_by_decoding(*this, from, codes, count, out);
  }

  float deviation(const CodeQuery& query, const std::byte* code, float distance) const override {
    Tail tail;
    std::memcpy(&tail, code + dim_, sizeof tail);
    // The query's part along the vector meets that of the error; the rest is in random directions.
    const bool l2 = metric_ == CodeMetric::kL2;
    const float share = query_parts(metric_, query.squared_norm, tail.squared_norm, distance).share;
    const float along =
        l2 ? 2 * (1 - share) * tail.error_along + tail.squared_error : share * tail.error_along;
    const float apart = l2 ? distance : query.squared_norm;
    const float across =
        code_deviation(metric_, std::max(apart, tail.squared_error), tail.squared_error, dim_);
    return std::fabs(along) + across;
  }

 private:
  float decoded(const uint8_t* code, size_t i) const {
    return low_[i] + step_[i] * static_cast<float>(code[i]);
  }
  void set_range(size_t i, float low, float high) {
    low_[i] = low;
    set_step(i, (high - low) / kSteps);
  }
  void set_step(size_t i, float step) {
    step_[i] = step > kTiny ? step : 0;
    inverse_[i] = step > kTiny ? 1 / step : 0;
  }

  const CodeMetric metric_;
  const uint32_t dim_;
  const float share_;  // of a sample that the range covers
  AlignedVector<float> low_;
  AlignedVector<float> step_;
  AlignedVector<float> inverse_;
};

}  // namespace

std::unique_ptr<Quantizer> make_sq8(const QuantizerSpec& spec, CodeMetric metric, uint32_t dim) {
  const float share = spec.quantile <= 1 ? spec.quantile : spec.quantile / 100;
  return std::make_unique<Sq8>(metric, dim, share);
}

}  // namespace ferres
