// Randomness from the kernel, and its printable forms. Any thread.
#include "base/random.h"

#include <array>
#include <cerrno>
#include <span>

#include <sys/random.h>

#include "base/status.h"

namespace ferres {

void random_bytes(MutableBytes out) {
  while (!out.empty()) {
    const ssize_t n = ::getrandom(out.data(), out.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    CHECK(n > 0);  // it cannot fail on the kernels that the server runs on
    out = out.subspan(static_cast<size_t>(n));
  }
}

uint64_t random_seed() {
  uint64_t seed = 0;
  random_bytes(std::as_writable_bytes(std::span(&seed, 1)));
  return seed;
}

std::string to_hex(Bytes bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::byte byte : bytes) {
    const auto value = std::to_integer<uint8_t>(byte);
    out.push_back(kDigits[value >> 4]);
    out.push_back(kDigits[value & 15u]);
  }
  return out;
}

std::string random_uuid() {
  std::array<std::byte, 16> raw{};
  random_bytes(raw);
  raw[6] = (raw[6] & std::byte{0x0F}) | std::byte{0x40};  // version 4
  raw[8] = (raw[8] & std::byte{0x3F}) | std::byte{0x80};  // RFC 4122 variant
  std::string out = to_hex(raw);
  for (const size_t dash : {size_t{8}, size_t{13}, size_t{18}, size_t{23}})
    out.insert(dash, 1, '-');
  return out;
}

}  // namespace ferres
