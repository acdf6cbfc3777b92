// What a filter asks of an index instead of reading every document, and what it gets: which slots
// may match, and which of them only the document itself can confirm. The interface lies here, with
// the operators that ask (filter/operators.cc declares one probe an operator); payload/ answers.
//
// A FilterIndex is one query's look at the index, used by one thread under its epoch guard.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/slot_set.h"
#include "filter/geo.h"
#include "filter/instant.h"
#include "filter/operand.h"

namespace ferres {

/// The slots that match a condition, as far as an index can say.
struct Matches {
  SlotSet slots;   // no other slot matches
  SlotSet unsure;  // a subset: to be confirmed on the document; the rest matches for certain

  static Matches exactly(SlotSet slots) { return {std::move(slots), {}}; }
  static Matches perhaps(const SlotSet& slots) { return {slots, slots}; }

  Matches& operator&=(const Matches& other);
  Matches& operator|=(const Matches& other);
  /// The slots of `all` that do not match.
  void complement(const SlotSet& all);
  /// Makes all of `slots` that are matches unsure.
  void doubt(const SlotSet& slots);
};

/// Lower and upper end of a range; absent: open.
template <class Value>
struct Bounds {
  struct End {
    Value value;
    bool included;
  };
  std::optional<End> from;
  std::optional<End> to;
};

class FilterIndex {
 public:
  enum class Knows : uint8_t {
    kField,   // the index holds it
    kAbsent,  // no document has it
    kNothing  // not indexed
  };
  /// What is known of a document's values at a field, beside the values.
  enum class Shape : uint8_t {
    kPresent,   // there is one
    kOnlyNull,  // there is none but null
    kArray,     // one is an array
    kSeveral    // more than one: the field leads through an array of objects
  };

  virtual ~FilterIndex() = default;
  virtual const SlotSet& all() const = 0;
  virtual Knows find_field(std::string_view name, uint32_t* field) const = 0;
  virtual SlotSet shaped(uint32_t field, Shape shape) const = 0;

  // Documents of which one value at the field, or one element of an array there, ...
  /// ... equals the operand, which is neither an array nor an object.
  virtual Matches equal(uint32_t field, const Operand& scalar) const = 0;
  virtual Matches numbers(uint32_t field, const Bounds<JsonNumber>& bounds) const = 0;
  virtual Matches instants(uint32_t field, const Bounds<Instant>& bounds) const = 0;
  virtual Matches in_circle(uint32_t field, const GeoPoint& center, double meters) const = 0;
  virtual Matches in_box(uint32_t field, const GeoBox& box) const = 0;
};

}  // namespace ferres
