// What every benchmark measures with: wall and CPU time, percentiles, pinned threads, and the JSON
// of the result. For programs in benchmarks/ only. Free functions are thread-safe.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <sys/types.h>

namespace ferres::bench {

double wall_seconds();
/// CPU time of the whole process, and of the calling thread.
double process_cpu_seconds();
double thread_cpu_seconds();
/// CPU time of another process; 0 when pid is 0 or gone.
double cpu_seconds_of(pid_t pid);
/// Memory of this process that is in RAM; 0 when unknown.
uint64_t resident_bytes();

/// Binds the calling thread to one of the CPUs that the process may use: the last for index 0, the
/// one before it for 1, and so on round.
void pin_thread(size_t index);

/// One step of a sweep over ef_search.
struct CurvePoint {
  uint32_t ef = 0;
  double recall = 0;
  double qps = 0;
  double qps_cpu = 0;  // queries per second of CPU time
  double p50_us = 0;
  double p99_us = 0;
};

/// Sorts; share in [0, 1].
double percentile(std::vector<double>& values, double share);

/// Share of the first k ids of each row of `truth` among the first k of `found`; both are flat,
/// with `width` and k ids a row. A missing id is -1.
double recall(std::span<const int32_t> found, std::span<const int32_t> truth, size_t width,
              size_t k);

/// Members of one JSON object, written in the order of the calls.
class JsonObject {
 public:
  void number(const char* key, double value);
  void integer(const char* key, uint64_t value);
  void text(const char* key, const std::string& value);  // value needs no escapes
  void boolean(const char* key, bool value);
  void raw(const char* key, const std::string& json);
  std::string str() const { return "{" + members_ + "}"; }

 private:
  std::string members_;
};

std::string curve_json(const std::vector<CurvePoint>& curve);
/// Writes json and a line end; false when the file cannot be written.
bool write_json(const std::string& path, const std::string& json);

/// "10,20,40" as numbers; empty when it is not such a list.
std::vector<uint32_t> parse_list(const std::string& text);
inline constexpr const char* kEfDefault =
    "10,12,16,20,24,32,40,48,64,80,100,128,160,200,256,384,512,800";
inline constexpr double kRecallEnough = 0.998;  // a sweep ends beyond it
inline constexpr int kPasses = 3;               // of which the best counts

}  // namespace ferres::bench
