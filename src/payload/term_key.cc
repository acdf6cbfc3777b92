// See term_key.h.
#include "payload/term_key.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/hash.h"

namespace ferres {
namespace {

constexpr uint32_t kMinorBits = 45;
constexpr uint64_t kMinorMask = (uint64_t{1} << kMinorBits) - 1;
constexpr uint32_t kMajorLowBits = 64 - kMinorBits;  // bits of major that stand in the low word
constexpr double kTwoTo32 = 4294967296.0;

uint64_t major_of(const TermKey& key) {
  return (key.high & kMinorMask) << kMajorLowBits | key.low >> kMinorBits;
}

uint64_t ordered(double value) {
  const auto bits = std::bit_cast<uint64_t>(value == 0 ? 0.0 : value);  // -0 equals 0
  return (bits >> 63) != 0 ? ~bits : bits | uint64_t{1} << 63;
}

/// Puts a zero between any two of 32 bits.
uint64_t spread(uint64_t bits) {
  bits = (bits | bits << 16) & 0x0000FFFF0000FFFFu;
  bits = (bits | bits << 8) & 0x00FF00FF00FF00FFu;
  bits = (bits | bits << 4) & 0x0F0F0F0F0F0F0F0Fu;
  bits = (bits | bits << 2) & 0x3333333333333333u;
  return (bits | bits << 1) & 0x5555555555555555u;
}

uint32_t gather(uint64_t bits) {
  bits &= 0x5555555555555555u;
  bits = (bits | bits >> 1) & 0x3333333333333333u;
  bits = (bits | bits >> 2) & 0x0F0F0F0F0F0F0F0Fu;
  bits = (bits | bits >> 4) & 0x00FF00FF00FF00FFu;
  bits = (bits | bits >> 8) & 0x0000FFFF0000FFFFu;
  return static_cast<uint32_t>(bits | bits >> 16);
}

uint64_t steps_of(double degrees, double span) {
  const double steps = (degrees / span + 0.5) * kTwoTo32;
  return static_cast<uint64_t>(std::clamp(steps, 0.0, kTwoTo32 - 1));
}

double degrees_of(double steps, double span) {
  return (steps / kTwoTo32 - 0.5) * span;
}

}  // namespace

TermKey term_key(uint32_t field, TermType type, uint64_t major, uint64_t minor) {
  return {uint64_t{field} << 48 | uint64_t{static_cast<uint8_t>(type)} << kMinorBits |
              major >> kMajorLowBits,
          major << kMinorBits | (minor & kMinorMask)};
}

TermType type_of(const TermKey& key) {
  return static_cast<TermType>(key.high >> kMinorBits & 7);
}

uint32_t field_of(const TermKey& key) {
  return static_cast<uint32_t>(key.high >> 48);
}

TermKey next(const TermKey& key) {
  return {key.low == ~uint64_t{0} ? key.high + 1 : key.high, key.low + 1};
}

TermKey previous(const TermKey& key) {
  return {key.low == 0 ? key.high - 1 : key.high, key.low - 1};
}

TermKey mark_key(uint32_t field, Mark mark) {
  return term_key(field, TermType::kMark, static_cast<uint64_t>(mark), 0);
}

TermKey text_key(uint32_t field, TermType type, std::string_view text, uint64_t seed) {
  const Hash128 hash = hash_bytes_128(as_bytes(text), seed);
  return term_key(field, type, hash.low, hash.high);
}

TermKey number_key(uint32_t field, const JsonNumber& number) {
  double below = number.to_double();
  if (number.kind == JsonNumber::Kind::kDouble) {
    return term_key(field, TermType::kNumber, ordered(below), 0);
  }
  if (compare(JsonNumber::of(below), number) > 0) {
    below = std::nextafter(below, -std::numeric_limits<double>::infinity());
  }
  const uint64_t rest = number.kind == JsonNumber::Kind::kSigned
                            ? static_cast<uint64_t>(number.as_signed) -
                                  static_cast<uint64_t>(static_cast<int64_t>(below))
                            : number.as_unsigned - static_cast<uint64_t>(below);
  return term_key(field, TermType::kNumber, ordered(below), rest);
}

TermKey instant_key(uint32_t field, const Instant& instant) {
  const uint64_t seconds = static_cast<uint64_t>(instant.seconds) ^ uint64_t { 1 } << 63;
  return term_key(field, TermType::kInstant, seconds, instant.nanos);
}

TermKey place_key(uint32_t field, const GeoPoint& place) {
  const uint64_t code = spread(steps_of(place.lat, 180)) << 1 | spread(steps_of(place.lon, 360));
  return term_key(field, TermType::kPlace, code, 0);
}

GeoPoint place_of(const TermKey& key) {
  const uint64_t code = major_of(key);
  return {degrees_of(gather(code >> 1) + 0.5, 180), degrees_of(gather(code) + 0.5, 360)};
}

TermKey first_key(uint32_t field, TermType type) {
  return term_key(field, type, 0, 0);
}

TermKey last_key(uint32_t field, TermType type) {
  return term_key(field, type, ~uint64_t{0}, ~uint64_t{0});
}

GeoCell GeoCell::child(uint32_t quarter) const {
  return {code | uint64_t{quarter} << (62 - 2 * level), level + 1};
}

GeoPoint GeoCell::low() const {
  return {degrees_of(gather(code >> 1), 180), degrees_of(gather(code), 360)};
}

GeoPoint GeoCell::high() const {
  const double steps = std::ldexp(1.0, 32 - static_cast<int>(level));
  return {degrees_of(gather(code >> 1) + steps, 180), degrees_of(gather(code) + steps, 360)};
}

TermKey GeoCell::first(uint32_t field) const {
  return term_key(field, TermType::kPlace, code, 0);
}

TermKey GeoCell::last(uint32_t field) const {
  const uint64_t rest = level == 0 ? ~uint64_t{0} : (uint64_t{1} << (64 - 2 * level)) - 1;
  return term_key(field, TermType::kPlace, code | rest, ~uint64_t{0});
}

}  // namespace ferres
