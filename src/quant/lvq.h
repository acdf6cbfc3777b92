// Codes of 4 or 8 bits a component, spread evenly between the least and the largest component of
// each vector: locally-adaptive vector quantization, C. Aguerrebere et al., "Similarity Search in
// the Blink of an Eye with Compressed Indices" (arXiv 2304.04759). What comes in is centred
// already. No training, and every component is within half a step. Any thread.
#pragma once
#include <memory>

#include "quant/quantizer.h"

namespace ferres {

std::unique_ptr<Quantizer> make_lvq(const QuantizerSpec& spec, CodeMetric metric, uint32_t dim);

}  // namespace ferres
