// A filter: a parsed tree of conditions on a point's metadata (contract: API.md 4.5 and 16.2).
// Parsed once a request, then asked of the payload indexes (probe), and of the stored JSON text of
// points where those are not sure (matches). Immutable after parsing; both are thread-safe.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "filter/probe.h"

namespace ferres {

struct FilterLimits {
  uint32_t depth_max = 32;
  uint32_t nodes_max = 1024;  // conditions and list elements
  uint64_t bytes_max = 1 << 20;
};

/// One condition of a filter, as it was evaluated on a document.
struct ConditionReport {
  std::string field;
  std::string_view op;        // "$eq", ...
  std::string expected_json;  // $icontains_text compares in lower case, and that is what it says
  /// The field's value; a list of them when the path leads through an array to several; "null" when
  /// the document lacks it.
  std::string actual_json;
  bool passed = false;
};

struct FilterReport {
  std::vector<ConditionReport> conditions;  // every one, also under $and, $or and $not
  bool passed = false;                      // of the filter as a whole
};

class Predicate {
 public:
  struct Node;

  /// From the JSON text of a filter; "null" and "{}" match everything. kInvalidArgument with the
  /// contract's messages ("filter.F: unknown operator '$x'", ...).
  static Result<Predicate> parse(std::string_view json, const FilterLimits& limits = {});

  Predicate(Predicate&&) noexcept;
  Predicate& operator=(Predicate&&) noexcept;
  ~Predicate();

  /// Matches everything: no condition.
  bool empty() const;
  /// The value of a top-level "$namespace" equality, taken out of the tree.
  const std::optional<std::string>& namespace_name() const { return namespace_; }
  /// How many there are; without "$namespace".
  uint32_t conditions() const;
  /// As parsed.
  const std::string& text() const { return text_; }
  /// metadata_json is a valid JSON document (what the collection stores).
  bool matches(std::string_view metadata_json) const;
  /// The same with all its conditions, for people.
  FilterReport explain(std::string_view metadata_json) const;
  /// The slots of the documents that match, asked of an index.
  Matches probe(const FilterIndex& index) const;

 private:
  Predicate();
  std::unique_ptr<Node> root_;
  std::optional<std::string> namespace_;
  std::string text_;
};

}  // namespace ferres
