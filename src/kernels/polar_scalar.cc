// polar_dot in plain C++: see polar.h. Thread-safe.
#include "kernels/polar.h"
#include "kernels/tables.h"

namespace ferres {
namespace {

/// One level: from `nodes` to `to`, which may be the same.
void rise(const PolarLevel& level, const uint8_t* angles, const float* nodes, size_t count,
          float* to) {
  const size_t above = (count + 1) / 2;
  for (size_t i = 0; i < count / 2; ++i)
    to[i] = level.cosine[angles[i]] * nodes[i] + level.sine[angles[i]] * nodes[i + above];
}

}  // namespace

float polar_dot_scalar(const PolarTables& tables, const float* query, const uint8_t* angles,
                       size_t dim) {
  float nodes[kPolarDimMax / 2];
  nodes[0] = 0;  // for a dim of 1, which has no angle
  rise(tables.first, angles, query, dim, nodes);
  angles += dim / 2;
  for (size_t count = dim / 2; count > 1; count = (count + 1) / 2) {
    rise(tables.upper, angles, nodes, count, nodes);
    angles += count / 2;
  }
  return nodes[0];
}

}  // namespace ferres
