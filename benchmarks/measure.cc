// Implements measure.h on Linux' clocks and /proc.
#include "measure.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "base/clock.h"

namespace ferres::bench {

double wall_seconds() {
  return static_cast<double>(system_clock().monotonic_nanos()) * 1e-9;
}
double process_cpu_seconds() {
  return static_cast<double>(process_cpu_nanos()) * 1e-9;
}
double thread_cpu_seconds() {
  return static_cast<double>(thread_cpu_nanos()) * 1e-9;
}

double cpu_seconds_of(pid_t pid) {
  return pid == 0 ? 0 : static_cast<double>(process_cpu_nanos(pid)) * 1e-9;
}

uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  file >> total >> resident;
  return file ? resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

void pin_thread(size_t index) {
  // Taken once: what the first pinned thread may use afterwards is one CPU.
  static const cpu_set_t allowed = [] {
    cpu_set_t set;
    sched_getaffinity(getpid(), sizeof(set), &set);
    return set;
  }();
  std::vector<size_t> cpus;
  for (size_t cpu = CPU_SETSIZE; cpu-- > 0;) {
    if (CPU_ISSET(cpu, &allowed)) cpus.push_back(cpu);
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpus[index % cpus.size()], &one);
  pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
}

double percentile(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(values.size())));
  return values[std::clamp<size_t>(rank, 1, values.size()) - 1];
}

double recall(std::span<const int32_t> found, std::span<const int32_t> truth, size_t width,
              size_t k) {
  const size_t rows = found.size() / k;
  size_t hits = 0;
  for (size_t row = 0; row < rows; ++row) {
    const auto want = truth.subspan(row * width, k);
    for (const int32_t id : found.subspan(row * k, k)) {
      hits += std::find(want.begin(), want.end(), id) != want.end() ? 1 : 0;
    }
  }
  return static_cast<double>(hits) / static_cast<double>(rows * k);
}

void JsonObject::raw(const char* key, const std::string& json) {
  if (!members_.empty()) members_ += ", ";
  members_ += fmt::format("\"{}\": {}", key, json);
}
void JsonObject::number(const char* key, double value) {
  raw(key, fmt::format("{:.6g}", value));
}
void JsonObject::integer(const char* key, uint64_t value) {
  raw(key, fmt::format("{}", value));
}
void JsonObject::text(const char* key, const std::string& value) {
  raw(key, "\"" + value + "\"");
}
void JsonObject::boolean(const char* key, bool value) {
  raw(key, value ? "true" : "false");
}

std::string curve_json(const std::vector<CurvePoint>& curve) {
  std::string text;
  for (const CurvePoint& point : curve) {
    JsonObject object;
    object.integer("ef", point.ef);
    object.number("recall", point.recall);
    object.number("qps", point.qps);
    object.number("qps_cpu", point.qps_cpu);
    object.number("p50_us", point.p50_us);
    object.number("p99_us", point.p99_us);
    text += (text.empty() ? "\n  " : ",\n  ") + object.str();
  }
  return "[" + text + "]";
}

bool write_json(const std::string& path, const std::string& json) {
  std::ofstream file(path, std::ios::trunc);
  file << json << '\n';
  file.close();
  return file.good();
}

std::vector<uint32_t> parse_list(const std::string& text) {
  std::vector<uint32_t> numbers;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    uint32_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc() || number == 0 || (next < end && *next != ',')) return {};
    numbers.push_back(number);
    at = next + 1;
  }
  return numbers;
}

}  // namespace ferres::bench
