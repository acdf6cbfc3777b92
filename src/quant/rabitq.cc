// See rabitq.h. Layouts: 8 bits: dim bytes of component + 128, then Tail8; fewer: a packed code
// (kernels/codes.h), then PackedTail, whose eight bytes leave a code of 112 dimensions and 4 bits,
// or of 384 and one bit, in one cache line.
#include "quant/rabitq.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "quant/code_math.h"
#include "quant/packed.h"

namespace ferres {
namespace {

constexpr int32_t kMiddle8 = 128;

struct Tail8 {
  float squared_norm = 0;
  float scale = 0;
  int32_t sum = 0;  // of (code - 128)
  float error = 0;  // what is across: |v|^2 |code|^2 / (code.v)^2 - 1
};

struct PackedTail {
  float squared_norm = 0;
  uint32_t factor = 0;  // see pack_factor
};

/// 24 bits of the scale, a float >= 0 without its sign and its last seven bits, which is far finer
/// than codes of 7 bits need; below them the error as 2^(12 - e / 6), rounded up.
uint32_t pack_factor(float scale, float error) {
  const auto bits = std::bit_cast<uint32_t>(scale);
  const uint32_t e = error <= 0 ? 255
                                : static_cast<uint32_t>(std::clamp(
                                      std::floor((12 - std::log2(error)) * 6), 0.0f, 255.0f));
  return std::min((bits + 64) >> 7, 0xFEFFFFu) << 8 | e;
}
float factor_scale(uint32_t factor) {
  return std::bit_cast<float>(factor >> 8 << 7);
}
const std::array<float, 256> kErrors = [] {
  std::array<float, 256> errors{};
  for (size_t e = 0; e < errors.size(); ++e)
    errors[e] = std::exp2(12 - static_cast<float>(e) / 6);
  return errors;
}();
float factor_error(uint32_t factor) {
  return kErrors[factor & 255];
}

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
  /// From what the distance says of the query's part across v: the only one that errs.
  float deviation_of(const CodeQuery& query, float norm, float error, float distance) const {
    const QueryParts parts = query_parts(metric_, query.squared_norm, norm, distance);
    return code_deviation(metric_, parts.across, norm * error, dim_);
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
    // In units of the step, in which nothing overflows.
    const float along = sum_of(
        dim_, [&](size_t i) { return v[i] * inverse * static_cast<float>(out[i] - kMiddle8); });
    if (along > 0) {
      const float norm = sum_of(dim_, [&](size_t i) { return v[i] * inverse * (v[i] * inverse); });
      const float code_norm = sum_of(dim_, [&](size_t i) {
        const auto value = static_cast<float>(out[i] - kMiddle8);
        return value * value;
      });
      tail.scale = tail.squared_norm * inverse / along;
      tail.error = std::max(0.0f, norm / along * (code_norm / along) - 1);
    }
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
    const auto own = tail_of<Tail8>(from, dim_);
    for_code_products(from, codes, count, dim_, [&](size_t i, int32_t product) {
      const auto tail = tail_of<Tail8>(codes[i], dim_);
      // Unsigned: on a damaged page the sum is anything.
      const auto centred = static_cast<float>(static_cast<int32_t>(
          static_cast<uint32_t>(product) - kMiddle8 * static_cast<uint32_t>(tail.sum)));
      out[i] = finish(own.squared_norm, tail.squared_norm, own.scale * (tail.scale * centred));
    });
  }

  float deviation(const CodeQuery& query, const std::byte* code, float distance) const override {
    const auto tail = tail_of<Tail8>(code, dim_);
    return deviation_of(query, tail.squared_norm, tail.error, distance);
  }
};

class RabitqPacked final : public Rabitq {
 public:
  RabitqPacked(CodeMetric metric, uint32_t dim, uint32_t bits)
      : Rabitq(metric, dim),
        bits_(bits),
        packed_(static_cast<uint32_t>(packed_bytes(dim, bits))),
        wide_(bits >= kWideQueryBits) {}
  std::string_view name() const override {
    static constexpr std::array<std::string_view, 8> kNames = {
        "", "rabitq1", "rabitq2", "rabitq3", "rabitq4", "rabitq5", "rabitq6", "rabitq7"};
    return kNames[bits_];
  }
  uint32_t code_bytes() const override { return packed_ + sizeof(PackedTail); }

  void encode(const float* v, std::byte* code) const override {
    PackedTail tail;
    tail.squared_norm = squared_norm(v, dim_);
    const float most = largest(v, dim_);
    float inverse = inverse_of(most, 1);
    if (inverse > 0) {
      const float unit = inverse;
      const float norm = sum_of(dim_, [&](size_t i) { return v[i] * unit * (v[i] * unit); });
      if (bits_ > 1) inverse = best_inverse(v, unit, norm);
      const GridSums sums = code_kernels().grid_sums(v, dim_, inverse, bits_);
      const float along = sums.along * (unit / inverse);
      const float error = norm / along * (sums.squared / along) - 1;
      tail.factor = pack_factor(tail.squared_norm * inverse / sums.along, error);
    }
    alignas(64) uint8_t components[kDimMax];
    code_kernels().grid_codes(v, dim_, inverse, bits_, components);
    pack(components, dim_, bits_, code);
    std::memcpy(code + packed_, &tail, sizeof tail);
  }

