// Distance kernels on f32, one table per instruction set, chosen once at start. FERRES_ISA=scalar,
// avx2 or avx512 forces one (an ISA that the CPU lacks is refused at start, never used). Vectors
// need no alignment; `dim` >= 1 is a count of floats. Results may differ between ISAs by rounding
// only. "avx512" means a CPU that also has BW, VL, DQ and VNNI (Ice Lake, Zen 4 and later).
// Thread-safe: pure functions. The only home of intrinsics.
#pragma once
#include <cstddef>
#include <span>
#include <string_view>

#include "base/status.h"

namespace ferres {

struct CodeKernels;

struct DistanceKernels {
  std::string_view isa;
  float (*dot)(const float* a, const float* b, size_t dim);
  float (*l2_squared)(const float* a, const float* b, size_t dim);
  /// out[i] = dot(query, rows[i]) for count rows; the form that matters: rows are taken abreast so
  /// that cache misses overlap.
  void (*dot_many)(const float* query, const float* const* rows, size_t count, size_t dim,
                   float* out);
  void (*l2_squared_many)(const float* query, const float* const* rows, size_t count, size_t dim,
                          float* out);
  const CodeKernels* codes;  // the same ISA's kernels on codes (codes.h)
};

/// The table in force.
const DistanceKernels& kernels();
/// Tables that this CPU can run, slowest first; tests compare them all.
std::span<const DistanceKernels* const> available_kernels();
/// Chooses by name ("auto", "scalar", "avx2", "avx512"); main calls it once, before any thread
/// starts. kInvalidArgument for an unknown name or an ISA that the CPU lacks.
Status select_kernels(std::string_view isa);

}  // namespace ferres
