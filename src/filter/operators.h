// The operators of a filter: one table, a row each. A row says what operand the operator takes and
// how it tests one value of a document. What all share is done once, in holds(): a condition is met
// when any value of its field passes the test (arrays offer their elements as well as themselves
// where the row says so), and the negative operators are the positive ones turned round. So $ne,
// $nin and "$is_null": true are met by points that lack the field, without a rule of their own.
//
// Conditions are immutable once built; holds() runs on any thread.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "filter/geo.h"
#include "filter/instant.h"
#include "filter/json_view.h"
#include "filter/operand.h"
#include "filter/probe.h"

namespace ferres {

struct GeoCircle {
  GeoPoint center;
  double meters = 0;
};

struct Operator;

/// How a range operator bounds the value; of other operators kNone.
enum class Bound : uint8_t { kNone, kGreater, kGreaterEqual, kLess, kLessEqual };

struct Condition {
  const Operator* op = nullptr;
  Operand operand;
  bool negated = false;
  /// What the row's prepare() made of the operand.
  std::variant<std::monostate, Instant, GeoCircle, GeoBox> prepared;
  Bound bound = Bound::kNone;
};

struct Operator {
  std::string_view name;
  /// Completes a condition whose operand is set. Returns why not ("must be an array"), or null.
  const char* (*prepare)(Condition& condition);
  bool (*test)(const Condition& condition, const JsonView& value);
  /// What an index says of the same test: never fewer documents, and sure only of those that pass.
  Matches (*probe)(const Condition& condition, uint32_t field, const FilterIndex& index);
  bool tests_elements;  // an array passes when one of its elements does
  bool negated;
};

/// Null when there is none of that name.
const Operator* find_operator(std::string_view name);
/// The implicit one of {"field": value}.
const Operator& equality_operator();

/// field: a member's name, or names joined by dots that lead into objects. A member whose own name
/// holds the dots comes first. Arrays on the way stand for the objects in them.
bool holds(const Condition& condition, std::string_view field, const JsonView& document);
/// What a condition on the field is asked of, to explain it: none when the document lacks it.
std::vector<JsonView> values_of(std::string_view field, const JsonView& document);
/// The slots of the documents for which holds(). The index answers for documents whose members have
/// no dots in their names, and no two of one object the same name.
Matches probe(const Condition& condition, std::string_view field, const FilterIndex& index);
/// The same for several conditions of one field that bound its value, as one range. Nothing when
/// that could mean something else: numbers beside times, or a document that holds several values
/// and may meet each condition by another one.
std::optional<Matches> probe_range(std::span<const Condition* const> conditions,
                                   std::string_view field, const FilterIndex& index);
/// The place that an object {"lat": .., "lon": ..} names.
std::optional<GeoPoint> read_place(const JsonView& value);

}  // namespace ferres
