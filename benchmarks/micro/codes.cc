// Nanoseconds of what quantizers and one-bit lanes do, for each instruction set, at 128, 384 and
// 768 dimensions: a distance from a prepared query (batches of eight codes that stay in the
// caches), a distance between two codes, encoding, preparing a query; and for lanes a scan of 32,
// writing one, and a query's tables. Best of nine runs of thread CPU time.
//   codes_bench [NAME...]      only quantizers whose name starts with one of these
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/aligned.h"
#include "base/random.h"
#include "kernels/distance.h"
#include "measure.h"
#include "quant/lanes.h"
#include "quant/quantizer.h"
#include "quant/rotation.h"

namespace ferres::bench {
namespace {

constexpr size_t kBatch = 8;
constexpr size_t kCodes = 64;
constexpr int kRuns = 9;
constexpr double kRunSeconds = 0.004;

/// Nanoseconds of one call of work(i), i going round.
template <class Work>
double nanos(Work&& work) {
  size_t calls = 16;
  double best = 1e12;
  for (int run = 0; run < kRuns;) {
    const double start = thread_cpu_seconds();
    for (size_t i = 0; i < calls; ++i)
      work(i);
    const double seconds = thread_cpu_seconds() - start;
    if (seconds < kRunSeconds) {
      calls *= 2;
      continue;
    }
    best = std::min(best, seconds * 1e9 / static_cast<double>(calls));
    ++run;
  }
  return best;
}

AlignedVector<float> normals(size_t count, Random& random) {
  AlignedVector<float> v(count);
  for (size_t i = 0; i < count; ++i) {
    double sum = -6;
    for (int k = 0; k < 12; ++k)
      sum += random.unit();
    v[i] = static_cast<float>(sum);
  }
  return v;
}

void bench_quantizer(std::string_view isa, const QuantizerSpec& spec, uint32_t dim) {
  auto made = create_quantizer(spec, CodeMetric::kL2, dim);
  if (!made.ok()) return;
  Quantizer& quantizer = **made;
  Random random(1);
  const AlignedVector<float> rows = normals(size_t{kCodes} * dim, random);
  quantizer.train({rows.data(), rows.size()});
  const size_t stride = (size_t{quantizer.code_bytes()} + 63) / 64 * 64;
  AlignedVector<std::byte> memory(kCodes * stride);
  std::vector<const std::byte*> codes;
  for (size_t i = 0; i < kCodes; ++i) {
    quantizer.encode(rows.data() + i * dim, memory.data() + i * stride);
    codes.push_back(memory.data() + i * stride);
  }
  CodeQuery query;
  query.values = normals(dim, random);
  quantizer.prepare(query);
  float out[kBatch];
  const auto batch_at = [&](size_t i) { return codes.data() + i * kBatch % kCodes; };
  const double distance =
      nanos([&](size_t i) { quantizer.distances(query, batch_at(i), kBatch, out); }) / kBatch;
  const double between =
      nanos([&](size_t i) { quantizer.distances_between(codes[0], batch_at(i), kBatch, out); }) /
      kBatch;
  const double prepare = nanos([&](size_t) { quantizer.prepare(query); });
  AlignedVector<float> back(dim);
  const double decode = nanos([&](size_t i) { quantizer.decode(codes[i % kCodes], back.data()); });
  const double encode = nanos([&](size_t i) {
    quantizer.encode(rows.data() + i % kCodes * dim, memory.data() + i % kCodes * stride);
  });
  fmt::print("{:<8} {:<9} {:>5} {:>6} {:>10.1f} {:>10.1f} {:>10.0f} {:>10.0f} {:>10.0f}\n", isa,
             quantizer.name(), dim, quantizer.code_bytes(), distance, between, encode, decode,
             prepare);
}

void bench_lanes(std::string_view isa, uint32_t dim) {
  Random random(2);
  constexpr size_t kGroups = 16;
  const size_t stride = lane_group_bytes(dim);
  AlignedVector<std::byte> memory(kGroups * stride);
  const AlignedVector<float> rows = normals(kLaneGroup * dim, random);
  const AlignedVector<float> node = normals(dim, random);
  for (size_t g = 0; g < kGroups; ++g) {
    for (uint32_t lane = 0; lane < kLaneGroup; ++lane) {
      encode_lane(CodeMetric::kL2, node.data(), rows.data() + size_t{lane} * dim, dim, lane,
                  memory.data() + g * stride);
    }
  }
  AlignedVector<float> query = normals(dim, random);
  LaneTables tables;
  tables.prepare(query.data(), dim);
  volatile uint32_t sink = 0;
  const double scan = nanos([&](size_t i) {
    float estimates[kLaneGroup];
    sink = code_kernels().filter_lanes(lane_block(memory.data() + i % kGroups * stride),
                                       tables.query(), dim, {1, 2}, estimates);
  });
  static_cast<void>(sink);
  const double encode = nanos([&](size_t i) {
    const auto lane = static_cast<uint32_t>(i % kLaneGroup);
    encode_lane(CodeMetric::kL2, node.data(), rows.data() + size_t{lane} * dim, dim, lane,
                memory.data());
  });
  const double copy = nanos([&](size_t i) {
    copy_lane(memory.data(), static_cast<uint32_t>(i % kLaneGroup), memory.data() + stride, 3, dim);
  });
  const double prepare = nanos([&](size_t) { tables.prepare(query.data(), dim); });
  const Rotation rotation(dim);
  const double rotate = nanos([&](size_t) { rotation.apply(query.data()); });
  fmt::print("{:<8} {:>5} {:>10.1f} {:>10.1f} {:>10.1f} {:>10.0f} {:>10.0f}\n", isa, dim, scan,
             encode, copy, prepare, rotate);
}

bool is_wanted(std::string_view kind, uint32_t bits, const std::vector<std::string>& names) {
  const std::string name = std::string(kind) + (kind == "sq8" ? "" : std::to_string(bits));
  return names.empty() || std::any_of(names.begin(), names.end(), [&](const std::string& start) {
           return name.starts_with(start);
         });
}

void run(const std::vector<std::string>& names) {
  fmt::print("{:<8} {:<9} {:>5} {:>6} {:>10} {:>10} {:>10} {:>10} {:>10}\n", "isa", "quantizer",
             "dim", "bytes", "distance", "between", "encode", "decode", "prepare");
  for (const DistanceKernels* table : available_kernels()) {
    if (!select_kernels(table->isa).ok()) continue;
    for (const QuantizerSpec& spec : known_quantizers()) {
      if (!is_wanted(spec.kind, spec.bits, names)) continue;
      for (const uint32_t dim : {128u, 384u, 768u})
        bench_quantizer(table->isa, spec, dim);
    }
  }
  fmt::print("\n{:<8} {:>5} {:>10} {:>10} {:>10} {:>10} {:>10}\n", "isa", "dim", "32 lanes",
             "encode", "copy", "prepare", "rotate");
  for (const DistanceKernels* table : available_kernels()) {
    if (!select_kernels(table->isa).ok()) continue;
    for (const uint32_t dim : {128u, 384u, 768u})
      bench_lanes(table->isa, dim);
  }
}

}  // namespace
}  // namespace ferres::bench

int main(int argc, char** argv) {
  ferres::bench::pin_thread(0);
  ferres::bench::run(std::vector<std::string>(argv + 1, argv + argc));
  return 0;
}
