// How far arenas grow at once. A collection may have ten thousand partitions of a few points each
// (collection/partitions.h), so small ones must not take whole pages of memory and disk. A pure
// function.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>

#include "storage/reservation.h"

namespace ferres {

/// The size to grow an arena to that needs `bytes`, at least 1: a power of two from 4 KiB up while
/// it is within one page, then whole pages.
constexpr uint64_t arena_size_for(uint64_t bytes) {
  constexpr uint64_t kLeast = 4096;
  if (bytes <= kPageBytes) return std::max(kLeast, std::bit_ceil(bytes));
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

}  // namespace ferres