  void decode(const std::byte* code, float* v) const override {
    alignas(64) uint8_t components[kDimMax];
    code_kernels().unpack(bytes_of(code), dim_, bits_, components);
    const float middle = 0.5f * static_cast<float>((1 << bits_) - 1);
    const auto tail = tail_of<PackedTail>(code, packed_);
    code_kernels().decode_u8(components, dim_, factor_scale(tail.factor), middle, v);
  }

  void prepare(CodeQuery& query) const override {
    query.squared_norm = squared_norm(query.values.data(), dim_);
    prepare_packed(query.values.data(), dim_, bits_, query);
  }

  void distances(const CodeQuery& query, const std::byte* const* codes, size_t count,
                 float* out) const override {
    score(query, wide_, codes, count, out);
  }

  void distances_between(const std::byte* from, const std::byte* const* codes, size_t count,
                         float* out) const override {
    thread_local CodeQuery query;
    const auto own = tail_of<PackedTail>(from, packed_);
    prepare_from_packed(from, dim_, bits_, query);
    query.scale *= factor_scale(own.factor);
    query.squared_norm = own.squared_norm;
    score(query, false, codes, count, out);
  }

  float deviation(const CodeQuery& query, const std::byte* code, float distance) const override {
    const auto tail = tail_of<PackedTail>(code, packed_);
    return deviation_of(query, tail.squared_norm, factor_error(tail.factor), distance);
  }

  /// As if all of the query were across the code: not a great deal more for what is far.
  void bounds(const CodeQuery& query, const std::byte* const* codes, size_t count,
              float* out) const override {
    const float spread =
        kBoundDeviations * std::sqrt(query.squared_norm / static_cast<float>(dim_));
    for_packed_products(query, codes, count, bits_, wide_, [&](size_t i, float product) {
      const auto tail = tail_of<PackedTail>(codes[i], packed_);
      const float error = std::sqrt(tail.squared_norm * factor_error(tail.factor));
      out[i] = finish(query.squared_norm, tail.squared_norm,
                      factor_scale(tail.factor) * (query.scale * product) + spread * error);
    });
  }

 private:
  /// One over the step whose code has the smallest angle to v, of `norm` in units of 1 / unit. What
  /// is best for normal components is never far; the search is coarse, then fine around the best.
  float best_inverse(const float* v, float unit, float norm) const {
    static constexpr std::array<float, 8> kStep = {0,       0,       0.9957f, 0.586f,
                                                   0.3352f, 0.1881f, 0.1041f, 0.0568f};
    const float usual = unit / (kStep[bits_] * std::sqrt(norm / static_cast<float>(dim_)));
    // No step is better than one that cuts nothing: largest component times unit is 1.
    const float uncut = usual / (unit * static_cast<float>(1 << (bits_ - 1)));
    const float spread = bits_ >= 6 ? kSpreadFine : kSpread;
    float best = -1;
    float chosen = 1;
    const auto look_at = [&](float factor) {
      const GridSums sums = code_kernels().grid_sums(v, dim_, usual / factor, bits_);
      const float along = sums.along * factor;
      if (along * along <= best * sums.squared) return;
      best = along * along / sums.squared;
      chosen = factor;
    };
    for (int i = -3; i <= 3; ++i)
      look_at(std::min(1.0f, uncut) * (1 + spread * static_cast<float>(i)));
    const float middle = chosen;
    for (const float share : {-0.6f, -0.3f, 0.3f, 0.6f})
      look_at(middle * (1 + spread * share));
    return usual / chosen;
  }

  void score(const CodeQuery& query, bool wide, const std::byte* const* codes, size_t count,
             float* out) const {
    for_packed_products(query, codes, count, bits_, wide, [&](size_t i, float product) {
      const auto tail = tail_of<PackedTail>(codes[i], packed_);
      out[i] = finish(query.squared_norm, tail.squared_norm,
                      factor_scale(tail.factor) * (query.scale * product));
    });
  }

  static constexpr float kSpread = 0.13f;
  static constexpr float kSpreadFine = 0.05f;
  const uint32_t bits_;
  const uint32_t packed_;  // bytes before the tail
  const bool wide_;
};

}  // namespace

std::unique_ptr<Quantizer> make_rabitq(const QuantizerSpec& spec, CodeMetric metric, uint32_t dim) {
  if (spec.bits == 8) return std::make_unique<Rabitq8>(metric, dim);
  return std::make_unique<RabitqPacked>(metric, dim, spec.bits);
}

}  // namespace ferres
