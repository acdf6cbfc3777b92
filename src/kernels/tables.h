// The tables of kernels that this build has, one for each distance_<isa>.cc. For kernels/table.cc,
// which alone knows what the CPU can run: calling a function of a table that the CPU lacks is an
// illegal instruction.
#pragma once
#include "kernels/codes.h"
#include "kernels/distance.h"
#include "kernels/polar.h"

namespace ferres {

extern const DistanceKernels kScalarKernels;
extern const CodeKernels kScalarCodeKernels;
#if defined(__x86_64__)
extern const DistanceKernels kAvx2Kernels;  // AVX2 and FMA
extern const CodeKernels kAvx2CodeKernels;
extern const CodeKernels kAvx512CodeKernels;
extern const DistanceKernels kAvx512Kernels;  // AVX-512F, and what Avx2 needs
#endif

float polar_dot_scalar(const PolarTables& tables, const float* query, const uint8_t* angles,
                       size_t dim);
#if defined(__x86_64__)
float polar_dot_avx2(const PolarTables& tables, const float* query, const uint8_t* angles,
                     size_t dim);
float polar_dot_avx512(const PolarTables& tables, const float* query, const uint8_t* angles,
                       size_t dim);
#endif

}  // namespace ferres
