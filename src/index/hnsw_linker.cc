// See hnsw_linker.h.
#include "index/hnsw_linker.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace ferres {
namespace {

// Squared, for distances that are squares. More keeps longer detours out and made searches slower.
constexpr float kOcclusionFactor = 1.05f * 1.05f;
// Incoming edges (of 32 lanes) below which no edge to a point is given up.
constexpr uint32_t kInDegreeFloor = 10;
// Incoming edges below which a removal adds some, and how many it tries.
constexpr uint32_t kInDegreeWeak = 4;
constexpr size_t kStrengthenTries = 3;
// In-neighbours of a removed point that are offered to each other, beside its out-neighbours.
constexpr size_t kInNeighboursOffered = 16;
// One lane in so many may be kept.
constexpr uint32_t kKeptShare = 8;
constexpr size_t kGroup = 4;
// Of the longest edge: copies seem to lie within it of each other.
constexpr float kCopyShare = 0.02f;

/// Whether a point at `between` from a candidate makes the candidate, at `distance`, superfluous.
bool occludes(const Space& space, float between, float distance) {
  // Inner products may be negative: no factor.
  return (space.triangles() ? kOcclusionFactor * between : between) < distance;
}

bool nearer(const Hit& a, const Hit& b) {
  return a.distance != b.distance ? a.distance < b.distance : a.slot < b.slot;
}

/// True when one of `slots` occludes the candidate. Asked in small groups: the first few decide.
bool any_occludes(const Space& space, const Hit& candidate, std::span<const Slot> slots) {
  float between[kGroup];
  for (size_t done = 0; done < slots.size(); done += kGroup) {
    const size_t n = std::min(kGroup, slots.size() - done);
    space.between(candidate.slot, slots.subspan(done, n), between);
    for (size_t i = 0; i < n; ++i) {
      if (occludes(space, between[i], candidate.distance)) return true;
      // A second copy of a point shows no way that the first does not: without this, copies fill
      // all lanes of each other, and nothing leads out.
      if (space.same(candidate.slot, slots[done + i])) return true;
    }
  }
  return false;
}

}  // namespace

void choose_neighbours(const Space& space, std::span<const Hit> candidates, uint32_t lanes,
                       std::vector<Choice>& choices) {
  Slot standing[kLanesMax];
  size_t count = 0;
  Choice fillers[kLanesMax];
  size_t fillers_count = 0;
  choices.clear();
  for (const Hit& candidate : candidates) {
    if (any_occludes(space, candidate, {standing, count})) {
      if (fillers_count < lanes) {
        fillers[fillers_count++] = {candidate.slot, candidate.distance, true};
      }
      continue;
    }
    standing[count++] = candidate.slot;
    choices.push_back({candidate.slot, candidate.distance, false});
    if (count == lanes) return;
  }
  const size_t room = std::min<size_t>(fillers_count, lanes - count);
  choices.insert(choices.end(), fillers, fillers + room);
}

bool HnswLinker::usable(Slot slot) const {
  return slot < slots_ && graph_.linked(slot);
}

Status HnswLinker::link(Slot slot, std::span<const Choice> choices, const SlotMap& known) {
  slots_ = space_.slots();
  for (const Choice& choice : choices) {
    if (choice.slot == slot || !usable(choice.slot)) continue;
    TRY(graph_.append(slot, choice.word(), choice.distance));
  }
  for (const Choice& choice : choices) {
    if (choice.slot == slot || !usable(choice.slot)) continue;
    TRY_ASSIGN([[maybe_unused]] const bool taken,
               offer({choice.slot, slot, choice.distance}, known));
  }
  return anchor(slot);
}

template <class Eligible>
int HnswLinker::longest_droppable(Slot from, float longer_than, const Eligible& eligible) const {
  const HnswGraph::Lanes lanes = graph_.lanes(from);
  const uint32_t floor = kInDegreeFloor * graph_.lanes_max() / 32;
  bool refused[kLanesMax] = {};
  for (;;) {
    int longest = -1;
    for (uint32_t i = 0; i < lanes.count; ++i) {
      if (!eligible(i) || refused[i] || lanes.kept(i) || !(lanes.lengths[i] > longer_than))
        continue;
      if (longest < 0 || lanes.lengths[i] > lanes.lengths[longest]) longest = static_cast<int>(i);
    }
    if (longest < 0) return -1;
    const Slot target = lanes.slot(static_cast<uint32_t>(longest));
    if (graph_.head(target).incoming.count > floor && graph_.droppable(from, target)) {
      return longest;
    }
    refused[longest] = true;
  }
}

