// Tiers: where the pages of a kTiered arena are (storage/page_store.h), by when they were last
// used. Moving a page changes no file and no byte that readers see, so a crash loses nothing by it.
#pragma once
#include <cstdint>

namespace ferres {

enum class Tier : uint8_t {
  kHot,   // in memory
  kWarm,  // mapped from its page file: the system keeps what it likes to
  kCold,  // mapped, without reading ahead; release_mapped() lets go of what was read
};

/// A page changed since its last checkpoint is hot, whatever this says.
struct TierPolicy {
  uint32_t hot_minutes = 0;               // not used for so long: warm
  uint32_t warm_minutes = 0;              // not used for so long: cold
  uint64_t hot_bytes_max = ~uint64_t{0};  // beyond, the least recently used of the hot are warm
};

struct TierBytes {
  uint64_t hot = 0;
  uint64_t warm = 0;
  uint64_t cold = 0;
};

}  // namespace ferres
