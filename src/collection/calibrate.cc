// How ef_search and recall hang together in this collection: queries are walked with one ef after
// another, and the answers are compared with those of a walk so wide that it misses next to
// nothing. The queries are those that people asked; before there are enough of them, points of the
// collection, searched for as if they were not in it. (That takes a little more than new queries
// do: the edges that led past such a point, or through it, are not mended.) Searches with a
// target_recall ask for it; it runs in short tasks between others, a query each. Of several
// partitions the largest is measured: smaller ones need less.
#include <algorithm>

#include "base/epoch.h"
#include "base/logging.h"
#include "base/random.h"
#include "collection/impl.h"

namespace ferres {
namespace {

// So many neighbours are compared, spread over so many points: an error of about half a point at a
// recall of 0.95, and less at more.
constexpr uint32_t kNeighbours = 20'000;
constexpr uint32_t kSamplesMin = 100;
constexpr uint32_t kSamplesMax = 2000;
constexpr uint32_t kTruthEf = 2000;       // of the walk that answers are compared with, or
constexpr uint32_t kTruthEfTimes = 8;     // so many times k
constexpr uint32_t kUnmeasuredEf = 400;   // until it is measured, or
constexpr uint32_t kUnmeasuredTimes = 4;  // so many times k: enough for nearly all data
constexpr int kDrawsMax = 64;             // to meet a point that has a vector

}  // namespace

/// A curve as far as it was measured.
struct CollectionImpl::Calibration {
  explicit Calibration(uint32_t neighbours, uint64_t seed)
      : k(neighbours),
        truth_ef(std::max(kTruthEf, kTruthEfTimes * neighbours)),
        samples(std::clamp(kNeighbours / neighbours, kSamplesMin, kSamplesMax)),
        random(seed) {
    for (uint32_t ef = k; ef < truth_ef; ef += ef / 2 + 1)
      efs.push_back(ef);
    found.resize(efs.size());
  }

