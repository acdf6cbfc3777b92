// What the graph index keeps in its arenas. All words little-endian, as the CPU stores them.
//
//   arena +0  header      one GraphHeader
//   arena +1  blocks      slot x block_bytes: BlockHead, then 2m lanes; in a graph with lane codes
//                         then, from a cache line on, a group of them for each 32 lanes
//                         (quant/lanes.h)
//   arena +2  lengths     slot x 2m floats: the distance along each lane (lane only)
//   arena +3  incoming    the lists of who points here (in_lists.h; lane only)
//   arena +4  entries     where searches start (entry_table.h)
//
// A lane is a neighbour's slot; its top bit says "filler": the neighbour is kept only because there
// was room, and is the first to be replaced. The bit below says "kept": searches for the neighbour
// missed it, and no newcomer takes the lane. Readers mask both bits off.
//
// A search reads `sequence`, `degree` and the lanes, and nothing else of a block. The sequence is
// odd while the lane changes the block; a search that saw it odd or changed reads again.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/types.h"
#include "quant/lanes.h"

namespace ferres {

inline constexpr uint64_t kGraphMagic = 0x3130485052474546;  // "FEGRPH01"
inline constexpr uint32_t kGraphFormat = 4;
inline constexpr uint32_t kLinksMax = 64;             // m at most
inline constexpr uint32_t kLanesMax = 2 * kLinksMax;  // of a block
inline constexpr uint32_t kFillerBit = 0x80000000u;
inline constexpr uint32_t kKeptBit = 0x40000000u;
inline constexpr uint32_t kSlotMask = 0x3FFFFFFFu;
inline constexpr Slot kSlotsMax = 0x3FFFFFFFu;  // slots are below it
inline constexpr uint32_t kInListClasses = 112;

/// One list of incoming edges: `place` counts units of 8 words in arena +3.
struct InListRef {
  uint32_t count = 0;
  uint32_t place = 0;
};

struct BlockHead {
  uint32_t sequence = 0;
  uint32_t degree = 0;
  // The lane's own:
  InListRef incoming;
  uint64_t rank = 0;        // order of arrival; the root's is below all
  uint32_t anchors = 0;     // incoming edges from blocks of a lower rank
  uint16_t size_class = 0;  // of the incoming list
  uint16_t linked = 0;      // 1: in the graph
};
static_assert(sizeof(BlockHead) == 32);

struct InListsHeader {
  uint32_t end = 1;  // units handed out; unit 0 is never
  uint32_t free[kInListClasses] = {};
};

struct GraphHeader {
  uint64_t magic = kGraphMagic;
  uint32_t format = kGraphFormat;
  uint32_t m = 0;
  uint64_t seed = 0;
  uint64_t additions = 0;  // points ever added: numbers ranks and entries
  uint64_t lowest_rank = 0;
  uint32_t points = 0;
  Slot root = kNoSlot;    // the lowest rank; shared
  uint32_t lane_dim = 0;  // components of a lane's code; 0: blocks carry none
  InListsHeader in_lists;
};

inline constexpr uint64_t kFirstRank = uint64_t{1} << 63;  // additions count up, roots down

/// Where the lane codes of a block begin, and how many groups there are.
constexpr uint32_t lane_codes_offset(uint32_t m) {
  return (static_cast<uint32_t>(sizeof(BlockHead)) + 2 * m * 4 + 63) / 64 * 64;
}
constexpr uint32_t lane_groups(uint32_t m) {
  return static_cast<uint32_t>((size_t{2} * m + kLaneGroup - 1) / kLaneGroup);
}
constexpr uint64_t graph_block_bytes(uint32_t m, uint32_t lane_dim) {
  if (lane_dim == 0) return sizeof(BlockHead) + uint64_t{2} * m * sizeof(uint32_t);
  return lane_codes_offset(m) + lane_groups(m) * lane_group_bytes(lane_dim);
}
}  // namespace ferres
