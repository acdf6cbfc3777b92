// Scalar quantization: a byte a component, spread evenly over a range for each dimension that is
// learnt from a sample; what lies outside is cut. The classic of many engines, here for those who
// ask for it: it is the only kind that learns, and the range of a sample ages as data drifts.
// Any thread, but train() and set_parameters() before all else.
#pragma once
#include <memory>

#include "quant/quantizer.h"

namespace ferres {

std::unique_ptr<Quantizer> make_sq8(const QuantizerSpec& spec, CodeMetric metric, uint32_t dim);

}  // namespace ferres
