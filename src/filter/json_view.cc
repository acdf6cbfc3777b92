// See json_view.h.
#include "filter/json_view.h"

#include <bit>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace ferres {
namespace {

constexpr double kTwoTo63 = 9223372036854775808.0;
constexpr double kTwoTo64 = 18446744073709551616.0;

int sign(bool less, bool greater) {
  return less ? -1 : (greater ? 1 : 0);
}

int compare_double(int64_t a, double b) {
  if (b >= kTwoTo63) return -1;
  if (b < -kTwoTo63) return 1;
  const auto whole = static_cast<int64_t>(b);  // towards zero
  if (a != whole) return a < whole ? -1 : 1;
  const double rest = b - static_cast<double>(whole);
  return sign(rest > 0, rest < 0);
}

int compare_double(uint64_t a, double b) {
  if (b >= kTwoTo64) return -1;
  if (b < 0) return 1;
  const auto whole = static_cast<uint64_t>(b);
  if (a != whole) return a < whole ? -1 : 1;
  return sign(b > static_cast<double>(whole), false);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// The four hexadecimal digits at `at`, or -1.
int32_t read_hex4(const char* at, const char* end) {
  if (end - at < 4) return -1;
  int32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const int digit = hex_digit(at[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

/// Appends what the \u escape stands for whose digits begin at `at`; returns behind it. Half a
/// surrogate pair becomes U+FFFD.
const char* append_unicode_escape(const char* at, const char* end, std::string& out) {
  const int32_t first = read_hex4(at, end);
  if (first < 0) return end;
  at += 4;
  if (first < 0xD800 || first > 0xDFFF) {
    append_utf8(out, static_cast<uint32_t>(first));
    return at;
  }
  if (first <= 0xDBFF && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
    const int32_t second = read_hex4(at + 2, end);
    if (second >= 0xDC00 && second <= 0xDFFF) {
      append_utf8(out, 0x10000u + (static_cast<uint32_t>(first - 0xD800) << 10) +
                           static_cast<uint32_t>(second - 0xDC00));
      return at + 6;
    }
  }
  append_utf8(out, 0xFFFD);
  return at;
}

/// The first quote or backslash in [at, end), or end. Eight bytes at a step: names and short values
/// are most of what is read, too short for a call to memchr to pay.
const char* find_quote_or_backslash(const char* at, const char* end) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHighBits = 0x8080808080808080;
  for (; end - at >= 8; at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, at, sizeof(word));
    const uint64_t quotes = word ^ (kOnes * '"');
    const uint64_t backslashes = word ^ (kOnes * '\\');
    // The lowest byte marked is right; higher ones may be marked in error by its borrow.
    const uint64_t zeros =
        (((quotes - kOnes) & ~quotes) | ((backslashes - kOnes) & ~backslashes)) & kHighBits;
    if (zeros != 0) return at + std::countr_zero(zeros) / 8;
  }
  while (at != end && *at != '"' && *at != '\\')
    ++at;
  return at;
}

struct StringSpan {
  const char* end;  // at the closing quote, or the end of the text
  bool escaped;     // holds backslashes
};

/// at: behind the opening quote.
StringSpan scan_string(const char* at, const char* end) {
  bool escaped = false;
  for (;;) {
    at = find_quote_or_backslash(at, end);
    if (at == end || *at == '"') return {at, escaped};
    escaped = true;
    if (end - at < 2) return {end, escaped};
    at += 2;
  }
}

void unescape(const char* at, const char* end, std::string& out) {
  out.clear();
  while (at != end) {
    if (*at != '\\') {
      out += *at++;
      continue;
    }
    if (++at == end) return;
    const char c = *at++;
    switch (c) {
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u':
        at = append_unicode_escape(at, end, out);
        break;
      default:
        out += c;
    }
  }
}

}  // namespace

JsonNumber JsonNumber::of(int64_t value) {
  JsonNumber number;
  number.as_signed = value;
  return number;
}

JsonNumber JsonNumber::of(uint64_t value) {
  if (value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return of(static_cast<int64_t>(value));
  }
  JsonNumber number;
  number.kind = Kind::kUnsigned;
  number.as_unsigned = value;
  return number;
}

JsonNumber JsonNumber::of(double value) {
  JsonNumber number;
  number.kind = Kind::kDouble;
  number.as_double = value;
  return number;
}

double JsonNumber::to_double() const {
  switch (kind) {
    case Kind::kSigned:
      return static_cast<double>(as_signed);
    case Kind::kUnsigned:
      return static_cast<double>(as_unsigned);
    default:
      return as_double;
  }
}

int compare(const JsonNumber& a, const JsonNumber& b) {
  using Kind = JsonNumber::Kind;
  if (a.kind == b.kind) {
    switch (a.kind) {
      case Kind::kSigned:
        return sign(a.as_signed<b.as_signed, a.as_signed> b.as_signed);
      case Kind::kUnsigned:
        return sign(a.as_unsigned<b.as_unsigned, a.as_unsigned> b.as_unsigned);
      default:
        return sign(a.as_double<b.as_double, a.as_double> b.as_double);
    }
  }
  if (a.kind == Kind::kDouble) return -compare(b, a);
  if (b.kind == Kind::kDouble) {
    return a.kind == Kind::kSigned ? compare_double(a.as_signed, b.as_double)
                                   : compare_double(a.as_unsigned, b.as_double);
  }
  return a.kind == Kind::kSigned ? -1 : 1;
}

const char* JsonView::after_name(const char* quote, const char* end) {
  if (quote == end) return end;
  const char* at = skip_space(quote + 1, end);
  return at != end && *at == ':' ? skip_space(at + 1, end) : end;
}

JsonType JsonView::type() const {
  if (at_ == end_) return JsonType::kMissing;
  switch (*at_) {
    case '{':
      return JsonType::kObject;
    case '[':
      return JsonType::kArray;
    case '"':
      return JsonType::kString;
    case 't':
    case 'f':
      return JsonType::kBool;
    case 'n':
      return JsonType::kNull;
    case '-':
      return JsonType::kNumber;
    default:
      return *at_ >= '0' && *at_ <= '9' ? JsonType::kNumber : JsonType::kMissing;
  }
}

JsonNumber JsonView::number() const {
  int64_t whole = 0;
  const auto [stop, error] = std::from_chars(at_, end_, whole);
  const bool fraction = stop != end_ && (*stop == '.' || *stop == 'e' || *stop == 'E');
  if (error == std::errc() && !fraction) {
    // "-0" is the double, which equals 0 all the same.
    return JsonNumber::of(whole);
  }
  if (!fraction && error == std::errc::result_out_of_range && *at_ != '-') {
    uint64_t large = 0;
    if (std::from_chars(at_, end_, large).ec == std::errc()) return JsonNumber::of(large);
  }
  double value = 0;
  if (std::from_chars(at_, end_, value).ec == std::errc::result_out_of_range) {
    // from_chars leaves the value alone; strtod says infinity or zero, but needs a terminator.
    value = std::strtod(std::string(at_, skip_value(at_, end_)).c_str(), nullptr);
  }
  return JsonNumber::of(value);
}

std::string_view JsonView::string(std::string& scratch) const {
  if (type() != JsonType::kString) return {};
  const char* begin = at_ + 1;
  const auto [stop, escaped] = scan_string(begin, end_);
  if (!escaped) return {begin, static_cast<size_t>(stop - begin)};
  unescape(begin, stop, scratch);
  return scratch;
}

JsonView JsonView::member(std::string_view name) const {
  if (type() != JsonType::kObject) return {};
  const char* at = skip_space(at_ + 1, end_);
  std::string scratch;
  while (at != end_ && *at == '"') {
    const char* begin = at + 1;
    const auto [stop, escaped] = scan_string(begin, end_);
    std::string_view found(begin, static_cast<size_t>(stop - begin));
    if (escaped) {
      unescape(begin, stop, scratch);
      found = scratch;
    }
    const char* value = after_name(stop, end_);
    if (found == name) return {value, end_};
    at = next_item(value, end_);
  }
  return {};
}

const char* JsonView::skip_value(const char* at, const char* end) {
  if (at == end) return end;
  if (*at == '"') {
    at = scan_string(at + 1, end).end;
    return at == end ? end : at + 1;
  }
  if (*at != '{' && *at != '[') {
    while (at != end && *at != ',' && *at != '}' && *at != ']' && *at > ' ')
      ++at;
    return at;
  }
  for (uint64_t depth = 0; at != end;) {
    const char c = *at++;
    if (c == '"') {
      at = scan_string(at, end).end;
      if (at != end) ++at;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return at;
    }
  }
  return end;
}

const char* JsonView::member_value(const char* at, const char* end) {
  return after_name(scan_string(at + 1, end).end, end);
}

const char* JsonView::next_item(const char* at, const char* end) {
  at = skip_space(skip_value(at, end), end);
  return at != end && *at == ',' ? skip_space(at + 1, end) : end;
}

}  // namespace ferres
