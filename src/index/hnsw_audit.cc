// Whole-graph checks of hnsw_graph.h, for audit() and tests: what the lane keeps true edge by edge,
// counted from scratch. The lane only.
#include <algorithm>
#include <string>
#include <vector>

#include "index/hnsw_graph.h"

namespace ferres {

uint64_t HnswGraph::unreachable() const {
  const Slot end = lane_view_.slots;
  std::vector<bool> seen(end);
  std::vector<Slot> open;
  const auto meet = [&](Slot slot) {
    if (slot >= end || seen[slot] || !linked(slot)) return;
    seen[slot] = true;
    open.push_back(slot);
  };
  uint64_t reached = 0;
  meet(root());
  while (!open.empty()) {
    const Slot slot = open.back();
    open.pop_back();
    ++reached;
    const Lanes lanes = this->lanes(slot);
    for (uint32_t i = 0; i < lanes.count; ++i)
      meet(lanes.slot(i));
  }
  uint64_t points = 0;
  for (Slot slot = 0; slot < end; ++slot)
    points += linked(slot);
  return points - reached;
}

bool HnswGraph::anchored(Slot slot) const {
  if (!linked(slot) || slot == root()) return true;
  const uint64_t rank = head(slot).rank;
  const std::span<const uint32_t> list = incoming(slot);
  return std::any_of(list.begin(), list.end(), [&](Slot from) {
    return linked(from) && head(from).rank < rank && find_lane(from, slot) >= 0;
  });
}

std::string HnswGraph::inconsistency() const {
  const Slot end = lane_view_.slots;
  std::vector<uint32_t> anchors(end);
  std::vector<uint64_t> edges_in(end);
  for (Slot slot = 0; slot < end; ++slot) {
    if (!linked(slot)) continue;
    const Lanes lanes = this->lanes(slot);
    for (uint32_t i = 0; i < lanes.count; ++i) {
      const Slot to = lanes.slot(i);
      if (to == slot || !linked(to)) return "dangling edge of slot " + std::to_string(slot);
      if (find_lane(slot, to) != static_cast<int>(i)) {
        return "double edge of slot " + std::to_string(slot);
      }
      const std::span<const uint32_t> list = incoming(to);
      if (std::count(list.begin(), list.end(), slot) != 1) {
        return "edge missing in the incoming list of slot " + std::to_string(to);
      }
      ++edges_in[to];
      anchors[to] += head(slot).rank < head(to).rank;
    }
  }
  for (Slot slot = 0; slot < end; ++slot) {
    if (!linked(slot)) continue;
    if (incoming(slot).size() != edges_in[slot]) {
      return "stale entry in the incoming list of slot " + std::to_string(slot);
    }
    if (head(slot).anchors != anchors[slot]) {
      return "wrong count of anchors of slot " + std::to_string(slot);
    }
    if (anchors[slot] == 0 && root() != slot) {
      return "no anchor of slot " + std::to_string(slot);
    }
  }
  return {};
}

}  // namespace ferres
