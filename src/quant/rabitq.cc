// See rabitq.h. Layouts: 8 bits: dim bytes, then Tail8; 4 bits: dim / 2 bytes, then Tail4.
#include "quant/rabitq.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "quant/code_math.h"

namespace ferres {
namespace {

constexpr int32_t kMiddle8 = 128;
constexpr float kMiddle4 = 7.5f;

struct Tail8 {
  float squared_norm = 0;
  float scale = 0;
  int32_t sum = 0;  // of (code - 128)
  float unused = 0;
};
struct Tail4 {
  float squared_norm = 0;
  float scale = 0;
};

template <class Tail>
Tail tail_of(const std::byte* code, size_t code_part) {
  Tail tail;
  std::memcpy(&tail, code + code_part, sizeof tail);
  return tail;
}

const uint8_t* bytes_of(const std::byte* code) {
  return reinterpret_cast<const uint8_t*>(code);
}

class Rabitq : public Quantizer {
 public:
  Rabitq(CodeMetric metric, uint32_t dim) : metric_(metric), dim_(dim) {}
  uint32_t dim() const override { return dim_; }
  void train(std::span<const float>) override {}
  bool needs_training() const override { return false; }
  std::string parameters() const override { return {}; }
  Status set_parameters(std::string_view bytes) override {
    if (bytes.empty()) return {};
    return {Code::kCorruption, "rabitq has no parameters, but the index holds some"};
  }

 protected:
  float finish(float query_norm, float code_norm, float product) const {
    return finish_distance(metric_, query_norm, code_norm, product);
  }

  const CodeMetric metric_;
  const uint32_t dim_;
};

class Rabitq8 final : public Rabitq {
 public:
  using Rabitq::Rabitq;
  std::string_view name() const override { return "rabitq8"; }
  uint32_t code_bytes() const override { return dim_ + sizeof(Tail8); }

  void encode(const float* v, std::byte* code) const override {
    auto* const out = reinterpret_cast<uint8_t*>(code);
    Tail8 tail;
    tail.squared_norm = squared_norm(v, dim_);
    const float inverse = inverse_of(largest(v, dim_), 127);
    for (uint32_t i = 0; i < dim_; ++i) {
      const auto value = static_cast<int32_t>(std::lrintf(v[i] * inverse));
      out[i] = static_cast<uint8_t>(value + kMiddle8);
      tail.sum += value;
    }
    const float along =
        sum_of(dim_, [&](size_t i) { return v[i] * static_cast<float>(out[i] - kMiddle8); });
    if (along > 0) tail.scale = tail.squared_norm / along;
    std::memcpy(code + dim_, &tail, sizeof tail);
  }

  void decode(const std::byte* code, float* v) const override {
    const auto tail = tail_of<Tail8>(code, dim_);
    code_kernels().decode_u8(bytes_of(code), dim_, tail.scale, kMiddle8, v);
  }

  void prepare(CodeQuery& query) const override {
    query.squared_norm = squared_norm(query.values.data(), dim_);
    split_query(query.values.data(), dim_, kLong, query);
  }

  void distances(const CodeQuery& query, const std::byte* const* codes, size_t count,
                 float* out) const override {
    for_products(query, codes, count, dim_, [&](size_t i, float product) {
      const auto tail = tail_of<Tail8>(codes[i], dim_);
      out[i] = finish(query.squared_norm, tail.squared_norm, tail.scale * (query.scale * product));
    });
  }

  void distances_between(const std::byte* from, const std::byte* const* codes, size_t count,
                         float* out) const override {
    int32_t sums[kCodeBatch];
    const auto own = tail_of<Tail8>(from, dim_);
    for (size_t done = 0; done < count; done += kCodeBatch) {
      const size_t n = std::min(kCodeBatch, count - done);
      code_kernels().dot_u8_codes(
          bytes_of(from), reinterpret_cast<const uint8_t* const*>(codes + done), n, dim_, sums);
      for (size_t i = 0; i < n; ++i) {
        const auto tail = tail_of<Tail8>(codes[done + i], dim_);
        const auto product = static_cast<float>(sums[i] - kMiddle8 * tail.sum);
        out[done + i] =
            finish(own.squared_norm, tail.squared_norm, own.scale * (tail.scale * product));
      }
    }
  }
};

class Rabitq4 final : public Rabitq {
 public:
  using Rabitq::Rabitq;
  std::string_view name() const override { return "rabitq4"; }
  uint32_t code_bytes() const override { return dim_ / 2 + sizeof(Tail4); }

