// 64-bit hash of bytes (XXH3). Seeded: tables whose keys users choose pass a random seed, so that
// nobody can prepare collisions. The value is stored in files: it may not change.
#pragma once
#include <cstdint>

#include "base/types.h"

namespace ferres {

uint64_t hash_bytes(Bytes bytes, uint64_t seed);

}  // namespace ferres