/// Whether it is worth looking if the ends of two edges of a block are copies, one of another.
bool HnswLinker::may_be_copies(float length, float other, float between, float longest) const {
  const float close = kCopyShare * std::fabs(longest);
  return std::fabs(length - other) <= close && (!space_.triangles() || between <= close);
}

bool HnswLinker::kept_out(const Offer& offer, const HnswGraph::Lanes& lanes, const SlotMap& known,
                          std::span<bool> beaten) const {
  const float longest = *std::max_element(lanes.lengths, lanes.lengths + lanes.count);
  const auto settled = [&](uint32_t lane, float between) {
    const float length = lanes.lengths[lane];
    if (may_be_copies(length, offer.length, between, longest) &&
        space_.same(lanes.slot(lane), offer.to)) {
      return true;
    }
    if (length < offer.length) return occludes(space_, between, offer.length);
    beaten[lane] = occludes(space_, between, length);
    return false;
  };
  // One shorter edge is enough: most offers need no more than the distances that are known.
  for (const bool shorter : {true, false}) {
    uint32_t unknown[kLanesMax];
    Slot targets[kLanesMax];
    size_t count = 0;
    for (uint32_t i = 0; i < lanes.count; ++i) {
      if (lanes.filler(i) || (lanes.lengths[i] < offer.length) != shorter) continue;
      float between = 0;
      if (known.find(lanes.slot(i), between)) {
        if (settled(i, between)) return true;
      } else if (lanes.slot(i) < slots_) {
        unknown[count] = i;
        targets[count++] = lanes.slot(i);
      }
    }
    float between[kGroup];
    for (size_t done = 0; done < count; done += kGroup) {
      const size_t n = std::min(kGroup, count - done);
      space_.prefetch(targets + done, n);
      space_.between(offer.to, {targets + done, n}, between);
      for (size_t i = 0; i < n; ++i) {
        if (settled(unknown[done + i], between[i])) return true;
      }
    }
  }
  return false;
}

Result<bool> HnswLinker::offer(const Offer& offer, const SlotMap& known) {
  if (graph_.find_lane(offer.from, offer.to) >= 0) return true;
  const HnswGraph::Lanes lanes = graph_.lanes(offer.from);
  if (lanes.count < graph_.lanes_max()) {
    TRY(graph_.append(offer.from, offer.to, offer.length));
    return true;
  }
  bool beaten[kLanesMax] = {};
  const bool occluded = kept_out(offer, lanes, known, beaten);
  const auto filler = [&](uint32_t lane) { return lanes.filler(lane); };
  int lane = -1;
  if (occluded) {
    lane = longest_droppable(offer.from, offer.length, filler);
  } else {
    lane = longest_droppable(offer.from, -kFar, [&](uint32_t i) { return beaten[i]; });
    if (lane < 0) lane = longest_droppable(offer.from, -kFar, filler);
    if (lane < 0) {
      lane = longest_droppable(offer.from, offer.length, [](uint32_t) { return true; });
    }
  }
  if (lane < 0) return false;
  TRY(graph_.replace(offer.from, static_cast<uint32_t>(lane),
                     occluded ? offer.to | kFillerBit : offer.to, offer.length));
  if (occluded) return true;
  for (uint32_t i = 0; i < lanes.count; ++i) {
    if (beaten[i] && static_cast<int>(i) != lane) graph_.mark_filler(offer.from, i);
  }
  return true;
}

std::vector<Hit> HnswLinker::hits_from(Slot from, std::span<const Slot> slots) {
  std::vector<float> distances(slots.size());
  space_.prefetch(slots.data(), slots.size());
  space_.between(from, slots, distances.data());
  std::vector<Hit> hits(slots.size());
  for (size_t i = 0; i < slots.size(); ++i)
    hits[i] = {distances[i], slots[i]};
  std::sort(hits.begin(), hits.end(), nearer);
  return hits;
}

Choice HnswLinker::replacement(Slot from, uint32_t lane, std::span<const Hit> candidates) {
  const HnswGraph::Lanes lanes = graph_.lanes(from);
  for (const Hit& candidate : candidates) {
    Slot shorter[kLanesMax];
    size_t count = 0;
    for (uint32_t i = 0; i < lanes.count; ++i) {
      if (i == lane || lanes.filler(i) || !(lanes.lengths[i] < candidate.distance)) continue;
      if (lanes.slot(i) < slots_) shorter[count++] = lanes.slot(i);
    }
    if (!any_occludes(space_, candidate, {shorter, count})) {
      return {candidate.slot, candidate.distance, false};
    }
  }
  return {candidates[0].slot, candidates[0].distance, true};
}

