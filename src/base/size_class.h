// Size classes of the heaps in arenas: 16-byte steps to 1 KiB, then four a doubling. Formats on
// disk rely on them: they never change.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>

namespace ferres {

/// The smallest class that holds so many bytes.
inline uint32_t size_class_of(uint64_t bytes) {
  if (bytes <= 1024) return static_cast<uint32_t>((std::max<uint64_t>(bytes, 1) + 15) / 16) - 1;
  const uint32_t doubling = std::bit_width(bytes - 1) - 11;  // 0: (1024, 2048]
  const uint64_t quarter = uint64_t{256} << doubling;
  const uint64_t step = (bytes - (uint64_t{1024} << doubling) + quarter - 1) / quarter;  // 1 .. 4
  return 64 + doubling * 4 + static_cast<uint32_t>(step) - 1;
}

inline uint64_t size_class_bytes(uint32_t size_class) {
  if (size_class < 64) return (uint64_t{size_class} + 1) * 16;
  const uint32_t doubling = (size_class - 64) / 4;
  const uint64_t step = (size_class - 64) % 4 + 1;
  return (uint64_t{1024} << doubling) + step * (uint64_t{256} << doubling);
}

}  // namespace ferres
