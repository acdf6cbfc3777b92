// Version 4 identifiers from a generator of each thread, seeded by the kernel: they name queries in
// logs and guard nothing, so they need no system call each.
#include "api/uuid.h"

#include <array>

#include "base/random.h"

namespace ferres {
namespace {

uint64_t kernel_seed() {
  std::array<uint64_t, 1> seed{};
  random_bytes(std::as_writable_bytes(std::span(seed)));
  return seed[0];
}

}  // namespace

std::string make_uuid() {
  thread_local Random random(kernel_seed());
  const uint64_t high = (random.next() & ~uint64_t{0xF000}) | 0x4000;
  const uint64_t low = (random.next() >> 2) | (uint64_t{2} << 62);
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (int i = 0; i < 32; ++i) {
    const uint64_t word = i < 16 ? high : low;
    if (i == 8 || i == 12 || i == 16 || i == 20) text += '-';
    text += kHex[(word >> (60 - i % 16 * 4)) & 15];
  }
  return text;
}

}  // namespace ferres
