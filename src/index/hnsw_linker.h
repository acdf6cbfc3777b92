// Which edges the graph has. A point chooses its neighbours by the occlusion rule (a candidate is
// left out when a chosen one is nearer to it, by a factor, than the point is), fills up with the
// nearest occluded ones as fillers, and offers itself to all of them. A full block makes room by
// dropping one edge: the longest that the newcomer occludes, else the longest filler, else the
// longest; never one whose target has few incoming edges. So an insert changes one lane in some
// thirty blocks and never re-prunes a block. A removal overwrites the lane of each true
// in-neighbour with a neighbour's neighbour: no tombstones, and the degree holds under churn.
//
// A point sees only who is near when it arrives. Points that arrive later and lie nearer to each
// other fill the way to it, and none of them ever meets it. So HnswIndex searches for stored points
// now and then, and one that is missed gets an edge from the nearest found instead. That edge is
// kept: no newcomer takes its lane. An eighth of a block may be kept.
//
// After A. Malkov and D. Yashunin (arXiv 1603.09320), S. J. Subramanya et al. (Vamana, NeurIPS
// 2019: the factor) and H. Xu et al. (IP-DiskANN, arXiv 2502.13826: repair in place); what departs
// from them: fillers, one-lane replacement, the in-degree floor, kept edges, and anchors
// (hnsw_graph.h).
//
// choose_neighbours() on any thread under an EpochGuard; the class is the lane's.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/types.h"
#include "index/ann_index.h"
#include "index/hnsw_graph.h"
#include "index/slot_map.h"
#include "index/space.h"

namespace ferres {

struct Choice {
  Slot slot = 0;
  float distance = 0;
  bool filler = false;

  uint32_t word() const { return filler ? slot | kFillerBit : slot; }
};

/// Picks up to `lanes` neighbours from candidates sorted by distance: first those that stand by the
/// occlusion rule, then fillers.
void choose_neighbours(const Space& space, std::span<const Hit> candidates, uint32_t lanes,
                       std::vector<Choice>& choices);

class HnswLinker {
 public:
  HnswLinker(HnswGraph& graph, const Space& space) : graph_(graph), space_(space) {}

  /// Makes the edges of a slot that was entered, both ways. `known` holds distances from the slot.
  Status link(Slot slot, std::span<const Choice> choices, const SlotMap& known);
  /// Takes a slot out of the graph and repairs the blocks that pointed to it.
  Status unlink(Slot slot);
  /// Gives a slot that searches for it missed an edge from the nearest of `found` (what they found
  /// instead, nearest first) that can, and keeps that edge: no newcomer takes its lane.
  Status keep_found(Slot slot, std::span<const Hit> found);

 private:
  struct Offer {
    Slot from = 0;  // whose block takes the edge
    Slot to = 0;
    float length = 0;
  };

  bool may_be_copies(float length, float other, float between, float longest) const;
  Result<bool> offer(const Offer& offer, const SlotMap& known);
  /// Whether an edge keeps the newcomer out: a shorter one that occludes it, or one to a copy of
  /// it. If none does, `beaten` tells the longer edges that the newcomer occludes.
  bool kept_out(const Offer& offer, const HnswGraph::Lanes& lanes, const SlotMap& known,
                std::span<bool> beaten) const;
  /// The longest edge among the eligible lanes that may go, or -1.
  template <class Eligible>
  int longest_droppable(Slot from, float longer_than, const Eligible& eligible) const;
  Status repair(Slot from, Slot removed, std::span<const Slot> around);
  /// Finds the nearest of `candidates` that no shorter edge of `from` occludes, else the nearest.
  Choice replacement(Slot from, uint32_t lane, std::span<const Hit> candidates);
  Status strengthen(Slot slot, std::span<const Slot> around);
  /// Gives a slot without an anchor one.
  Status anchor(Slot slot);
  /// Makes an edge from one of the candidates, the nearest that can.
  Result<bool> anchor_from(Slot orphan, std::span<const Hit> candidates,
                           std::vector<Slot>& orphans);
  /// Blocks of a lower rank within two steps.
  void anchor_candidates(Slot slot, std::vector<Hit>& candidates);
  /// Makes an edge, in a full block for the longest that may go: one that is not a last anchor, or,
  /// with last_anchors, one whose target has a higher rank than the edge's and joins the orphans.
  Result<bool> force_edge(const Offer& offer, bool last_anchors, std::vector<Slot>& orphans);
  /// The lane of a full block that a kept edge may take: the longest filler, else the longest; -1.
  int lane_to_keep(Slot from) const;
  int lane_to_give(const Offer& offer, bool last_anchors) const;
  void replace_root(Slot removed, std::span<const Slot> around);
  std::vector<Hit> hits_from(Slot from, std::span<const Slot> slots);
  bool usable(Slot slot) const;

  HnswGraph& graph_;
  const Space& space_;
  Slot slots_ = 0;  // that the space knows, as of the change under way
};

}  // namespace ferres
