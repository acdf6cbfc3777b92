// Searches among the points that links lead to: those are found first, and then compared with the
// query one by one, so the answer is exact.
#include <algorithm>

#include "base/epoch.h"
#include "collection/impl.h"
#include "collection/linked.h"
#include "collection/reached.h"

namespace ferres {
namespace {

Status check_request(const ConnectedRequest& request) {
  const uint32_t limit = request.search.limit;
  if (limit == 0 || limit > kSearchLimitMax) {
    return {Code::kInvalidArgument,
            "limit must be between 1 and " + std::to_string(kSearchLimitMax)};
  }
  if (request.hops == 0 || request.hops > kHopsMax)
    return {Code::kInvalidArgument, "hops must be between 1 and " + std::to_string(kHopsMax)};
  return {};
}

bool wanted(const SearchRequest& request, std::string_view ns) {
  const std::string_view named = namespace_of(request.ns, request.filter);
  if (!named.empty()) return ns == named;
  const auto& some = request.namespaces;
  return some.empty() || std::find(some.begin(), some.end(), ns) != some.end();
}

}  // namespace

Result<SearchResult> CollectionImpl::search_connected(const ConnectedRequest& request) {
  TRY(failure());
  TRY(check_request(request));
  queries_.fetch_add(1, std::memory_order_relaxed);
  std::vector<float> stored;
  TRY_ASSIGN(const std::span<const float> query, query_vector(request.search, stored));
  Reached reached(kConnectedPointsMax + 1);
  TRY(reach_from(request.center, request.hops, request.sight, reached));
  if (reached.cut()) {
    return Status(Code::kInvalidArgument, "more than " + std::to_string(kConnectedPointsMax) +
                                              " points are within " + std::to_string(request.hops) +
                                              " hops of '" + request.center.id +
                                              "': ask for fewer hops");
  }
  SearchResult result;
  for (const auto& [ns, group] : reached.groups(1, newest()->isolated())) {
    std::vector<const std::string*> ids;
    for (const size_t i : group) {
      const std::string& id = reached.ids()[i];
      if (wanted(request.search, namespace_of_storage_id(id))) ids.push_back(&id);
    }
    TRY(read_namespace(ns, [&](const Partition& partition, Lsn pinned) {
      result.lsn = pinned;
      return search_among(partition, pinned, request, {query, ids}, result);
    }));
  }
  std::stable_sort(result.hits.begin(), result.hits.end(),
                   [](const SearchHit& a, const SearchHit& b) { return a.score < b.score; });
  if (result.hits.size() > request.search.limit) result.hits.resize(request.search.limit);
  return result;
}

Status CollectionImpl::search_among(const Partition& partition, Lsn pinned,
                                    const ConnectedRequest& request, const Among& among,
                                    SearchResult& result) const {
  const uint64_t now = env_.clock->unix_micros();
  const LinkReader reader(partition, pinned, now, request.sight);
  ReadFilter filter(partition, pinned, now, {}, request.search.filter);
  filter.require_vector();
  std::vector<Slot> slots;
  for (const std::string* const id : among.ids)
    if (const std::optional<Slot> slot = reader.find(*id)) slots.push_back(*slot);
  TRY(reader.damage());
  std::sort(slots.begin(), slots.end());
  const VectorStore& vectors = partition.vectors();
  std::vector<Hit> hits;
  TRY(scan_slots(vectors, vectors.prepare(among.query), slots, request.search.limit, filter, hits));
  TRY(filter.damage());
  for (const Hit& hit : hits) {
    TRY_ASSIGN(Point point, materialize(partition, hit.slot, request.search.with_vector,
                                        request.search.with_metadata));
    result.hits.push_back({score_of(config_.metric, hit.distance), std::move(point)});
  }
  return {};
}

}  // namespace ferres
