// See operators.h.
#include "filter/operators.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "filter/fold.h"

namespace ferres {
namespace {

// ---- what an operator takes

const char* take_any(Condition&) {
  return nullptr;
}

const char* take_list(Condition& condition) {
  return condition.operand.type == JsonType::kArray ? nullptr : "must be an array";
}

const char* take_text(Condition& condition) {
  return condition.operand.type == JsonType::kString ? nullptr : "must be a string";
}

const char* take_folded_text(Condition& condition) {
  if (const char* const wrong = take_text(condition)) return wrong;
  std::string folded;
  fold_case(condition.operand.text, folded);
  condition.operand.text = std::move(folded);
  return nullptr;
}

const char* take_flag(Condition& condition) {
  if (condition.operand.type != JsonType::kBool) return "must be a boolean";
  if (!condition.operand.boolean) condition.negated = !condition.negated;
  return nullptr;
}

template <Bound kBound>
const char* take_bound(Condition& condition) {
  condition.bound = kBound;
  if (condition.operand.type == JsonType::kNumber) return nullptr;
  if (condition.operand.type != JsonType::kString) return "must be a number";
  const auto instant = parse_instant(condition.operand.text);
  if (!instant) return "must be a number or an RFC 3339 time";
  condition.prepared = *instant;
  return nullptr;
}

std::optional<double> number_of(const Operand* operand) {
  if (operand == nullptr || operand->type != JsonType::kNumber) return std::nullopt;
  return operand->number.to_double();
}

std::optional<GeoPoint> place_of(const Operand* operand) {
  if (operand == nullptr) return std::nullopt;
  const auto lat = number_of(operand->member("lat"));
  const auto lon = number_of(operand->member("lon"));
  if (!lat || !lon || !is_on_earth({*lat, *lon})) return std::nullopt;
  return GeoPoint{*lat, *lon};
}

const char* take_circle(Condition& condition) {
  const auto center = place_of(&condition.operand);
  const auto meters = number_of(condition.operand.member("meters"));
  if (!center || !meters || *meters < 0) {
    return "must be an object with lat (-90 to 90), lon (-180 to 180) and meters (0 or more)";
  }
  condition.prepared = GeoCircle{*center, *meters};
  return nullptr;
}

const char* take_box(Condition& condition) {
  const auto top_left = place_of(condition.operand.member("top_left"));
  const auto bottom_right = place_of(condition.operand.member("bottom_right"));
  if (!top_left || !bottom_right || top_left->lat < bottom_right->lat) {
    return "must be an object with top_left and bottom_right, each with lat (-90 to 90) and lon "
           "(-180 to 180), the top not below the bottom";
  }
  condition.prepared = GeoBox{*top_left, *bottom_right};
  return nullptr;
}

const char* refuse_match(Condition&) {
  return "needs full text, which this collection does not have";
}

// ---- how it tests one value

bool test_present(const Condition&, const JsonView&) {
  return true;
}

bool test_not_null(const Condition&, const JsonView& value) {
  return value.type() != JsonType::kNull;
}

bool test_equal(const Condition& condition, const JsonView& value) {
  return equals(condition.operand, value);
}

bool equals_one_of(const std::vector<Operand>& list, const JsonView& value) {
  return std::any_of(list.begin(), list.end(),
                     [&](const Operand& operand) { return equals(operand, value); });
}

bool test_in(const Condition& condition, const JsonView& value) {
  return equals_one_of(condition.operand.elements, value);
}

/// Which side of the operand the value lies on; nothing when the two cannot be ordered.
std::optional<int> side(const Condition& condition, const JsonView& value) {
  if (condition.operand.type == JsonType::kNumber) {
    if (value.type() != JsonType::kNumber) return std::nullopt;
    return compare(value.number(), condition.operand.number);
  }
  if (value.type() != JsonType::kString) return std::nullopt;
  std::string scratch;
  const auto instant = parse_instant(value.string(scratch));
  if (!instant) return std::nullopt;
  const Instant& bound = *std::get_if<Instant>(&condition.prepared);
  return *instant < bound ? -1 : (*instant == bound ? 0 : 1);
}

bool test_greater(const Condition& condition, const JsonView& value) {
  return side(condition, value).value_or(-1) > 0;
}
bool test_greater_equal(const Condition& condition, const JsonView& value) {
  return side(condition, value).value_or(-1) >= 0;
}
bool test_less(const Condition& condition, const JsonView& value) {
  return side(condition, value).value_or(1) < 0;
}
bool test_less_equal(const Condition& condition, const JsonView& value) {
  return side(condition, value).value_or(1) <= 0;
}

bool has_element(const JsonView& array, const Operand& wanted) {
  return array.any_element([&](const JsonView& element) { return equals(wanted, element); });
}

bool test_contains(const Condition& condition, const JsonView& value) {
  return has_element(value, condition.operand);
}

bool test_all(const Condition& condition, const JsonView& value) {
  const auto& list = condition.operand.elements;
  return value.type() == JsonType::kArray &&
         std::all_of(list.begin(), list.end(),
                     [&](const Operand& wanted) { return has_element(value, wanted); });
}

bool test_any(const Condition& condition, const JsonView& value) {
  return value.any_element(
      [&](const JsonView& element) { return equals_one_of(condition.operand.elements, element); });
}

bool test_prefix(const Condition& condition, const JsonView& value) {
  std::string scratch;
  return value.type() == JsonType::kString &&
         value.string(scratch).starts_with(condition.operand.text);
}

bool test_contains_text(const Condition& condition, const JsonView& value) {
  std::string scratch;
  return value.type() == JsonType::kString &&
         value.string(scratch).find(condition.operand.text) != std::string_view::npos;
}

bool test_icontains_text(const Condition& condition, const JsonView& value) {
  if (value.type() != JsonType::kString) return false;
  std::string scratch;
  std::string folded;
  fold_case(value.string(scratch), folded);
  return folded.find(condition.operand.text) != std::string::npos;
}

bool test_circle(const Condition& condition, const JsonView& value) {
  const auto place = read_place(value);
  const GeoCircle& circle = *std::get_if<GeoCircle>(&condition.prepared);
  return place && distance_meters(*place, circle.center) <= circle.meters;
}

bool test_box(const Condition& condition, const JsonView& value) {
  const auto place = read_place(value);
  return place && contains(*std::get_if<GeoBox>(&condition.prepared), *place);
}

// ---- what it asks of an index

using Shape = FilterIndex::Shape;

Matches probe_present(const Condition&, uint32_t field, const FilterIndex& index) {
  return Matches::exactly(index.shaped(field, Shape::kPresent));
}

/// Any document that has the field: the values that this operator looks at are not indexed.
Matches probe_nothing(const Condition&, uint32_t field, const FilterIndex& index) {
  return Matches::perhaps(index.shaped(field, Shape::kPresent));
}

Matches probe_not_null(const Condition&, uint32_t field, const FilterIndex& index) {
  SlotSet slots = index.shaped(field, Shape::kPresent);
  slots -= index.shaped(field, Shape::kOnlyNull);
  return Matches::exactly(std::move(slots));
}

Matches probe_value(const Operand& operand, uint32_t field, const FilterIndex& index) {
  switch (operand.type) {
    case JsonType::kArray:  // the value itself, or an element of it
      return Matches::perhaps(index.shaped(field, Shape::kArray));
    case JsonType::kObject:
      return Matches::perhaps(index.shaped(field, Shape::kPresent));
    default:
      return index.equal(field, operand);
  }
}

Matches probe_equal(const Condition& condition, uint32_t field, const FilterIndex& index) {
  return probe_value(condition.operand, field, index);
}

Matches probe_in(const Condition& condition, uint32_t field, const FilterIndex& index) {
  Matches any;
  for (const Operand& operand : condition.operand.elements)
    any |= probe_value(operand, field, index);
  return any;
}

int order(const JsonNumber& a, const JsonNumber& b) {
  return compare(a, b);
}
int order(const Instant& a, const Instant& b) {
  return a < b ? -1 : (a == b ? 0 : 1);
}

template <class Value>
void tighten(Bound bound, const Value& value, Bounds<Value>& bounds) {
  const bool included = bound == Bound::kGreaterEqual || bound == Bound::kLessEqual;
  const bool below = bound == Bound::kGreater || bound == Bound::kGreaterEqual;
  auto& end = below ? bounds.from : bounds.to;
  if (!end) {
    end = {value, included};
    return;
  }
  const int side = order(value, end->value) * (below ? 1 : -1);
  if (side > 0) end = {value, included};
  if (side == 0) end->included = end->included && included;
}

Matches probe_bound(const Condition& condition, uint32_t field, const FilterIndex& index) {
  if (const Instant* const instant = std::get_if<Instant>(&condition.prepared)) {
    Bounds<Instant> bounds;
    tighten(condition.bound, *instant, bounds);
    return index.instants(field, bounds);
  }
  Bounds<JsonNumber> bounds;
  tighten(condition.bound, condition.operand.number, bounds);
  return index.numbers(field, bounds);
}

/// Of the documents that hold a value, those that hold it in an array. Which of several values is
/// the array, only the document knows.
Matches within_arrays(Matches matches, uint32_t field, const FilterIndex& index) {
  matches &= Matches::exactly(index.shaped(field, Shape::kArray));
  matches.doubt(index.shaped(field, Shape::kSeveral));
  return matches;
}

Matches probe_contains(const Condition& condition, uint32_t field, const FilterIndex& index) {
  return within_arrays(probe_value(condition.operand, field, index), field, index);
}

Matches probe_any(const Condition& condition, uint32_t field, const FilterIndex& index) {
  return within_arrays(probe_in(condition, field, index), field, index);
}

Matches probe_all(const Condition& condition, uint32_t field, const FilterIndex& index) {
  Matches all = Matches::exactly(index.shaped(field, Shape::kArray));
  for (const Operand& operand : condition.operand.elements)
    all &= probe_value(operand, field, index);
  return within_arrays(std::move(all), field, index);
}

Matches probe_circle(const Condition& condition, uint32_t field, const FilterIndex& index) {
  const GeoCircle& circle = *std::get_if<GeoCircle>(&condition.prepared);
  return index.in_circle(field, circle.center, circle.meters);
}

Matches probe_box(const Condition& condition, uint32_t field, const FilterIndex& index) {
  return index.in_box(field, *std::get_if<GeoBox>(&condition.prepared));
}

// name, prepare, test, probe, tests_elements, negated
constexpr std::array<Operator, 19> kOperators{{
    {"$eq", take_any, test_equal, probe_equal, true, false},
    {"$ne", take_any, test_equal, probe_equal, true, true},
    {"$in", take_list, test_in, probe_in, true, false},
    {"$nin", take_list, test_in, probe_in, true, true},
    {"$gt", take_bound<Bound::kGreater>, test_greater, probe_bound, true, false},
    {"$gte", take_bound<Bound::kGreaterEqual>, test_greater_equal, probe_bound, true, false},
    {"$lt", take_bound<Bound::kLess>, test_less, probe_bound, true, false},
    {"$lte", take_bound<Bound::kLessEqual>, test_less_equal, probe_bound, true, false},
    {"$exists", take_flag, test_present, probe_present, false, false},
    {"$is_null", take_flag, test_not_null, probe_not_null, false, true},
    {"$contains", take_any, test_contains, probe_contains, false, false},
    {"$all", take_list, test_all, probe_all, false, false},
    {"$any", take_list, test_any, probe_any, false, false},
    {"$prefix", take_text, test_prefix, probe_nothing, true, false},
    {"$contains_text", take_text, test_contains_text, probe_nothing, true, false},
    {"$icontains_text", take_folded_text, test_icontains_text, probe_nothing, true, false},
    {"$geo_radius", take_circle, test_circle, probe_circle, true, false},
    {"$geo_box", take_box, test_box, probe_box, true, false},
    {"$match", refuse_match, test_present, probe_nothing, false, false},
}};

// ---- what a field's name leads to

enum class Outcome : uint8_t { kAbsent, kFailed, kPassed };

Outcome test_value(const Condition& condition, const JsonView& value) {
  const auto test = [&](const JsonView& candidate) {
    return condition.op->test(condition, candidate);
  };
  const bool passed = test(value) || (condition.op->tests_elements && value.any_element(test));
  return passed ? Outcome::kPassed : Outcome::kFailed;
}

Outcome test_object(const Condition& condition, std::string_view field, const JsonView& object);

/// As deep as the field has parts: a filter's limit, not the document's shape, bounds the stack.
Outcome test_inside(const Condition& condition, std::string_view field, const JsonView& value) {
  if (value.type() == JsonType::kObject) return test_object(condition, field, value);
  auto best = Outcome::kAbsent;
  value.any_element([&](const JsonView& element) {
    if (element.type() == JsonType::kObject) {
      best = std::max(best, test_object(condition, field, element));
    }
    return best == Outcome::kPassed;
  });
  return best;
}

Outcome test_object(const Condition& condition, std::string_view field, const JsonView& object) {
  const JsonView whole = object.member(field);
  if (!whole.missing()) return test_value(condition, whole);
  for (size_t dot = field.rfind('.'); dot != std::string_view::npos;
       dot = dot == 0 ? std::string_view::npos : field.rfind('.', dot - 1)) {
    const JsonView part = object.member(field.substr(0, dot));
    if (part.missing()) continue;
    const Outcome outcome = test_inside(condition, field.substr(dot + 1), part);
    if (outcome != Outcome::kAbsent) return outcome;
  }
  return Outcome::kAbsent;
}

}  // namespace

const Operator* find_operator(std::string_view name) {
  const auto* const row = std::find_if(kOperators.begin(), kOperators.end(),
                                       [&](const Operator& op) { return op.name == name; });
  return row == kOperators.end() ? nullptr : &*row;
}

const Operator& equality_operator() {
  return kOperators.front();
}

std::optional<GeoPoint> read_place(const JsonView& value) {
  const JsonView lat = value.member("lat");
  const JsonView lon = value.member("lon");
  if (lat.type() != JsonType::kNumber || lon.type() != JsonType::kNumber) return std::nullopt;
  const GeoPoint place{lat.number().to_double(), lon.number().to_double()};
  return is_on_earth(place) ? std::optional(place) : std::nullopt;
}

Matches probe(const Condition& condition, std::string_view field, const FilterIndex& index) {
  Matches matches;
  uint32_t id = 0;
  switch (index.find_field(field, &id)) {
    case FilterIndex::Knows::kNothing:
      return Matches::perhaps(index.all());
    case FilterIndex::Knows::kField:
      matches = condition.op->probe(condition, id, index);
      break;
    case FilterIndex::Knows::kAbsent:
      break;
  }
  if (condition.negated) matches.complement(index.all());
  return matches;
}

std::optional<Matches> probe_range(std::span<const Condition* const> conditions,
                                   std::string_view field, const FilterIndex& index) {
  uint32_t id = 0;
  if (index.find_field(field, &id) != FilterIndex::Knows::kField) return std::nullopt;
  if (!index.shaped(id, Shape::kArray).empty() || !index.shaped(id, Shape::kSeveral).empty()) {
    return std::nullopt;
  }
  Bounds<JsonNumber> numbers;
  Bounds<Instant> instants;
  for (const Condition* const condition : conditions) {
    if (const Instant* const instant = std::get_if<Instant>(&condition->prepared)) {
      tighten(condition->bound, *instant, instants);
    } else {
      tighten(condition->bound, condition->operand.number, numbers);
    }
  }
  const bool numeric = numbers.from || numbers.to;
  if (numeric == (instants.from || instants.to)) return std::nullopt;
  return numeric ? index.numbers(id, numbers) : index.instants(id, instants);
}

std::vector<JsonView> values_of(std::string_view field, const JsonView& document) {
  // A condition that nothing meets, and that remembers what it was asked of.
  struct Witness : Condition {
    mutable std::vector<JsonView> seen;
  };
  static constexpr auto kRemember = [](const Condition& condition, const JsonView& value) {
    static_cast<const Witness&>(condition).seen.push_back(value);
    return false;
  };
  static constexpr Operator kWitness{"", take_any, kRemember, probe_nothing, false, false};
  Witness witness;
  witness.op = &kWitness;
  test_object(witness, field, document);
  return std::move(witness.seen);
}

bool holds(const Condition& condition, std::string_view field, const JsonView& document) {
  return (test_object(condition, field, document) == Outcome::kPassed) != condition.negated;
}

}  // namespace ferres
