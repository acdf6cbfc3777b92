// The table of instruction sets and the choice among them. A new ISA is a distance_<isa>.cc and a
// row here. The choice is one atomic pointer: made by main before any thread starts, or at first
// use by FERRES_ISA for programs that have no such main (tests, benchmarks).
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "kernels/codes.h"
#include "kernels/distance.h"
#include "kernels/tables.h"

namespace ferres {
namespace {

struct Row {
  const DistanceKernels* table;
  bool (*runs_here)();
};

// Slowest first: the last that runs is the default.
constexpr std::array kRows = {
    Row{&kScalarKernels, [] { return true; }},
#if defined(__x86_64__)
    Row{&kAvx2Kernels,
        [] { return __builtin_cpu_supports("avx2") > 0 && __builtin_cpu_supports("fma") > 0; }},
    Row{&kAvx512Kernels,
        [] {
          return __builtin_cpu_supports("avx512f") > 0 && __builtin_cpu_supports("avx512bw") > 0 &&
                 __builtin_cpu_supports("avx512vl") > 0 && __builtin_cpu_supports("avx512dq") > 0 &&
                 __builtin_cpu_supports("avx512vnni") > 0 && __builtin_cpu_supports("avx2") > 0 &&
                 __builtin_cpu_supports("fma") > 0;
        }},
#endif
};

struct Available {
  std::array<const DistanceKernels*, kRows.size()> tables{};
  size_t count = 0;
};

const Available& available() {
  static const Available found = [] {
    Available result;
    for (const Row& row : kRows) {
      if (row.runs_here()) result.tables[result.count++] = row.table;
    }
    return result;
  }();
  return found;
}

std::atomic<const DistanceKernels*> in_force{nullptr};

}  // namespace

std::span<const DistanceKernels* const> available_kernels() {
  return {available().tables.data(), available().count};
}

Status select_kernels(std::string_view isa) {
  const auto tables = available_kernels();
  const DistanceKernels* chosen = isa == "auto" ? tables.back() : nullptr;
  std::string names = "auto";
  for (const DistanceKernels* table : tables) {
    if (table->isa == isa) chosen = table;
    names.append(", ").append(table->isa);
  }
  if (chosen == nullptr) {
    return {Code::kInvalidArgument, "FERRES_ISA: '" + std::string(isa) +
                                        "' is unknown or not supported by this CPU; it can be " +
                                        names};
  }
  in_force.store(chosen, std::memory_order_release);
  return {};
}

const DistanceKernels& kernels() {
  const DistanceKernels* table = in_force.load(std::memory_order_acquire);
  if (table == nullptr) {
    // Nothing in FerresDB changes the environment after start, so reading it is safe here.
    const char* const isa = std::getenv("FERRES_ISA");  // NOLINT(concurrency-mt-unsafe)
    CHECK(select_kernels(isa == nullptr || *isa == '\0' ? "auto" : isa).ok());
    table = in_force.load(std::memory_order_acquire);
  }
  return *table;
}

const CodeKernels& code_kernels() {
  return *kernels().codes;
}

}  // namespace ferres
