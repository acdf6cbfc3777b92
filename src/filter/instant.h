// Points in time written as text: RFC 3339 date-times, and two forms that programs write in its
// place: without an offset (taken as UTC) and a date alone (its midnight, UTC).
#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ferres {

struct Instant {
  int64_t seconds = 0;  // since 1970-01-01T00:00:00Z
  uint32_t nanos = 0;   // digits beyond the ninth are dropped
  auto operator<=>(const Instant&) const = default;
};

/// Nothing for any other text. Thread-safe.
std::optional<Instant> parse_instant(std::string_view text);

}  // namespace ferres
