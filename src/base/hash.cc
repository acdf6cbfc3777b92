// The only home of xxhash.
#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ferres {

uint64_t hash_bytes(Bytes bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

Hash128 hash_bytes_128(Bytes bytes, uint64_t seed) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(bytes.data(), bytes.size(), seed);
  return {hash.high64, hash.low64};
}

}  // namespace ferres
