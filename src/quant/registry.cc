// The table of quantizers: one row each. Any thread.
#include <array>
#include <string>
#include <vector>

#include "quant/code_math.h"
#include "quant/lvq.h"
#include "quant/polar.h"
#include "quant/quantizer.h"
#include "quant/rabitq.h"
#include "quant/sq8.h"

namespace ferres {
namespace {

struct Kind {
  std::string_view name;
  std::string_view bits_allowed;
  bool (*has_bits)(uint32_t bits);  // of 1 to 8
  std::unique_ptr<Quantizer> (*make)(const QuantizerSpec&, CodeMetric, uint32_t dim);
};

constexpr std::array kKinds = {
    Kind{"sq8", "8", [](uint32_t bits) { return bits == 8; }, make_sq8},
    Kind{"lvq", "4 or 8", [](uint32_t bits) { return bits == 4 || bits == 8; }, make_lvq},
    Kind{"polar", "1 to 8", [](uint32_t) { return true; }, make_polar},
    Kind{"rabitq", "1 to 8", [](uint32_t) { return true; }, make_rabitq},
};

}  // namespace

Result<std::unique_ptr<Quantizer>> create_quantizer(const QuantizerSpec& spec, CodeMetric metric,
                                                    uint32_t dim) {
  std::string known;
  for (const Kind& kind : kKinds) {
    known += std::string(known.empty() ? "" : ", ") + std::string(kind.name);
    if (kind.name != spec.kind) continue;
    if (dim == 0 || dim > kDimMax || dim % 16 != 0) {
      return Status(Code::kInvalidArgument, "quantizers take a multiple of 16 components up to " +
                                                std::to_string(kDimMax) + ", not " +
                                                std::to_string(dim));
    }
    if (!(spec.quantile > 0 && spec.quantile <= 100)) {
      return Status(Code::kInvalidArgument,
                    "the quantile of a quantizer is above 0 and at most 100");
    }
    if (spec.bits >= 1 && spec.bits <= 8 && kind.has_bits(spec.bits))
      return kind.make(spec, metric, dim);
    return Status(Code::kInvalidArgument, "quantizer '" + spec.kind + "' has " +
                                              std::string(kind.bits_allowed) + " bits, not " +
                                              std::to_string(spec.bits));
  }
  return Status(Code::kInvalidArgument,
                "unknown quantizer '" + spec.kind + "'; there are: " + known);
}

std::vector<QuantizerSpec> known_quantizers() {
  std::vector<QuantizerSpec> all;
  for (const Kind& kind : kKinds) {
    for (uint32_t bits = 1; bits <= 8; ++bits) {
      QuantizerSpec spec;
      spec.kind = kind.name;
      spec.bits = bits;
      if (kind.has_bits(bits)) all.push_back(spec);
    }
  }
  return all;
}

}  // namespace ferres
