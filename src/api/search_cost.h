// What a search is expected to cost (API.md 10.4): the contract's formula, whose constants are of
// another machine, times what searches of the same kind on the same collection have taken of it
// here (QueryStats). Pure functions; any thread.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/operations.h"
#include "api/query_stats.h"
#include "collection/collection.h"
#include "json/writer.h"

namespace ferres {

/// What the formula goes by.
struct SearchShape {
  SearchScope scope;
  uint32_t dimension = 0;
  uint32_t limit = 0;
  uint32_t ef_search = 0;   // 0: the collection's
  uint32_t conditions = 0;  // of the filter; a namespace is one
  bool exact = false;
};

SearchShape shape_of(const Collection& collection, const SearchRequest& request);
/// The same as a caller may be told of it: of the points that it may see.
Result<SearchShape> visible_shape(const Call& call, Collection& collection,
                                  const SearchRequest& request);
SearchKind kind_of(const SearchShape& shape);
/// The formula's sum alone: what QueryStats compares with the time that the search took.
double formula_ms(const SearchShape& shape);

struct SearchEstimate {
  double estimated_ms = 0;  // the sum of the next four
  double index_scan_ms = 0;
  double filter_ms = 0;
  double hydration_ms = 0;
  double network_ms = 0;
  double low_ms = 0;
  double high_ms = 0;
  uint64_t memory_bytes = 0;
  uint64_t nodes_visited = 0;
  bool is_expensive = false;
  std::vector<std::string> recommendations;
};

/// `ratio`: of measured time to the formula's. Latencies that the collection had count for a part.
SearchEstimate estimate_search(const SearchShape& shape, double ratio,
                               const LatencySummary& latency);
/// Its fields, into an object that is begun.
void write_estimate(JsonWriter& json, const SearchEstimate& estimate);

}  // namespace ferres
