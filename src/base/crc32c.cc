// CRC32C by instruction or by table. The crc32 instruction takes 3 cycles and starts one a cycle,
// so long input is cut into three streams whose CRCs run interleaved and are then joined: the CRC
// of a stream followed by n zero bytes is a linear map of its CRC, tabulated here for the two block
// lengths used (M. Adler's crc32c.c does the same). The one home of intrinsics outside kernels/,
// inside a function compiled for SSE4.2 that is called only after asking the CPU.
#include "base/crc32c.h"

#include <array>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace ferres {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78u;  // Castagnoli, bits reversed

using ByteTable = std::array<uint32_t, 256>;

constexpr std::array<ByteTable, 8> make_slices() {
  std::array<ByteTable, 8> slices{};
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; bit++)
      crc = (crc >> 1) ^ ((crc & 1u) != 0 ? kPolynomial : 0);
    slices[0][i] = crc;
  }
  for (size_t k = 1; k < 8; k++) {
    for (size_t i = 0; i < 256; i++) {
      const uint32_t before = slices[k - 1][i];
      slices[k][i] = (before >> 8) ^ slices[0][before & 0xFFu];
    }
  }
  return slices;
}

constexpr std::array<ByteTable, 8> kSlices = make_slices();

uint64_t load_u64(const std::byte* p) {
  uint64_t v = 0;
  std::memcpy(&v, p, sizeof v);
  return v;
}

#if defined(__x86_64__)

constexpr size_t kLongBlock = 4096;
constexpr size_t kShortBlock = 256;

/// The map "append n zero bytes" on a CRC, as one table for each of its four bytes.
class ZeroShift {
 public:
  explicit ZeroShift(size_t zero_bytes) {
    std::array<uint32_t, 32> columns{};
    for (uint32_t bit = 0; bit < 32; bit++) {
      uint32_t crc = 1u << bit;
      for (size_t i = 0; i < zero_bytes; i++)
        crc = (crc >> 8) ^ kSlices[0][crc & 0xFFu];
      columns[bit] = crc;
    }
    for (uint32_t byte = 0; byte < 4; byte++) {
      for (uint32_t value = 0; value < 256; value++) {
        uint32_t sum = 0;
        for (uint32_t bit = 0; bit < 8; bit++) {
          if ((value >> bit & 1u) != 0) sum ^= columns[byte * 8 + bit];
        }
        tables_[byte][value] = sum;
      }
    }
  }

  uint32_t apply(uint32_t crc) const {
    return tables_[0][crc & 0xFFu] ^ tables_[1][crc >> 8 & 0xFFu] ^ tables_[2][crc >> 16 & 0xFFu] ^
           tables_[3][crc >> 24];
  }

 private:
  std::array<ByteTable, 4> tables_{};
};

/// Consumes p in steps of three blocks while they fit.
__attribute__((target("sse4.2"))) uint64_t three_streams(uint64_t crc, const std::byte*& p,
                                                         size_t& left, size_t block,
                                                         const ZeroShift& shift) {
  while (left >= 3 * block) {
    uint64_t second = 0;
    uint64_t third = 0;
    for (size_t i = 0; i < block; i += 8) {
      crc = _mm_crc32_u64(crc, load_u64(p + i));
      second = _mm_crc32_u64(second, load_u64(p + block + i));
      third = _mm_crc32_u64(third, load_u64(p + 2 * block + i));
    }
    crc = shift.apply(static_cast<uint32_t>(crc)) ^ second;
    crc = shift.apply(static_cast<uint32_t>(crc)) ^ third;
    p += 3 * block;
    left -= 3 * block;
  }
  return crc;
}

#endif

}  // namespace

namespace crc32c_internal {

uint32_t table(Bytes data, uint32_t seed) {
  const std::byte* p = data.data();
  size_t left = data.size();
  uint32_t crc = ~seed;
  for (; left >= 8; left -= 8, p += 8) {
    const uint64_t word = load_u64(p) ^ crc;  // little-endian hosts only, as everything on disk
    crc = kSlices[7][word & 0xFFu] ^ kSlices[6][word >> 8 & 0xFFu] ^
          kSlices[5][word >> 16 & 0xFFu] ^ kSlices[4][word >> 24 & 0xFFu] ^
          kSlices[3][word >> 32 & 0xFFu] ^ kSlices[2][word >> 40 & 0xFFu] ^
          kSlices[1][word >> 48 & 0xFFu] ^ kSlices[0][word >> 56];
  }
  for (; left > 0; left--, p++) {
    crc = (crc >> 8) ^ kSlices[0][(crc ^ std::to_integer<uint32_t>(*p)) & 0xFFu];
  }
  return ~crc;
}

#if defined(__x86_64__)

bool has_hardware() {
  return __builtin_cpu_supports("sse4.2") != 0;
}

__attribute__((target("sse4.2"))) uint32_t hardware(Bytes data, uint32_t seed) {
  static const ZeroShift long_shift(kLongBlock);
  static const ZeroShift short_shift(kShortBlock);
  const std::byte* p = data.data();
  size_t left = data.size();
  uint64_t crc = ~seed;
  crc = three_streams(crc, p, left, kLongBlock, long_shift);
  crc = three_streams(crc, p, left, kShortBlock, short_shift);
  for (; left >= 8; left -= 8, p += 8)
    crc = _mm_crc32_u64(crc, load_u64(p));
  auto narrow = static_cast<uint32_t>(crc);
  for (; left > 0; left--, p++)
    narrow = _mm_crc32_u8(narrow, std::to_integer<uint8_t>(*p));
  return ~narrow;
}

#else

bool has_hardware() {
  return false;
}
uint32_t hardware(Bytes data, uint32_t seed) {
  return table(data, seed);
}

#endif

}  // namespace crc32c_internal

uint32_t crc32c(Bytes data, uint32_t seed) {
  static const bool hardware = crc32c_internal::has_hardware();
  return hardware ? crc32c_internal::hardware(data, seed) : crc32c_internal::table(data, seed);
}

}  // namespace ferres
