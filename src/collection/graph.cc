// The points that links lead to, from one point or all over a collection, and the links among them.
// Level by level, each in every partition that the level before led to, one after the other: points
// are known by their storage ids between two looks. What died meanwhile is passed over.
#include <algorithm>
#include <unordered_map>

#include "base/epoch.h"
#include "collection/impl.h"
#include "collection/linked.h"
#include "collection/reached.h"

namespace ferres {
namespace {

constexpr size_t kEdgesMax = 100'000;

}  // namespace

/// Finds what those from `begin` on are linked with.
Status CollectionImpl::reach_next(Reached& reached, size_t begin, const Sight& sight) {
  const uint64_t now = env_.clock->unix_micros();
  std::vector<HalfSeen> halves;
  for (const auto& [ns, group] : reached.groups(begin, newest()->isolated())) {
    const auto look = [&, &of_partition = group](const Partition& partition, Lsn pinned) {
      const LinkReader reader(partition, pinned, now, sight);
      SlotSet seen;
      const auto here = [&](Slot end) {
        if (seen.contains(end)) return true;
        seen.add(end);
        return reached.add(reader.id_of(end));
      };
      for (const size_t i : of_partition) {
        const std::string id = reached.ids()[i];
        const std::optional<Slot> slot = reader.find(id);
        if (!slot) continue;
        reader.for_each_end(*slot, here, [&](std::string_view other) {
          halves.push_back({i, id, std::string(other)});
          return true;
        });
        if (reached.cut()) break;
      }
      return reader.damage();
    };
    TRY(read_namespace(ns, look));
  }
  return ask_elsewhere(halves, sight, [&](const HalfSeen& half) { reached.add(half.other); });
}

Status CollectionImpl::reach_from(const PointName& center, uint32_t hops, const Sight& sight,
                                  Reached& reached) {
  const std::string id = storage_id(center);
  bool found = false;
  const auto look = [&](const Partition& partition, Lsn pinned) {
    const LinkReader reader(partition, pinned, env_.clock->unix_micros(), sight);
    found = reader.find(id).has_value();
    return reader.damage();
  };
  TRY(read_namespace(namespace_of(center.ns), look));
  if (!found) return {Code::kNotFound, "point '" + center.id + "' not found"};
  reached.add(id);
  size_t begin = 0;
  for (uint32_t hop = 0; hop < hops && begin < reached.size() && !reached.cut(); ++hop) {
    const size_t end = reached.size();
    TRY(reach_next(reached, begin, sight));
    reached.sort(end);
    begin = end;
  }
  return {};
}

/// Points that have links.
Status CollectionImpl::reach_all(const SubgraphRequest& request, Reached& reached) {
  const uint64_t now = env_.clock->unix_micros();
  return read_of(request, [&](const Partition& partition, Lsn pinned, std::string_view ns) {
    if (partition.relations().empty()) return Status();
    const LinkReader reader(partition, pinned, now, request.sight);
    const ReadFilter filter(partition, pinned, now, ns, request.filter);
    for (Slot slot = 0; slot < filter.view().count() && !reached.cut(); ++slot) {
      if (reader.links().node_of(slot) != 0 && filter.admits(slot)) reached.add(reader.id_of(slot));
    }
    TRY(filter.damage());
    return reader.damage();
  });
}

/// What a subgraph is made of, by the places of its points in `reached`.
struct CollectionImpl::Pieces {
  std::vector<std::optional<Point>> points;  // nothing: it is gone
  std::vector<std::pair<size_t, size_t>> halves;
  AnswerLinks links;
  bool cut = false;
};

/// The links among those points that one partition tells, once from each end.
void CollectionImpl::add_edges(const LinkReader& reader, const Reached& reached,
                               const std::vector<std::pair<size_t, Slot>>& own, Pieces& pieces) {
  std::unordered_map<Relations::Node, size_t> places;
  for (const auto& [place, slot] : own)
    if (const auto node = reader.links().node_of(slot); node != 0) places.emplace(node, place);
  for (size_t i = 0; i < reached.size(); ++i) {
    if (const auto node = reader.links().node_of(std::string_view(reached.ids()[i])); node != 0)
      places.emplace(node, i);
  }
  for (const auto& [place, slot] : own) {
    const auto node = reader.links().node_of(slot);
    if (node == 0) continue;
    const std::vector<Relations::Node> ends = reader.links().neighbours(node);
    const auto add = [&, from = place](size_t to) {
      pieces.cut |= pieces.halves.size() >= 2 * kEdgesMax;
      if (!pieces.cut) pieces.halves.emplace_back(std::min(from, to), std::max(from, to));
    };
    if (ends.size() > 8 * places.size()) {
      for (const auto& [other, to] : places)
        if (std::binary_search(ends.begin(), ends.end(), other)) add(to);
      continue;
    }
    for (const Relations::Node end : ends)
      if (const auto found = places.find(end); found != places.end()) add(found->second);
  }
}

Status CollectionImpl::add_pieces(const Reached& reached, const Sight& sight, Pieces& pieces) {
  const uint64_t now = env_.clock->unix_micros();
  pieces.points.resize(reached.size());
  for (const auto& [ns, group] : reached.groups(0, newest()->isolated())) {
    const auto look = [&, &of_partition = group](const Partition& partition, Lsn pinned) -> Status {
      const LinkReader reader(partition, pinned, now, sight);
      std::vector<std::pair<size_t, Slot>> own;
      for (const size_t i : of_partition) {
        const std::optional<Slot> slot = reader.find(reached.ids()[i]);
        if (!slot) continue;
        own.emplace_back(i, *slot);
        TRY_ASSIGN(pieces.points[i], materialize(partition, *slot, false, true));
        TRY(add_relations(reader, *slot, i, *pieces.points[i], pieces.links));
      }
      add_edges(reader, reached, own, pieces);
      return reader.damage();
    };
    TRY(read_namespace(ns, look));
  }
  return {};
}

Result<Subgraph> CollectionImpl::subgraph(const SubgraphRequest& request) {
  TRY(failure());
  Reached reached(request.limit);
  if (request.center) {
    TRY(reach_from(*request.center, request.depth, request.sight, reached));
  } else {
    TRY(reach_all(request, reached));
    reached.sort(0);
  }
  Pieces pieces;
  TRY(add_pieces(reached, request.sight, pieces));
  std::vector<Point> points(pieces.points.size());
  for (size_t i = 0; i < points.size(); ++i)
    if (auto& point = pieces.points[i]; point) points[i] = *std::move(point);
  TRY(finish_relations(points, pieces.links, request.sight));
  Subgraph graph;
  graph.cut = reached.cut() || pieces.cut;
  std::vector<size_t> places(points.size(), points.size());
  for (size_t i = 0; i < points.size(); ++i) {
    if (points[i].id.empty() || (!request.center && points[i].relations.empty())) continue;
    places[i] = graph.nodes.size();
    graph.nodes.push_back(std::move(points[i]));
  }
  // Told from both ends, or it is half of one.
  std::sort(pieces.halves.begin(), pieces.halves.end());
  for (auto half = pieces.halves.begin(); half != pieces.halves.end(); ++half) {
    const auto next = half + 1;
    if (next == pieces.halves.end() || *next != *half) continue;
    const auto [from, to] = *half;
    half = next;
    if (places[from] < points.size() && places[to] < points.size())
      graph.edges.emplace_back(places[from], places[to]);
  }
  return graph;
}

}  // namespace ferres
