// Reads values out of a JSON text in place. Stored metadata was validated when it was written, so
// nothing is validated, copied or indexed here: a lookup walks the members before the one it wants
// and stops. That costs about a third of a simdjson parse of a short document (the parse reads
// all of it), and has no limit on nesting: skipping counts brackets and never recurses.
//
// Text that is not JSON gives missing values or wrong ones, never a read outside of it. Views do
// not own the text. Values, free to use from any thread.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace ferres {

/// A JSON number compared by value: integers of 64 bits are exact, the rest are doubles.
struct JsonNumber {
  enum class Kind : uint8_t { kSigned, kUnsigned, kDouble };  // kUnsigned: beyond int64 only
  Kind kind = Kind::kSigned;
  union {
    int64_t as_signed = 0;
    uint64_t as_unsigned;
    double as_double;
  };
  static JsonNumber of(int64_t value);
  static JsonNumber of(uint64_t value);
  static JsonNumber of(double value);
  double to_double() const;
};

/// Negative, zero or positive, exact across kinds: 2^53 + 1 differs from 9007199254740992.0.
int compare(const JsonNumber& a, const JsonNumber& b);

enum class JsonType : uint8_t { kMissing, kNull, kBool, kNumber, kString, kArray, kObject };

class JsonView {
 public:
  /// The missing value.
  JsonView() = default;
  explicit JsonView(std::string_view document)
      : JsonView(document.data(), document.data() + document.size()) {}

  JsonType type() const;
  /// As it stands in the document; empty when missing.
  std::string_view text() const {
    return at_ == end_ ? std::string_view()
                       : std::string_view(at_, static_cast<size_t>(skip_value(at_, end_) - at_));
  }
  bool missing() const { return type() == JsonType::kMissing; }
  bool boolean() const { return at_ != end_ && *at_ == 't'; }
  JsonNumber number() const;
  /// The string without its escapes; `scratch` holds it when there are any.
  std::string_view string(std::string& scratch) const;
  /// The first member of that name; missing when this is no object.
  JsonView member(std::string_view name) const;
  /// Calls visit(element) until one call returns true; whether one did. False for other types.
  template <class Visit>
  bool any_element(Visit&& visit) const {
    if (type() != JsonType::kArray) return false;
    const char* at = skip_space(at_ + 1, end_);
    while (at != end_ && *at != ']') {
      if (visit(JsonView(at, end_))) return true;
      at = next_item(at, end_);
    }
    return false;
  }
  /// The same for visit(name, value).
  template <class Visit>
  bool any_member(Visit&& visit) const {
    if (type() != JsonType::kObject) return false;
    std::string scratch;
    const char* at = skip_space(at_ + 1, end_);
    while (at != end_ && *at == '"') {
      const JsonView name(at, end_);
      const JsonView value(member_value(at, end_), end_);
      if (visit(name.string(scratch), value)) return true;
      at = next_item(value.at_, end_);
    }
    return false;
  }

 private:
  JsonView(const char* at, const char* end) : at_(skip_space(at, end)), end_(end) {}

  static const char* skip_space(const char* at, const char* end) {
    while (at != end && static_cast<unsigned char>(*at) <= ' ')
      ++at;
    return at;
  }
  /// Behind the value at `at`.
  static const char* skip_value(const char* at, const char* end);
  /// From the quote that ends a member's name to its value.
  static const char* after_name(const char* quote, const char* end);
  /// From the quote that begins a member's name to its value.
  static const char* member_value(const char* at, const char* end);
  /// From a value to the next one of its list, or end: every step moves on, whatever the text is.
  static const char* next_item(const char* at, const char* end);

  const char* at_ = nullptr;
  const char* end_ = nullptr;
};

}  // namespace ferres
