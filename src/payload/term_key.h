// Keys of the payload index: what a value of a field is in the order of the term tree. 16 bits of
// the field, 3 bits of the type, 109 bits that order the values of that type:
//   text       a hash of that many bits: equal hashes are taken for equal strings
//   number     the double below it or equal to it, then what is missing to an integer of 64 bits:
//              exact and in order across both kinds
//   instant    seconds, nanoseconds
//   place      latitude and longitude by 32 bits each, interleaved: near places have near keys
// Keys are stored: their form may not change without a new version of the index (payload_index.h).
// Pure functions.
#pragma once
#include <cstdint>
#include <string_view>

#include "filter/geo.h"
#include "filter/instant.h"
#include "filter/json_view.h"
#include "payload/term_tree.h"

namespace ferres {

enum class TermType : uint8_t {
  kMark,  // what is known of a document's field beside its values (Mark)
  kText,
  kNumber,
  kInstant,  // of strings that are RFC 3339 times, beside their kText
  kPlace,
  kField,      // of the system field: a path's hash -> the field's number
  kNamespace,  // of the system field: a namespace's hash
};
inline constexpr uint32_t kTermTypes = 7;

enum class Mark : uint8_t {
  // of a field: FilterIndex::Shape, then the values that need no more than a bit
  kPresent,
  kOnlyNull,
  kArray,
  kSeveral,
  kNull,
  kFalse,
  kTrue,
  // of the system field
  kAll,        // every slot that was added
  kIrregular,  // documents that the index cannot describe: always asked themselves
};

/// The field of what belongs to no field.
inline constexpr uint32_t kSystemField = 0;

/// The 109 bits are major (64), then the low 45 of minor.
TermKey term_key(uint32_t field, TermType type, uint64_t major, uint64_t minor);
TermType type_of(const TermKey& key);
uint32_t field_of(const TermKey& key);
/// The key's neighbours in the order.
TermKey next(const TermKey& key);
TermKey previous(const TermKey& key);

TermKey mark_key(uint32_t field, Mark mark);
TermKey text_key(uint32_t field, TermType type, std::string_view text, uint64_t seed);
TermKey number_key(uint32_t field, const JsonNumber& number);
TermKey instant_key(uint32_t field, const Instant& instant);
TermKey place_key(uint32_t field, const GeoPoint& place);
/// The place, up to 5 mm: the middle of what shares the key.
GeoPoint place_of(const TermKey& key);
/// First and last key of a type's values.
TermKey first_key(uint32_t field, TermType type);
TermKey last_key(uint32_t field, TermType type);

/// A cell of the Earth: the places whose keys begin with the same 2 * level bits.
struct GeoCell {
  uint64_t code = 0;  // those bits, at the top
  uint32_t level = 0;

  GeoCell child(uint32_t quarter) const;
  GeoPoint low() const;   // south-west corner
  GeoPoint high() const;  // north-east corner
  TermKey first(uint32_t field) const;
  TermKey last(uint32_t field) const;
};

}  // namespace ferres
