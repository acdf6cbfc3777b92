// Nanoseconds a distance for each instruction set: rows that stay in the caches (arithmetic) and
// rows at random places in 1 GiB (memory), the latter also with the start of the next rows
// prefetched.
//   kernels_bench [--quick]
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/random.h"
#include "kernels/distance.h"
#include "measure.h"

namespace ferres::bench {
namespace {

constexpr size_t kBatch = 8;  // as VectorStore calls the kernels
constexpr size_t kHeadFloats = 32;
constexpr size_t kHotBytes = 256 << 10;
constexpr size_t kColdBytes = size_t{1} << 30;
constexpr size_t kLineFloats = 16;

struct Rows {
  std::vector<const float*> order;  // what to visit
  size_t dim = 0;
};

using Many = void (*)(const float*, const float* const*, size_t, size_t, float*);

/// Best of five runs over the whole order, in nanoseconds a row.
double nanos_per_row(Many many, const float* query, const Rows& rows, bool prefetch) {
  float out[kBatch];
  double best = 1e9;
  volatile float sink = 0;
  for (int run = 0; run < 5; ++run) {
    const double start = thread_cpu_seconds();
    for (size_t i = 0; i + 2 * kBatch <= rows.order.size(); i += kBatch) {
      if (prefetch) {
        for (size_t j = 0; j < kBatch; ++j) {
          const float* const row = rows.order[i + kBatch + j];
          for (size_t f = 0; f < kHeadFloats; f += kLineFloats)
            __builtin_prefetch(row + f);
        }
      }
      many(query, rows.order.data() + i, kBatch, rows.dim, out);
      sink = out[0];
    }
    const auto count = static_cast<double>(rows.order.size() - kBatch);
    best = std::min(best, (thread_cpu_seconds() - start) * 1e9 / count);
  }
  static_cast<void>(sink);
  return best;
}

Rows shuffled(const std::vector<float>& memory, size_t bytes, size_t dim, size_t visits) {
  const size_t stride = (dim + kLineFloats - 1) / kLineFloats * kLineFloats;
  const size_t count = bytes / sizeof(float) / stride;
  Random random(42);
  Rows rows{{}, dim};
  for (size_t i = 0; i < visits; ++i) {
    rows.order.push_back(memory.data() + random.below(count) * stride);
  }
  return rows;
}

void run(size_t cold_bytes) {
  std::vector<float> memory(cold_bytes / sizeof(float));
  Random random(7);
  for (float& value : memory)
    value = static_cast<float>(random.below(2001)) * 1e-3f - 1.0f;
  const std::vector<float> query(memory.begin(), memory.begin() + 4096);
  fmt::print("{:<8} {:<12} {:>5} {:>10} {:>10} {:>12}\n", "isa", "kernel", "dim", "hot ns",
             "cold ns", "prefetched");
  for (const size_t dim : {100, 384, 768}) {
    const Rows hot = shuffled(memory, kHotBytes, dim, 1 << 16);
    const Rows cold = shuffled(memory, cold_bytes, dim, 1 << 16);
    for (const DistanceKernels* table : available_kernels()) {
      for (const auto& [name, many] : {std::pair<const char*, Many>{"dot", table->dot_many},
                                       {"l2_squared", table->l2_squared_many}}) {
        fmt::print("{:<8} {:<12} {:>5} {:>10.1f} {:>10.1f} {:>12.1f}\n", table->isa, name, dim,
                   nanos_per_row(many, query.data(), hot, false),
                   nanos_per_row(many, query.data(), cold, false),
                   nanos_per_row(many, query.data(), cold, true));
      }
    }
  }
}

}  // namespace
}  // namespace ferres::bench

int main(int argc, char** argv) {
  const bool quick = argc > 1 && std::string_view(argv[1]) == "--quick";
  ferres::bench::pin_thread(0);
  ferres::bench::run(quick ? size_t{64} << 20 : ferres::bench::kColdBytes);
  return 0;
}
