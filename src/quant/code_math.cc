// See code_math.h.
#include "quant/code_math.h"

namespace ferres {

void split_query(const float* v, uint32_t dim, float most, CodeQuery& query) {
  const float own_most = largest(v, dim);
  const auto range = static_cast<float>(split_max(dim));
  query.scale = std::min(own_most, most) / range;
  query.whole.resize(dim);
  query.high.resize(dim);
  query.low.resize(dim);
  code_kernels().split(v, dim, inverse_of(own_most, range), query.whole.data(), query.high.data(),
                       query.low.data());
  query.whole_sum = 0;
  for (uint32_t i = 0; i < dim; ++i)
    query.whole_sum += query.whole[i];
}

void distances_by_decoding(const Quantizer& quantizer, const std::byte* from,
                           const std::byte* const* codes, size_t count, float* out) {
  thread_local CodeQuery query;
  query.values.resize(quantizer.dim());
  quantizer.decode(from, query.values.data());
  quantizer.prepare(query);
  quantizer.distances(query, codes, count, out);
}

}  // namespace ferres
