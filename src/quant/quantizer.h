// How a vector becomes a short code, and distances between a query and codes. The index keeps codes
// by slot, walks on them, and finishes on full vectors. A new quantizer is one file and one row in
// registry.cc.
//
// Input. A quantizer never sees a user's vectors but what SpaceTransform (index/) made of them: for
// cosine normalised, for cosine and euclidean centred, then rotated (rotation.h) and padded to
// dim(), a multiple of 16. Two distances are enough: squared Euclidean, and minus the inner
// product.
//
// Memory. A code is code_bytes() long, stands at a multiple of 64 bytes and may be read to the next
// one (kernels/codes.h).
//
// Threads: everything const is called from any thread at once; train() before all else, by one.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/aligned.h"
#include "base/status.h"
#include "base/types.h"
#include "kernels/codes.h"

namespace ferres {

enum class CodeMetric : uint8_t { kL2, kDot };  // |q - v|^2, or -q.v

/// What a quantizer prepares once a query, in memory that its thread keeps between queries. Which
/// fields are used is the quantizer's affair.
struct CodeQuery {
  AlignedVector<float> values;  // the query itself, in the rotated space
  AlignedVector<int16_t> whole;
  AlignedVector<int8_t> high;
  AlignedVector<int8_t> low;
  AlignedVector<float> scratch;
  float scale = 0;         // of one unit of the integer query
  int64_t whole_sum = 0;   // of its components
  float squared_norm = 0;  // of the values
  float constant = 0;

  SplitQuery split() const { return {whole.data(), high.data(), low.data()}; }
};

class Quantizer {
 public:
  virtual ~Quantizer() = default;
  /// As in `quantization_in_force`: "sq8", "lvq8", "rabitq4", "polar8", ...
  virtual std::string_view name() const = 0;
  virtual uint32_t dim() const = 0;
  virtual uint32_t code_bytes() const = 0;
  /// Of a component.
  uint32_t bits() const {
    return (code_bytes() - 8) * 8 / dim();  // 8: what codes have at their end
  }

  /// Learns from `rows` vectors of dim() floats, one after another. Those that need no training
  /// ignore it. What was learnt is part of the index: parameters() gives its bytes and
  /// set_parameters() takes them back (kCorruption when they are not of this kind).
  virtual void train(std::span<const float> rows) = 0;
  virtual bool needs_training() const = 0;
  virtual std::string parameters() const = 0;
  virtual Status set_parameters(std::string_view bytes) = 0;

  virtual void encode(const float* vector, std::byte* code) const = 0;
  virtual void decode(const std::byte* code, float* vector) const = 0;
  /// query.values is set (dim() floats); fills in the rest.
  virtual void prepare(CodeQuery& query) const = 0;
  /// out[i] = distance from the query to codes[i].
  virtual void distances(const CodeQuery& query, const std::byte* const* codes, size_t count,
                         float* out) const = 0;
  /// out[i] = distance from one code to another, for choosing edges.
  virtual void distances_between(const std::byte* from, const std::byte* const* codes, size_t count,
                                 float* out) const = 0;
  /// What `distance`, which distances() gave for the code, is off by: one standard deviation over
  /// random rotations. Errors are nearly normal, so three cover all but a few in a thousand. Cheap,
  /// for deciding what to look at again on full vectors.
  virtual float deviation(const CodeQuery& query, const std::byte* code, float distance) const = 0;
  /// out[i] = what the distance of the encoded vector is not below, but for a few in a thousand:
  /// three deviations less than distances() says, or a little more where that is quicker.
  virtual void bounds(const CodeQuery& query, const std::byte* const* codes, size_t count,
                      float* out) const {
    distances(query, codes, count, out);
    for (size_t i = 0; i < count; ++i)
      out[i] -= kBoundDeviations * deviation(query, codes[i], out[i]);
  }

 protected:
  static constexpr float kBoundDeviations = 3;
};

/// What a collection's configuration asks for.
struct QuantizerSpec {
  std::string kind = "rabitq";  // a row of registry.cc
  uint32_t bits = 8;
  float quantile = 99.5f;  // sq8: the share of a sample that the range covers, in percent; at most
                           // 1 is a fraction

  bool operator==(const QuantizerSpec&) const = default;
};

/// kInvalidArgument for an unknown kind, a number of bits that it does not have, or a `dim` (the
/// padded one) that is no multiple of 16 up to 4096, or a quantile outside (0, 100].
Result<std::unique_ptr<Quantizer>> create_quantizer(const QuantizerSpec& spec, CodeMetric metric,
                                                    uint32_t dim);
/// Every row of the registry with each number of bits that it has: tests and benchmarks go over it.
std::vector<QuantizerSpec> known_quantizers();

}  // namespace ferres