Status HnswLinker::repair(Slot from, Slot removed, std::span<const Slot> around) {
  const int lane = graph_.find_lane(from, removed);
  if (lane < 0) return {};
  const auto at = static_cast<uint32_t>(lane);
  std::vector<Slot> offered;
  for (const Slot slot : around) {
    if (slot != from && graph_.find_lane(from, slot) < 0) offered.push_back(slot);
  }
  if (offered.empty() || from >= slots_) {
    graph_.erase(from, at);
    return {};
  }
  const Choice choice = replacement(from, at, hits_from(from, offered));
  return graph_.replace(from, at, choice.word(), choice.distance);
}

Status HnswLinker::strengthen(Slot slot, std::span<const Slot> around) {
  std::vector<Slot> slots(around.begin(), around.end());
  const HnswGraph::Lanes lanes = graph_.lanes(slot);
  for (uint32_t i = 0; i < lanes.count; ++i)
    slots.push_back(lanes.slot(i));
  std::sort(slots.begin(), slots.end());
  slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
  std::erase_if(slots, [&](Slot s) { return s == slot || !usable(s); });
  const std::vector<Hit> hits = hits_from(slot, slots);
  std::vector<Slot> orphans;
  for (size_t i = 0; i < std::min(kStrengthenTries, hits.size()); ++i) {
    TRY_ASSIGN([[maybe_unused]] const bool made,
               force_edge({hits[i].slot, slot, hits[i].distance}, false, orphans));
  }
  return {};
}

int HnswLinker::lane_to_give(const Offer& offer, bool last_anchors) const {
  const HnswGraph::Lanes lanes = graph_.lanes(offer.from);
  const uint64_t rank = graph_.head(offer.to).rank;
  int lane = -1;
  for (const bool filler : {true, false}) {
    for (uint32_t i = 0; i < lanes.count; ++i) {
      const Slot target = lanes.slot(i);
      const bool may_go =
          last_anchors ? graph_.head(target).rank > rank : graph_.droppable(offer.from, target);
      if (!may_go || lanes.filler(i) != filler) continue;
      if (lane < 0 || lanes.lengths[i] > lanes.lengths[lane]) lane = static_cast<int>(i);
    }
    if (lane >= 0) break;
  }
  return lane;
}

Result<bool> HnswLinker::force_edge(const Offer& offer, bool last_anchors,
                                    std::vector<Slot>& orphans) {
  if (graph_.find_lane(offer.from, offer.to) >= 0) return true;
  const HnswGraph::Lanes lanes = graph_.lanes(offer.from);
  if (lanes.count < graph_.lanes_max()) {
    TRY(graph_.append(offer.from, offer.to, offer.length));
    return true;
  }
  const int lane = lane_to_give(offer, last_anchors);
  if (lane < 0) return false;
  const Slot dropped = lanes.slot(static_cast<uint32_t>(lane));
  TRY(graph_.replace(offer.from, static_cast<uint32_t>(lane), offer.to, offer.length));
  if (last_anchors) orphans.push_back(dropped);
  return true;
}

void HnswLinker::anchor_candidates(Slot slot, std::vector<Hit>& candidates) {
  const uint64_t rank = graph_.head(slot).rank;
  std::vector<Slot> slots;
  const auto collect = [&](Slot candidate) {
    if (candidate != slot && usable(candidate) && graph_.head(candidate).rank < rank) {
      slots.push_back(candidate);
    }
  };
  const HnswGraph::Lanes lanes = graph_.lanes(slot);
  for (uint32_t i = 0; i < lanes.count; ++i) {
    collect(lanes.slot(i));
    const HnswGraph::Lanes next = graph_.lanes(lanes.slot(i));
    for (uint32_t j = 0; j < next.count; ++j)
      collect(next.slot(j));
  }
  std::sort(slots.begin(), slots.end());
  slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
  candidates = hits_from(slot, slots);
}

Result<bool> HnswLinker::anchor_from(Slot orphan, std::span<const Hit> candidates,
                                     std::vector<Slot>& orphans) {
  for (const bool last_anchors : {false, true}) {
    for (const Hit& candidate : candidates) {
      TRY_ASSIGN(const bool made,
                 force_edge({candidate.slot, orphan, candidate.distance}, last_anchors, orphans));
      if (made) return true;
    }
  }
  return false;
}

