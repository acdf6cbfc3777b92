// The only home of xxhash.
#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ferres {

uint64_t hash_bytes(Bytes bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace ferres
