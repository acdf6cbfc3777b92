// The search path, for each partition that may hold an answer: pin an LSN, choose a strategy, merge
// the graph's answers with the unlinked tail's, copy the points. Strategies: the graph with its
// tail; for a selective filter a scan of its matches or a walk among them, whichever the planner
// expects to be cheaper; the exact scan when asked for. Where the payload index cannot tell the
// matches, the filter goes into the walk.
#include <algorithm>
#include <cmath>

#include "base/epoch.h"
#include "collection/impl.h"
#include "collection/read_filter.h"

namespace ferres {
namespace {

constexpr uint64_t kScanMatches = 2000;  // so many matches, or
constexpr uint64_t kScanShare = 20;      // one in so many points, are scanned rather than walked to
constexpr uint32_t kVisitsMin = 2000;    // a filtered walk may spend this much, or
constexpr uint32_t kVisitsShare = 8;     // one in so many slots, before the scan is cheaper

bool nearer(const Hit& a, const Hit& b) {
  return a.distance != b.distance ? a.distance < b.distance : a.slot < b.slot;
}

/// A slot that was linked between the two looks is in both lists.
void merge_hits(std::vector<Hit>& hits, const std::vector<Hit>& more, uint32_t k) {
  hits.insert(hits.end(), more.begin(), more.end());
  std::sort(hits.begin(), hits.end(), nearer);
  hits.erase(std::unique(hits.begin(), hits.end(),
                         [](const Hit& a, const Hit& b) { return a.slot == b.slot; }),
             hits.end());
  if (hits.size() > k) hits.resize(k);
}

}  // namespace

float score_of(Metric metric, float distance) {
  switch (metric) {
    case Metric::kEuclidean:
      return std::sqrt(distance);
    case Metric::kDot:
      return 1 + distance;
    case Metric::kCosine:
      break;
  }
  return distance;
}

/// The vector to search for: the request's, or that of the point it names, kept in `stored`.
Result<std::span<const float>> CollectionImpl::query_vector(const SearchRequest& request,
                                                            std::vector<float>& stored) {
  if (request.id) {
    const std::string ns(namespace_of(request.ns, request.filter));
    TRY_ASSIGN(Point point, get(*request.id, ns));
    stored = std::move(point.vector);
    if (!stored.empty()) return std::span<const float>(stored);
    return Status(Code::kInvalidArgument, "point '" + *request.id + "' has no vector to search by");
  }
  if (request.vector.size() != config_.dimension) {
    return Status(Code::kInvalidDimension, "dimension mismatch: expected " +
                                               std::to_string(config_.dimension) + ", got " +
                                               std::to_string(request.vector.size()));
  }
  for (size_t i = 0; i < request.vector.size(); ++i) {
    if (!std::isfinite(request.vector[i])) {
      return Status(Code::kInvalidArgument, "non-finite value at index " + std::to_string(i));
    }
  }
  if (const auto reason = too_long(request.vector, config_.metric); !reason.empty())
    return Status(Code::kInvalidArgument, reason);
  return std::span<const float>(request.vector);
}

/// Compares the query with every match, on codes where the index has them.
Status CollectionImpl::scan_matches(std::span<const float> query, const SearchRequest& request,
                                    const ReadFilter& filter, std::vector<Hit>& hits) const {
  const Partition::Derived& derived = filter.partition().derived();
  // Copied before the index is asked: see collection/tail.h.
  std::vector<Slot> tail;
  derived.tail.snapshot(tail);
  const SlotSet* members = filter.members();
  SlotSet linked;
  if (!tail.empty()) {
    std::sort(tail.begin(), tail.end());
    SlotSet waiting;
    for (const Slot slot : tail)
      waiting.add(slot);
    linked = *members;
    linked -= waiting;
    members = &linked;
  }
  TRY(derived.index->scan_members(query, request.limit, *members, filter, hits));
  std::vector<Hit> unlinked;
  TRY(scan_tail(query, request, filter, tail, unlinked));
  TRY(filter.damage());
  if (request.trace != nullptr) request.trace->visited += members->size() + tail.size();
  merge_hits(hits, unlinked, request.limit);
  return {};
}

/// The cheaper one of a scan of the matches and a walk among them.
Status CollectionImpl::search_matches(std::span<const float> query, const SearchRequest& request,
                                      uint32_t ef, const ReadFilter& filter,
                                      std::vector<Hit>& hits) const {
  if (filter.members() == nullptr) {
    return few_match(filter) ? scan_all(query, request, filter, hits)
                             : walk(query, request, ef, filter, hits);
  }
  const uint64_t matches = filter.matches_max();
  const uint64_t points = filter.partition().live_points();
  const bool scan = planner_.scan_is_cheaper(matches, points, ef);
  const uint64_t started = env_.clock->monotonic_nanos();
  TRY(scan ? scan_matches(query, request, filter, hits) : walk(query, request, ef, filter, hits));
  const uint64_t nanos = env_.clock->monotonic_nanos() - started;
  if (scan) {
    planner_.learn_scan(matches, points, nanos);
  } else {
    planner_.learn_walk(matches, points, ef, nanos);
  }
  return {};
}

bool CollectionImpl::few_match(const ReadFilter& filter) const {
  return filter.matches_max() <=
         std::max(kScanMatches, filter.partition().live_points() / kScanShare);
}

Status CollectionImpl::scan_all(std::span<const float> query, const SearchRequest& request,
                                const ReadFilter& filter, std::vector<Hit>& hits) const {
  const VectorStore& vectors = filter.partition().vectors();
  std::vector<Slot> slots;
  filter.for_each_candidate([&](Slot slot) { slots.push_back(slot); });
  if (request.trace != nullptr) {
    request.trace->visited += static_cast<uint64_t>(std::count_if(
        slots.begin(), slots.end(), [&](Slot slot) { return filter.view().used(slot); }));
  }
  TRY(scan_slots(vectors, vectors.prepare(query), slots, request.limit, filter, hits));
  return filter.damage();
}

/// Those that the index does not know yet, exactly.
Status CollectionImpl::scan_tail(std::span<const float> query, const SearchRequest& request,
                                 const ReadFilter& filter, std::span<const Slot> tail,
                                 std::vector<Hit>& hits) const {
  if (tail.empty()) return {};
  const VectorStore& vectors = filter.partition().vectors();
  return scan_slots(vectors, vectors.prepare(query), tail, request.limit, filter, hits);
}

Status CollectionImpl::walk(std::span<const float> query, const SearchRequest& request, uint32_t ef,
                            const ReadFilter& filter, std::vector<Hit>& hits) const {
  const Partition::Derived& derived = filter.partition().derived();
  // The tail is copied before the graph is walked: see collection/tail.h.
  std::vector<Slot> tail;
  derived.tail.snapshot(tail);
  std::vector<Hit> unlinked;
  TRY(scan_tail(query, request, filter, tail, unlinked));
  SearchParams params;
  params.k = request.limit;
  params.ef = ef;
  if (filter.members() != nullptr) {
    params.visits_max = planner_.visits_max(filter.matches_max());
  } else if (filter.selective()) {
    params.visits_max = std::max(kVisitsMin, filter.view().count() / kVisitsShare);
  }
  Explain walked;
  walked.hits.swap(hits);  // its memory is used again
  TRY(derived.index->search_explain(query, params, filter, walked));
  hits.swap(walked.hits);
  TRY(filter.damage());
  if (request.trace != nullptr) {
    request.trace->visited += walked.visited + tail.size();
    request.trace->layers = std::max(request.trace->layers, walked.layers);
  }
  if (walked.exhausted) {
    merge_hits(hits, unlinked, request.limit);
    return {};
  }
  return filter.members() != nullptr ? scan_matches(query, request, filter, hits)
                                     : scan_all(query, request, filter, hits);
}

/// Where a search looks, and at which LSN.
struct CollectionImpl::Looked {
  const Partition& partition;
  Lsn pinned = 0;
  std::string_view ns;  // empty: all of the partition
};

Result<SearchResult> CollectionImpl::search(const SearchRequest& request) {
  TRY_ASSIGN(SearchResult result, search_uncounted(request));
  queries_.fetch_add(1, std::memory_order_relaxed);
  return result;
}

Result<SearchResult> CollectionImpl::search_uncounted(const SearchRequest& request) {
  TRY(failure());
  if (request.limit == 0) return Status(Code::kInvalidArgument, "limit must be greater than 0");
  if (request.limit > kSearchLimitMax) {
    return Status(Code::kInvalidArgument,
                  "limit too large: max " + std::to_string(kSearchLimitMax));
  }
  std::vector<float> stored;
  TRY_ASSIGN(const std::span<const float> query, query_vector(request, stored));
  SearchResult result;
  TRY(read_of(request, [&](const Partition& partition, Lsn pinned, std::string_view ns) {
    return search_in({partition, pinned, ns}, request, query, result);
  }));
  return result;
}

/// The nearest in one partition, merged with those of others that were found before.
Status CollectionImpl::search_in(const Looked& at, const SearchRequest& request,
                                 std::span<const float> query, SearchResult& result) {
  const auto& [partition, pinned, ns] = at;
  ReadFilter filter(partition, pinned, env_.clock->unix_micros(), ns, request.filter);
  if (request.id) {
    TRY_ASSIGN(const std::optional<Slot> itself,
               partition.find(namespace_of(request.ns, request.filter), *request.id, pinned));
    filter.exclude(itself.value_or(kNoSlot));
  }
  filter.require_vector();
  if (request.until_nanos != 0) filter.give_up_at(*env_.clock, request.until_nanos);

  std::vector<Hit> hits;
  const uint32_t ef = ef_of(partition, request, query);
  if (request.exact || request.target_recall == 1) {
    TRY(scan_all(query, request, filter, hits));
  } else if (filter.selective()) {
    TRY(search_matches(query, request, ef, filter, hits));
  } else {
    TRY(walk(query, request, ef, filter, hits));
  }
  if (request.trace != nullptr) request.trace->tombstones += filter.invisible();
  if (partition.vectors().release_due()) wake();
  result.lsn = pinned;
  result.ef_search = ef;
  if (result.hits.size() == request.limit) {
    std::erase_if(hits, [&](const Hit& hit) {
      return score_of(config_.metric, hit.distance) >= result.hits.back().score;
    });
  }
  for (const Hit& hit : hits)
    partition.heap().prefetch(filter.view().record(hit.slot));
  const auto before = static_cast<ptrdiff_t>(result.hits.size());
  result.hits.reserve(result.hits.size() + hits.size());
  for (const Hit& hit : hits) {
    TRY_ASSIGN(Point point,
               materialize(partition, hit.slot, request.with_vector, request.with_metadata));
    result.hits.push_back({score_of(config_.metric, hit.distance), std::move(point)});
  }
  if (before == 0) return {};
  std::inplace_merge(result.hits.begin(), result.hits.begin() + before, result.hits.end(),
                     [](const SearchHit& a, const SearchHit& b) { return a.score < b.score; });
  if (result.hits.size() > request.limit) result.hits.resize(request.limit);
  return {};
}

}  // namespace ferres
