// The processes that `ferresdb-bench churn` measures: one that turns a collection over, one that
// builds the same points anew. Each lives in a child, so that its memory is its own; what it
// measured goes to the parent, which looks at the files meanwhile.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "base/status.h"
#include "churn.h"
#include "collection/config.h"
#include "npy.h"

namespace ferres::bench {

enum class Pattern : uint8_t { kRandom, kClustered, kSliding };

/// Plain values: it passes a pipe as it is.
struct ChurnSample {
  double wall_s = 0;  // of the turnover, until all points are linked
  double cpu_s = 0;
  double recall = 0;
  double waited_s = 0;  // the last sample: until memory and files were near the fresh build's
  uint64_t points = 0;
  uint64_t resident_bytes = 0;  // beyond what the process had before the database
  uint64_t stats_bytes = 0;     // what the collection knows of: vectors, links, records
  uint64_t file_bytes = 0;      // of the folder, without logs
  uint64_t dead_points = 0;     // deleted, not reclaimed yet
  uint64_t unreachable = 0;     // filled in by the parent
};

struct ChurnWork {
  const ChurnOptions& options;
  const Matrix<float>& base;
  const Matrix<float>& queries;
  const CollectionConfig& config;
  std::string dir;
};

/// Hands over a sample; nothing is written to the folder until it returns.
using ReportChurn = std::function<Status(const ChurnSample&)>;

/// A sample a turnover, and one after the wait at the end.
Status churn_in_child(const ChurnWork& work, Pattern pattern, const ChurnSample& fresh,
                      const ReportChurn& report);
/// One sample.
Status build_fresh_in_child(const ChurnWork& work, Pattern pattern, const ReportChurn& report);

}  // namespace ferres::bench
