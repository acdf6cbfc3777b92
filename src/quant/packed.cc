// See packed.h.
#include "quant/packed.h"

#include <cmath>

namespace ferres {
namespace {

constexpr size_t kSlack = 64;  // that dot_packed may read of a query beyond its end

/// Of `dim` bytes that may be read kSlack further; what stands there does not count.
void resize_plane(AlignedVector<int8_t>& plane, uint32_t dim) {
  plane.resize(dim + kSlack);
  plane.resize(dim);
}

}  // namespace

void pack(const uint8_t* components, uint32_t dim, uint32_t bits, std::byte* code) {
  uint32_t shift = bits;  // of the part's lowest bit within a component
  for (uint32_t width = 8; width > 0; width /= 2) {
    if ((bits & width) == 0) continue;
    shift -= width;
    const size_t bytes = packed_bytes(dim, width);
    const uint32_t mask = (1u << width) - 1;
    for (size_t j = 0; j < bytes; ++j) {
      uint32_t byte = 0;
      for (size_t k = 0; k < 8 / width; ++k)
        byte |= (components[k * bytes + j] >> shift & mask) << (k * width);
      code[j] = static_cast<std::byte>(byte);
    }
    code += bytes;
  }
}

void prepare_packed(const float* v, uint32_t dim, uint32_t bits, CodeQuery& query) {
  resize_plane(query.low, dim);
  resize_plane(query.high, dim);
  if (bits >= kWideQueryBits) {
    split_query(v, dim, kLong, query);
    return;
  }
  const float most = largest(v, dim);
  const float inverse = inverse_of(most, 127);
  query.scale = std::min(most, kLong) / 127;
  query.whole.resize(dim);
  code_kernels().split(v, dim, inverse, query.whole.data(), query.high.data(), query.low.data());
  int32_t sum = 0;
  for (uint32_t i = 0; i < dim; ++i) {
    query.low[i] = static_cast<int8_t>(query.whole[i]);
    sum += query.whole[i];
  }
  query.whole_sum = sum;
}

void prepare_from_packed(const std::byte* code, uint32_t dim, uint32_t bits, CodeQuery& query) {
  resize_plane(query.low, dim);
  query.whole_sum = code_kernels().unpack_centred(reinterpret_cast<const uint8_t*>(code), dim, bits,
                                                  query.low.data());
  query.scale = 0.5f;
}

}  // namespace ferres
