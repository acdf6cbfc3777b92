// The stored graph: blocks of neighbours in arenas, and the only code that reads and writes them
// (format: hnsw_layout.h). It keeps edges and their lists of incoming edges consistent, and knows
// nothing of distances: which edge to make is decided in hnsw_linker.
//
// One guarantee is kept here because nothing above could: every point can be reached. Each block
// has a rank (its order of arrival); an edge from a lower rank to a higher one anchors
// its target. As long as every block but the root, the lowest, has an anchor, following anchors
// backwards ends at the root, so the root reaches everything. `anchors` counts them per block,
// which makes the check free, and droppable() refuses the last one.
//
// Threads: view() and GraphView on any thread, under an EpochGuard; the rest is the lane's.
// Everything read is range-checked, so that a damaged page costs answers and never a crash.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/status.h"
#include "base/types.h"
#include "index/entry_table.h"
#include "index/hnsw_layout.h"
#include "index/in_lists.h"
#include "index/shared_word.h"
#include "index/space.h"
#include "storage/page_store.h"

namespace ferres {

/// The addresses of the graph, and how to read a block.
struct GraphView {
  const std::byte* blocks = nullptr;
  const GraphHeader* header = nullptr;
  const Arena* unverified = nullptr;  // not null: check the pages of a block first
  Slot slots = 0;                     // blocks that may be read
  uint32_t m = 0;
  uint32_t lane_dim = 0;
  uint32_t block_bytes = 0;
  EntryView entries;

  /// The lowest rank, or kNoSlot: the graph is empty.
  Slot root() const { return load_shared(&header->root); }
  /// Copies the neighbours of a slot as they were at one moment; returns how many. `ids` has room
  /// for kLanesMax.
  uint32_t read(Slot slot, Slot* ids) const;
  /// The same in a graph with lane codes, but only the neighbours whose estimated distance is not
  /// above the limit.
  uint32_t read_near(Slot slot, const LaneQuery& query, const LaneLimit& limit, Slot* ids) const;
  void prefetch(Slot slot) const;
  /// The block of a slot, or null.
  const std::byte* block(Slot slot) const;

 private:
  /// The block for reading: null also when its pages are damaged.
  const std::byte* checked_block(Slot slot) const;
};

class HnswGraph {
 public:
  struct Options {
    uint32_t m = 16;
    uint64_t seed = 0;
    const Space* space = nullptr;  // makes the codes of entries and lanes
    bool lanes = false;            // blocks carry codes of their lanes
    // Of what only the lane reads.
    Residency lane_residency = Residency::kMemory;
    uint32_t lane_dim() const;
  };
  /// Opens what the store holds or starts an empty graph. kCorruption when the header is damaged or
  /// of another format, m or lane codes.
  static Result<std::unique_ptr<HnswGraph>> open(PageStore& store, uint32_t first_arena,
                                                 const Options& options);

  GraphView view() const;
  uint64_t memory_bytes() const;
  bool all_verified() const;

  // ---- the lane only: reading
  Slot root() const { return header().root; }
  const GraphHeader& header() const;
  bool linked(Slot slot) const;
  uint32_t lanes_max() const { return 2 * m_; }
  const BlockHead& head(Slot slot) const;
  /// Lane words of a block (slot, perhaps | kFillerBit or kKeptBit) and the distances along them;
  /// `count` of each.
  struct Lanes {
    const uint32_t* words = nullptr;
    const float* lengths = nullptr;
    uint32_t count = 0;
    Slot slot(uint32_t lane) const { return words[lane] & kSlotMask; }
    bool filler(uint32_t lane) const { return (words[lane] & kFillerBit) != 0; }
    bool kept(uint32_t lane) const { return (words[lane] & kKeptBit) != 0; }
  };
  Lanes lanes(Slot slot) const;
  /// The lane of `from` that leads to `to`, or -1.
  int find_lane(Slot from, Slot to) const;
  std::span<const uint32_t> incoming(Slot slot) const;
  /// False when the edge is the last anchor of its target.
  bool droppable(Slot from, Slot to) const;
  /// Points that the root does not reach.
  uint64_t unreachable() const;
  /// Whether an edge anchors the slot, found by looking at it rather than at the count. When that
  /// holds of all but the root, the root reaches everything. True of a slot that is not linked.
  bool anchored(Slot slot) const;
  /// Says which edge, list or count contradicts another, or nothing. Walks everything.
  std::string inconsistency() const;

  /// Call before a change: a growth elsewhere may have moved an arena.
  void refresh();

  // ---- the lane only: changing. Slots are valid; lanes and fillers as in hnsw_layout.h
  /// Makes room for the slot's block and enters it, without edges.
  Status enter(Slot slot);
  /// After its edges are made: the slot may become an entry, and the root of an empty graph.
  void publish(Slot slot);
  /// Adds an edge in a free lane.
  Status append(Slot from, uint32_t word, float length);
  /// Replaces an edge.
  Status replace(Slot from, uint32_t lane, uint32_t word, float length);
  /// Removes an edge; the last lane takes its place.
  void erase(Slot from, uint32_t lane);
  void mark_filler(Slot from, uint32_t lane);
  /// Takes the slot's outgoing edges out of their targets' lists and forgets its incoming list (the
  /// caller has redirected those edges). Its lanes stay readable for searches that stand on it.
  void detach(Slot slot);
  /// After detach(): counts the point out.
  void leave(Slot slot);
  /// kNoSlot when the graph is empty.
  void set_root(Slot slot);

 private:
  struct Arenas {
    Arena* header = nullptr;
    Arena* blocks = nullptr;
    Arena* lengths = nullptr;
    Arena* incoming = nullptr;
  };
  HnswGraph(const Arenas& arenas, EntryTable entries, const Options& options);

  GraphHeader& edit_header();
  BlockHead& edit_head(Slot slot);
  /// Start of a block for writing.
  std::byte* edit_block(Slot slot);
  float* edit_lengths(Slot slot);
  Status ensure_slot(Slot slot);
  void drop_lane(Slot from, uint32_t lane);
  void reset_block(Slot slot);
  Status add_incoming(Slot from, Slot to);
  void drop_incoming(Slot from, Slot to);
  bool carries_codes() const { return lane_dim_ != 0; }
  /// Decodes both ends of a coming lane, before its block changes.
  void prepare_lane(Slot from, Slot to);
  void write_lane(std::byte* block, uint32_t lane) const;

  Arenas arenas_;
  InLists in_lists_;
  EntryTable entries_;
  const Space& space_;
  uint32_t m_;
  uint32_t lane_dim_;
  Slot rotated_from_slot_ = kNoSlot;  // whose vector rotated_from_ is
  Slot rotated_to_slot_ = kNoSlot;
  AlignedVector<float> rotated_from_;
  AlignedVector<float> rotated_to_;
  GraphView lane_view_;  // the lane's own addresses, renewed after every growth
};

}  // namespace ferres
