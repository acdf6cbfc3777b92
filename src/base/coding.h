// How numbers become bytes, everywhere on disk: little-endian, fixed width or varint (LEB128, as in
// LevelDB and protocol buffers), strings behind their length. Writing appends to a std::string or
// stores at an address; reading goes through Reader, which never looks past its input: bytes from
// disk or network are not to be trusted. Header-only because it sits in inner loops of replay.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/status.h"
#include "base/types.h"

namespace ferres {

static_assert(std::endian::native == std::endian::little, "formats are copied byte by byte");

/// At an address that the caller has checked; any alignment.
template <class T>
T load(const std::byte* from) {
  static_assert(std::is_arithmetic_v<T>);
  T value{};
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
void store(std::byte* to, std::type_identity_t<T> value) {
  static_assert(std::is_arithmetic_v<T>);
  std::memcpy(to, &value, sizeof value);
}
inline uint16_t load_u16(const std::byte* from) {
  return load<uint16_t>(from);
}
inline uint32_t load_u32(const std::byte* from) {
  return load<uint32_t>(from);
}
inline uint64_t load_u64(const std::byte* from) {
  return load<uint64_t>(from);
}
inline float load_f32(const std::byte* from) {
  return load<float>(from);
}
inline void store_u16(std::byte* to, uint16_t value) {
  store<uint16_t>(to, value);
}
inline void store_u32(std::byte* to, uint32_t value) {
  store<uint32_t>(to, value);
}
inline void store_u64(std::byte* to, uint64_t value) {
  store<uint64_t>(to, value);
}
inline void store_f32(std::byte* to, float value) {
  store<float>(to, value);
}

namespace coding_internal {
template <class T>
void put(std::string& out, T value) {
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  out.append(raw, sizeof raw);
}
}  // namespace coding_internal

inline void put_u8(std::string& out, uint8_t value) {
  out.push_back(static_cast<char>(value));
}
inline void put_u16(std::string& out, uint16_t value) {
  coding_internal::put(out, value);
}
inline void put_u32(std::string& out, uint32_t value) {
  coding_internal::put(out, value);
}
inline void put_u64(std::string& out, uint64_t value) {
  coding_internal::put(out, value);
}
inline void put_f32(std::string& out, float value) {
  coding_internal::put(out, value);
}
inline void put_f64(std::string& out, double value) {
  coding_internal::put(out, value);
}
inline void put_bytes(std::string& out, Bytes bytes) {
  out.append(as_text(bytes));
}

/// 7 bits a byte, low first: 1 byte below 128, at most 10.
inline void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    put_u8(out, static_cast<uint8_t>(value | 0x80));
  put_u8(out, static_cast<uint8_t>(value));
}

/// Varint length, then the bytes.
inline void put_string(std::string& out, std::string_view text) {
  put_varint(out, text.size());
  out.append(text);
}

/// Takes values off the front of bytes. A read past the end yields zero or empty and makes ok()
/// false for good, so a decoder reads all fields and asks once. Strings and bytes are views into
/// the input.
class Reader {
 public:
  explicit Reader(Bytes bytes) : left_(bytes) {}

  uint8_t u8() { return take<uint8_t>(); }
  uint16_t u16() { return take<uint16_t>(); }
  uint32_t u32() { return take<uint32_t>(); }
  uint64_t u64() { return take<uint64_t>(); }
  float f32() { return take<float>(); }
  double f64() { return take<double>(); }

  uint64_t varint() {
    uint64_t value = 0;
    for (uint32_t shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = u8();
      if (shift == 63 && byte > 1) break;  // would not fit 64 bits
      value |= uint64_t{byte & 0x7Fu} << shift;
      if ((byte & 0x80u) == 0) return ok_ ? value : 0;
    }
    fail();
    return 0;
  }

  /// The next count bytes; none when fewer are left.
  Bytes bytes(uint64_t count) {
    if (count > left_.size()) {
      fail();
      return {};
    }
    const Bytes out = left_.first(static_cast<size_t>(count));
    left_ = left_.subspan(static_cast<size_t>(count));
    return out;
  }
  std::string_view string() { return as_text(bytes(varint())); }

  /// A count of items that take at least item_bytes each: refuses one that the input cannot hold,
  /// so that reserve(count) is safe.
  uint64_t count(uint64_t item_bytes_min) {
    const uint64_t value = varint();
    if (item_bytes_min != 0 && value > left_.size() / item_bytes_min) {
      fail();
      return 0;
    }
    return value;
  }

  /// Marks the input as bad, for checks beyond length.
  void fail() {
    ok_ = false;
    left_ = {};
  }
  bool ok() const { return ok_; }
  bool at_end() const { return left_.empty(); }
  size_t remaining() const { return left_.size(); }
  Bytes rest() const { return left_; }
  /// kCorruption unless every read so far was within the input.
  Status status(std::string_view what) const {
    if (ok_) return {};
    return {Code::kCorruption, std::string(what) + ": ends too early or holds a bad length"};
  }
  /// As status(), and everything must have been read.
  Status finished(std::string_view what) const {
    if (ok_ && !left_.empty()) {
      return {Code::kCorruption, std::string(what) + ": " + std::to_string(left_.size()) +
                                     " bytes beyond the expected end"};
    }
    return status(what);
  }

 private:
  template <class T>
  T take() {
    if (left_.size() < sizeof(T)) {
      fail();
      return T{};
    }
    const T value = load<T>(left_.data());
    left_ = left_.subspan(sizeof(T));
    return value;
  }

  Bytes left_;
  bool ok_ = true;
};

}  // namespace ferres
