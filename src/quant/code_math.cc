// See code_math.h.
#include "quant/code_math.h"

namespace ferres {

void split_query(const float* v, uint32_t dim, CodeQuery& query) {
  const float most = largest(v, dim);
  const auto range = static_cast<float>(split_max(dim));
  query.scale = std::min(most, kLong) / range;
  query.whole.resize(dim);
  query.high.resize(dim);
  query.low.resize(dim);
  code_kernels().split(v, dim, inverse_of(most, range), query.whole.data(), query.high.data(),
                       query.low.data());
  query.whole_sum = 0;
  for (uint32_t i = 0; i < dim; ++i)
    query.whole_sum += query.whole[i];
}

}  // namespace ferres