  void encode(const float* v, std::byte* code) const override {
    Tail4 tail;
    tail.squared_norm = squared_norm(v, dim_);
    const float most = largest(v, dim_);
    float inverse = 0;
    float along = 0;
    if (inverse_of(most, 1) > 0) {
      const float step = best_step(v, most);
      inverse = 1 / step;
      along = sum_of(dim_, [&](size_t i) { return (level(v[i], inverse) - kMiddle4) * v[i]; });
    }
    if (along > 0) tail.scale = tail.squared_norm / along;
    const uint32_t half = dim_ / 2;
    for (uint32_t i = 0; i < half; ++i) {
      const auto low = static_cast<uint32_t>(level(v[i], inverse));
      const auto high = static_cast<uint32_t>(level(v[half + i], inverse));
      code[i] = static_cast<std::byte>(low | high << 4);
    }
    std::memcpy(code + half, &tail, sizeof tail);
  }

  void decode(const std::byte* code, float* v) const override {
    const uint32_t half = dim_ / 2;
    const auto tail = tail_of<Tail4>(code, half);
    for (uint32_t i = 0; i < half; ++i) {
      const auto both = static_cast<uint32_t>(code[i]);
      v[i] = tail.scale * (static_cast<float>(both & 15) - kMiddle4);
      v[half + i] = tail.scale * (static_cast<float>(both >> 4) - kMiddle4);
    }
  }

  void prepare(CodeQuery& query) const override {
    const float* const v = query.values.data();
    const uint32_t half = dim_ / 2;
    query.squared_norm = squared_norm(v, dim_);
    const float most = largest(v, dim_);
    query.scale = std::min(most, kLong) / 127;
    const float inverse = inverse_of(most, 127);
    query.low.resize(half);
    query.high.resize(half);
    int32_t sum = 0;
    for (uint32_t i = 0; i < half; ++i) {
      query.low[i] = static_cast<int8_t>(std::lrintf(v[i] * inverse));
      query.high[i] = static_cast<int8_t>(std::lrintf(v[half + i] * inverse));
      sum += query.low[i] + query.high[i];
    }
    query.sum = static_cast<float>(sum);
  }

  void distances(const CodeQuery& query, const std::byte* const* codes, size_t count,
                 float* out) const override {
    score(query.low.data(), query.high.data(), query.scale, query.sum, query.squared_norm, codes,
          count, out);
  }

  void distances_between(const std::byte* from, const std::byte* const* codes, size_t count,
                         float* out) const override {
    // The code as a query in units of half a step: 2 * code - 15.
    alignas(64) int8_t low[kHalfMax] = {};
    alignas(64) int8_t high[kHalfMax] = {};
    const uint32_t half = dim_ / 2;
    int32_t sum = 0;
    for (uint32_t i = 0; i < half; ++i) {
      const auto both = static_cast<int32_t>(from[i]);
      low[i] = static_cast<int8_t>(2 * (both & 15) - 15);
      high[i] = static_cast<int8_t>(2 * (both >> 4) - 15);
      sum += low[i] + high[i];
    }
    const auto own = tail_of<Tail4>(from, half);
    score(low, high, own.scale / 2, static_cast<float>(sum), own.squared_norm, codes, count, out);
  }

 private:
  static constexpr size_t kHalfMax = 2048;
  static constexpr int kSteps = 12;

  static float level(float value, float inverse) {
    return std::clamp(std::floor(value * inverse) + 8, 0.0f, 15.0f);
  }

  /// The step whose code has the smallest angle to v.
  float best_step(const float* v, float most) const {
    const float unit = 1 / most;  // so that the score neither overflows nor vanishes
    float best = -1;
    float chosen = most / kMiddle4;
    for (int i = 0; i < kSteps; ++i) {
      const float step = most / kMiddle4 * (0.45f + 0.05f * static_cast<float>(i));
      const float inverse = 1 / step;
      const float along =
          sum_of(dim_, [&](size_t j) { return (level(v[j], inverse) - kMiddle4) * (v[j] * unit); });
      const float squared = sum_of(dim_, [&](size_t j) {
        const float code = level(v[j], inverse) - kMiddle4;
        return code * code;
      });
      const float score = along * along / squared;
      if (score > best) {
        best = score;
        chosen = step;
      }
    }
    return chosen;
  }

  void score(const int8_t* low, const int8_t* high, float scale, float sum, float norm,
             const std::byte* const* codes, size_t count, float* out) const {
    int32_t sums[kCodeBatch];
    for (size_t done = 0; done < count; done += kCodeBatch) {
      const size_t n = std::min(kCodeBatch, count - done);
      code_kernels().dot_u4(low, high, reinterpret_cast<const uint8_t* const*>(codes + done), n,
                            dim_, sums);
      for (size_t i = 0; i < n; ++i) {
        const auto tail = tail_of<Tail4>(codes[done + i], dim_ / 2);
        const float product = scale * (static_cast<float>(sums[i]) - kMiddle4 * sum);
        out[done + i] = finish(norm, tail.squared_norm, tail.scale * product);
      }
    }
  }
};

}  // namespace

std::unique_ptr<Quantizer> make_rabitq(const QuantizerSpec& spec, CodeMetric metric, uint32_t dim) {
  if (spec.bits == 4) return std::make_unique<Rabitq4>(metric, dim);
  return std::make_unique<Rabitq8>(metric, dim);
}

}  // namespace ferres
