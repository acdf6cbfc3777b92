// The text of JSON values: escapes as RFC 8259 asks, numbers by std::to_chars.
#include "json/writer.h"

#include <charconv>
#include <cmath>

namespace ferres {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

bool needs_escape(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\';
}

void append_escaped(std::string& text, char c) {
  switch (c) {
    case '"':
      text += "\\\"";
      break;
    case '\\':
      text += "\\\\";
      break;
    case '\n':
      text += "\\n";
      break;
    case '\r':
      text += "\\r";
      break;
    case '\t':
      text += "\\t";
      break;
    default:
      text += "\\u00";
      text += kHex[static_cast<unsigned char>(c) >> 4];
      text += kHex[static_cast<unsigned char>(c) & 15];
  }
}

template <class T>
void append_number(std::string& text, T value) {
  char digits[32];
  const std::to_chars_result end = std::to_chars(digits, digits + sizeof(digits), value);
  text.append(digits, end.ptr);
}

template <class T>
void append_floating(std::string& text, T value) {
  if (!std::isfinite(value)) {
    text += "null";
    return;
  }
  const size_t begin = text.size();
  append_number(text, value);
  // Parsers, ours too, refuse integers beyond 64 bits: a large number must not look like one.
  constexpr T kTwoTo63 = 9223372036854775808.0;
  if (std::fabs(value) >= kTwoTo63 && text.find('e', begin) == std::string::npos) text += ".0";
}

}  // namespace

JsonWriter& JsonWriter::open(char bracket) {
  comma();
  text_ += bracket;
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  text_ += bracket;
  comma_ = true;
  return *this;
}

void JsonWriter::quoted(std::string_view value) {
  text_ += '"';
  size_t done = 0;
  for (size_t i = 0; i < value.size(); ++i) {
    if (!needs_escape(value[i])) continue;
    text_.append(value, done, i - done);
    append_escaped(text_, value[i]);
    done = i + 1;
  }
  text_.append(value, done);
  text_ += '"';
}

JsonWriter& JsonWriter::key(std::string_view name) {
  comma();
  quoted(name);
  text_ += ':';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::string(std::string_view value) {
  comma();
  quoted(value);
  return *this;
}

JsonWriter& JsonWriter::signed_integer(int64_t value) {
  comma();
  append_number(text_, value);
  return *this;
}

JsonWriter& JsonWriter::unsigned_integer(uint64_t value) {
  comma();
  append_number(text_, value);
  return *this;
}

JsonWriter& JsonWriter::number(float value) {
  comma();
  append_floating(text_, value);
  return *this;
}

JsonWriter& JsonWriter::number(double value) {
  comma();
  append_floating(text_, value);
  return *this;
}

JsonWriter& JsonWriter::numbers(std::span<const float> values) {
  begin_array();
  text_.reserve(text_.size() + values.size() * 13);
  for (const float value : values)
    number(value);
  return end_array();
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  comma();
  text_ += json;
  return *this;
}

}  // namespace ferres
