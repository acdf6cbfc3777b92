// Codes of 1 to 8 bits a component on one grid around zero, whose step is chosen for each vector so
// that the code points its way, and a factor that makes the estimated inner product unbiased:
//   v.q ~ |v|^2 / (code.v) * (code.q)
// After J. Gao and C. Long, RaBitQ (arXiv 2405.12497), and J. Gao et al., "Practical and
// Asymptotically Optimal Quantization of High-Dimensional Vectors in Euclidean Space" (extended
// RaBitQ, arXiv 2409.09913); the grid is searched over a few steps instead of all.
// What the code leaves out of v is across v, so the error of an estimate is that of a random
// direction: known, and small for queries near v (deviation()).
#pragma once
#include <memory>

#include "quant/quantizer.h"

namespace ferres {

std::unique_ptr<Quantizer> make_rabitq(const QuantizerSpec& spec, CodeMetric metric, uint32_t dim);

}  // namespace ferres
