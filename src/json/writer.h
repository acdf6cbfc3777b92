// Writes JSON text into one growing string. Our own because floats must come out in the shortest
// form that reads back to the same float (std::to_chars); the common libraries print a float as a
// double, which is twice as long. Commas are placed by the writer; balance of begin and end is the
// caller's business. Not thread-safe.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace ferres {

class JsonWriter {
 public:
  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);

  JsonWriter& string(std::string_view value);
  JsonWriter& boolean(bool value) { return raw(value ? "true" : "false"); }
  JsonWriter& null() { return raw("null"); }
  JsonWriter& integer(std::integral auto value) {
    if constexpr (std::signed_integral<decltype(value)>) {
      return signed_integer(value);
    } else {
      return unsigned_integer(value);
    }
  }
  /// Shortest text that reads back to the same value; null when not finite.
  JsonWriter& number(float value);
  JsonWriter& number(double value);
  JsonWriter& numbers(std::span<const float> values);
  /// A value that is JSON text already.
  JsonWriter& raw(std::string_view json);

  // A key and its value.
  JsonWriter& field(std::string_view name, std::string_view value) {
    return key(name).string(value);
  }
  JsonWriter& field(std::string_view name, const char* value) { return key(name).string(value); }
  JsonWriter& field(std::string_view name, bool value) { return key(name).boolean(value); }
  JsonWriter& field(std::string_view name, std::integral auto value) {
    return key(name).integer(value);
  }
  JsonWriter& field(std::string_view name, std::floating_point auto value) {
    return key(name).number(value);
  }

  void reserve(size_t bytes) { text_.reserve(bytes); }
  const std::string& text() const { return text_; }
  std::string take() { return std::exchange(text_, {}); }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  JsonWriter& signed_integer(int64_t value);
  JsonWriter& unsigned_integer(uint64_t value);
  void comma() {
    if (comma_) text_ += ',';
    comma_ = true;
  }
  void quoted(std::string_view value);

  std::string text_;
  bool comma_ = false;  // the next value follows another one
};

}  // namespace ferres
