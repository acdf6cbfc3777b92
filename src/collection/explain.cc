// Why a search answers what it answers: its answer beside the nearest points that its filter
// refuses. Both come from the search path itself, so what is told is what happens.
#include <algorithm>
#include <map>

#include "base/epoch.h"
#include "collection/impl.h"
#include "collection/read_filter.h"

namespace ferres {
namespace {

constexpr uint32_t kCandidates = 10;  // for each point asked for, without the filter
constexpr int kSnapshotTries = 3;     // so that both searches see the same points
constexpr size_t kScanned = 4096;     // at once

using PointKey = std::pair<std::string, std::string>;

PointKey key_of(const SearchHit& hit) {
  return {std::string(namespace_of(hit.point.ns)), hit.point.id};
}

}  // namespace

/// Of each score how many points are nearer, by comparing with all. scores ascend.
Status CollectionImpl::count_nearer(const SearchRequest& request, std::span<const float> scores,
                                    std::vector<uint64_t>& counts) {
  counts.assign(scores.size(), 0);
  if (scores.empty()) return {};
  const uint64_t now = env_.clock->unix_micros();
  const auto look = [&](const Partition& partition, Lsn pinned, std::string_view ns) -> Status {
    ReadFilter filter(partition, pinned, now, ns, request.filter);
    filter.require_vector();
    std::vector<Slot> slots;
    filter.for_each_candidate([&](Slot slot) { slots.push_back(slot); });
    const PreparedQuery query = partition.vectors().prepare(request.vector);
    for (size_t at = 0; at < slots.size(); at += kScanned) {
      const size_t many = std::min(kScanned, slots.size() - at);
      std::vector<Hit> hits;
      TRY(scan_slots(partition.vectors(), query, std::span(slots).subspan(at, many),
                     static_cast<uint32_t>(many), filter, hits));
      for (const Hit& hit : hits) {
        const float score = score_of(config_.metric, hit.distance);
        const auto behind = std::upper_bound(scores.begin(), scores.end(), score);
        if (behind != scores.end()) ++counts[static_cast<size_t>(behind - scores.begin())];
      }
    }
    return filter.damage();
  };
  TRY(read_of(request, look));
  for (size_t i = 1; i < counts.size(); ++i)
    counts[i] += counts[i - 1];
  return {};
}

Result<Explanation> CollectionImpl::explain(const SearchRequest& request, const Predicate* within) {
  SearchRequest open = request;
  open.filter = within;
  open.ns = std::string(namespace_of(request.ns, request.filter));
  open.limit = static_cast<uint32_t>(
      std::min<uint64_t>(uint64_t{request.limit} * kCandidates, kSearchLimitMax));
  const bool filtered = request.filter != nullptr && !request.filter->empty();
  Explanation told;
  SearchResult found;
  SearchResult candidates;
  for (int tries = 0; tries < kSnapshotTries; ++tries) {
    told.trace = {};
    SearchRequest asked = request;
    asked.trace = &told.trace;
    TRY_ASSIGN(found, search_uncounted(asked));
    if (!filtered) break;
    TRY_ASSIGN(candidates, search_uncounted(open));
    if (candidates.lsn == found.lsn) break;
  }
  told.ef_search = found.ef_search;
  told.scope = search_scope(request);
  std::map<PointKey, uint64_t> answered;  // and not told yet
  for (const SearchHit& hit : found.hits)
    answered.emplace(key_of(hit), answered.size() + 1);
  uint64_t rank_after = found.hits.size();
  for (SearchHit& hit : candidates.hits) {
    ExplainedPoint point{.hit = std::move(hit), .rank_before = told.points.size() + 1};
    const auto its = answered.find(key_of(point.hit));
    if (its != answered.end()) {
      point.rank_after = its->second;
      answered.erase(its);
    } else if (request.filter->matches(point.hit.point.metadata_json)) {
      point.rank_after = ++rank_after;
    }
    told.points.push_back(std::move(point));
  }
  std::vector<ExplainedPoint> farther;
  std::vector<float> scores;
  for (SearchHit& hit : found.hits) {
    const auto its = answered.find(key_of(hit));
    if (its == answered.end()) continue;
    scores.push_back(hit.score);
    farther.push_back({.hit = std::move(hit), .rank_after = its->second});
  }
  std::vector<uint64_t> nearer;
  if (filtered) TRY(count_nearer(open, scores, nearer));
  for (size_t i = 0; i < farther.size(); ++i) {
    farther[i].rank_before =
        std::max<uint64_t>(filtered ? nearer[i] + 1 : 0, told.points.size() + 1);
    told.points.push_back(std::move(farther[i]));
  }
  return told;
}

}  // namespace ferres