// Ends, because an orphan only ever takes the anchor of a block of a higher rank. Succeeds, because
// the blocks below the orphan's rank have more lanes than there are blocks for them to anchor, so
// one of them has a lane that is free, droppable, or anchors a higher rank; and because the root
// reaches them all by edges among themselves.
Status HnswLinker::anchor(Slot slot) {
  std::vector<Slot> orphans = {slot};
  std::vector<Hit> candidates;
  while (!orphans.empty()) {
    const Slot orphan = orphans.back();
    orphans.pop_back();
    const Slot root = graph_.root();
    if (orphan == root || root == kNoSlot || !usable(orphan)) continue;
    if (graph_.head(orphan).anchors > 0) continue;
    anchor_candidates(orphan, candidates);
    TRY_ASSIGN(bool anchored, anchor_from(orphan, candidates, orphans));
    if (anchored) continue;
    std::vector<Slot> reached = {root};
    std::set<Slot> seen = {root};
    for (size_t next = 0; next < reached.size() && !anchored; ++next) {
      const Hit hit = {space_.between(reached[next], orphan), reached[next]};
      TRY_ASSIGN(anchored, anchor_from(orphan, {&hit, 1}, orphans));
      const HnswGraph::Lanes lanes = graph_.lanes(reached[next]);
      for (uint32_t i = 0; i < lanes.count; ++i) {
        const Slot below = lanes.slot(i);
        if (usable(below) && graph_.head(below).rank < graph_.head(orphan).rank &&
            seen.insert(below).second) {
          reached.push_back(below);
        }
      }
    }
  }
  return {};
}

void HnswLinker::replace_root(Slot removed, std::span<const Slot> around) {
  Slot next = around.empty() ? kNoSlot : around.front();
  const Slot end = graph_.view().slots;
  for (Slot slot = 0; next == kNoSlot && slot < end; ++slot) {
    if (slot != removed && usable(slot)) next = slot;
  }
  graph_.set_root(next);
}

int HnswLinker::lane_to_keep(Slot from) const {
  const HnswGraph::Lanes lanes = graph_.lanes(from);
  const uint32_t floor = kInDegreeFloor * graph_.lanes_max() / 32;
  uint32_t kept = 0;
  int lane = -1;
  for (uint32_t i = 0; i < lanes.count; ++i) {
    if (lanes.kept(i)) {
      ++kept;
      continue;
    }
    const Slot target = lanes.slot(i);
    if (graph_.head(target).incoming.count <= floor || !graph_.droppable(from, target)) {
      continue;
    }
    const bool better = lane < 0 || (lanes.filler(i) != lanes.filler(static_cast<uint32_t>(lane))
                                         ? lanes.filler(i)
                                         : lanes.lengths[i] > lanes.lengths[lane]);
    if (better) lane = static_cast<int>(i);
  }
  return kept < graph_.lanes_max() / kKeptShare ? lane : -1;
}

Status HnswLinker::keep_found(Slot slot, std::span<const Hit> found) {
  slots_ = space_.slots();
  for (const Hit& hit : found) {
    if (hit.slot == slot || !usable(hit.slot)) continue;
    if (graph_.find_lane(hit.slot, slot) >= 0) return {};
    const HnswGraph::Lanes lanes = graph_.lanes(hit.slot);
    if (lanes.count < graph_.lanes_max()) {
      return graph_.append(hit.slot, slot | kKeptBit, hit.distance);
    }
    const int lane = lane_to_keep(hit.slot);
    if (lane < 0) continue;
    return graph_.replace(hit.slot, static_cast<uint32_t>(lane), slot | kKeptBit, hit.distance);
  }
  return {};
}

Status HnswLinker::unlink(Slot slot) {
  slots_ = space_.slots();
  const std::span<const uint32_t> incoming = graph_.incoming(slot);
  const std::vector<Slot> in(incoming.begin(), incoming.end());
  std::vector<Slot> out;
  const HnswGraph::Lanes lanes = graph_.lanes(slot);
  out.reserve(lanes.count);
  for (uint32_t i = 0; i < lanes.count; ++i)
    out.push_back(lanes.slot(i));
  graph_.detach(slot);
  std::erase_if(out, [&](Slot s) { return !usable(s); });
  std::vector<Slot> around = out;
  for (size_t i = 0; i < std::min(kInNeighboursOffered, in.size()); ++i) {
    if (usable(in[i]) && std::find(out.begin(), out.end(), in[i]) == out.end()) {
      around.push_back(in[i]);
    }
  }
  if (graph_.root() == slot) replace_root(slot, around);
  // Each repair stands alone: one that finds no memory leaves its block an edge short.
  Status result;
  for (const Slot from : in) {
    if (Status done = repair(from, slot, around); !done.ok()) result = std::move(done);
  }
  for (const Slot neighbour : out) {
    if (graph_.incoming(neighbour).size() < kInDegreeWeak) {
      if (Status done = strengthen(neighbour, out); !done.ok()) result = std::move(done);
    }
    if (Status done = anchor(neighbour); !done.ok()) result = std::move(done);
  }
  return result;
}

}  // namespace ferres
