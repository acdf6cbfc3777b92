// Hashes of bytes (XXH3), 64 and 128 bits wide. Seeded: tables whose keys users choose pass a
// random seed, so that nobody can prepare collisions. The values are stored in files: they may not
// change.
#pragma once
#include <cstdint>

#include "base/types.h"

namespace ferres {

struct Hash128 {
  uint64_t high = 0;
  uint64_t low = 0;
};

uint64_t hash_bytes(Bytes bytes, uint64_t seed);
/// Wide enough that equal hashes are taken for equal bytes.
Hash128 hash_bytes_128(Bytes bytes, uint64_t seed);

}  // namespace ferres