  const uint32_t k;
  const uint32_t truth_ef;
  uint32_t samples;                         // left
  std::vector<std::vector<float>> queries;  // the last `samples` are left; empty: points are drawn
  uint64_t queries_seen = 0;
  uint64_t points = 0;  // that it is measured among
  Random random;
  std::vector<uint32_t> efs;
  std::vector<uint64_t> found;  // neighbours, for each ef
  uint64_t wanted = 0;          // for any ef
};

std::shared_ptr<CollectionImpl::Calibration> CollectionImpl::new_calibration(uint32_t k) const {
  auto calibration = std::make_shared<Calibration>(curve_class(k), config_.index.seed);
  const uint64_t seen = query_sample_.offered();
  if (seen < kCurveQueriesMin) return calibration;
  calibration->queries_seen = seen;
  calibration->queries = query_sample_.copy();
  const size_t queries = calibration->queries.size();
  calibration->samples = std::min(calibration->samples, static_cast<uint32_t>(queries));
  return calibration;
}

/// A point that has a vector; kNoSlot when none was met.
Slot CollectionImpl::draw_point(Calibration& calibration, const ReadFilter& filter) const {
  const Slot slots = filter.view().count();
  for (int draw = 0; slots > 0 && draw < kDrawsMax; ++draw) {
    const auto drawn = static_cast<Slot>(calibration.random.below(slots));
    if (filter.admits(drawn)) return drawn;
  }
  return kNoSlot;
}

/// One query's share of the curve.
Status CollectionImpl::calibrate_on_one(Calibration& calibration, const Partition& partition,
                                        Lsn pinned) const {
  ReadFilter filter(partition, pinned, env_.clock->unix_micros(), {}, nullptr);
  filter.require_vector();
  const ANNIndex& index = *partition.derived().index;
  SearchParams params;
  params.ef = calibration.truth_ef;
  // So that half the pool is compared on full vectors: codes of few bits hide true neighbours.
  params.k = calibration.truth_ef / 2;
  std::vector<float> drawn;
  std::span<const float> query;
  if (calibration.queries.empty()) {
    const Slot slot = draw_point(calibration, filter);
    if (slot == kNoSlot) return {};
    TRY(partition.vectors().verify(slot));
    drawn = partition.vectors().get(slot);
    query = drawn;
    params.without = slot;
  } else {
    query = calibration.queries[calibration.samples - 1];
  }
  std::vector<Hit> hits;
  bool exhausted = false;
  TRY(index.search(query, params, filter, hits, &exhausted));
  if (hits.empty()) return {};
  params.k = calibration.k;
  if (hits.size() > params.k) hits.resize(params.k);
  const size_t wanted = hits.size();
  const float farthest = hits.back().distance;
  calibration.wanted += wanted;
  for (size_t i = 0; i < calibration.efs.size(); ++i) {
    params.ef = calibration.efs[i];
    TRY(index.search(query, params, filter, hits, &exhausted));
    const auto near = std::count_if(
        hits.begin(), hits.end(), [farthest](const Hit& hit) { return hit.distance <= farthest; });
    calibration.found[i] += std::min<uint64_t>(static_cast<uint64_t>(near), wanted);
  }
  return filter.damage();
}

Status CollectionImpl::calibrate_on_some(Calibration& calibration, uint32_t samples) {
  for (; samples > 0 && calibration.samples > 0; --samples) {
    TRY(failure());
    TRY(read_largest([&](const Partition& partition, Lsn pinned) {
      calibration.points = partition.live_points();
      return calibrate_on_one(calibration, partition, pinned);
    }));
    --calibration.samples;
  }
  if (calibration.samples > 0 || calibration.wanted == 0) return {};
  RecallCurve curve;
  curve.points = calibration.points;
  curve.queries = calibration.queries_seen;
  for (size_t i = 0; i < calibration.efs.size(); ++i) {
    curve.places.push_back({calibration.efs[i], static_cast<double>(calibration.found[i]) /
                                                    static_cast<double>(calibration.wanted)});
  }
  recall_curves_.put(calibration.k, std::move(curve));
  return {};
}

Status CollectionImpl::calibrate(uint32_t k) {
  const std::shared_ptr<Calibration> calibration = new_calibration(k);
  return calibrate_on_some(*calibration, calibration->samples);
}

void CollectionImpl::calibrate_in_background(std::shared_ptr<Calibration> calibration) {
  env_.executor->submit([weak = weak_from_this(), calibration = std::move(calibration)] {
    const auto base = weak.lock();
    if (!base) return;
    {
      const MutexLock lock(base->mutex_);
      if (base->closing_) return;
    }
    const Status status = base->calibrate_on_some(*calibration, 1);
    if (!status.ok() && status.code() != Code::kUnavailable) {
      log_warning("recall.calibration",
                  {{"collection", base->config_.name}, {"reason", std::string(status.message())}});
    }
    if (status.ok() && calibration->samples > 0) {
      base->calibrate_in_background(calibration);
    } else {
      base->calibrating_.store(false);
    }
  });
}

/// The pool that a search walks with.
uint32_t CollectionImpl::ef_of(const Partition& partition, const SearchRequest& request,
                               std::span<const float> query) {
  if (request.ef_search != 0) return std::max(request.ef_search, request.limit);
  // A flat index finds all there is, and so does the scan of what is not linked.
  const bool graph =
      config().index.type != "flat" && partition.live_points() > options_.flat_points_max;
  if (!request.target_recall || request.exact || !graph) {
    return std::max(partition.derived().index->current_ef_search(), request.limit);
  }
  const RecallCurves::Answer answer = recall_curves_.ask(
      *request.target_recall, request.limit, partition.live_points(), query_sample_.offer(query));
  if (answer.stale && !calibrating_.exchange(true)) {
    calibrate_in_background(new_calibration(request.limit));
  }
  return answer.ef.value_or(std::max(kUnmeasuredEf, kUnmeasuredTimes * request.limit));
}

}  // namespace ferres
