// Tiers of a collection: when its vectors are moved, and what stands where.
#include <algorithm>

#include "base/epoch.h"
#include "collection/impl.h"

namespace ferres {
namespace {

constexpr uint64_t kMinuteMicros = 60'000'000;
constexpr uint64_t kMovedBytesPerRound = 8 << 20;
// What API.md 5.2 reckons for a point without tiers beside its vector.
constexpr uint64_t kPointBytes = 200 + 128;

uint32_t minute_of(const Clock& clock) {
  return static_cast<uint32_t>(clock.unix_micros() / kMinuteMicros);
}

uint64_t sum(const TierBytes& bytes) {
  return bytes.hot + bytes.warm + bytes.cold;
}

void add_tiers(const Partition& partition, Lsn pinned, TierStats& stats) {
  const VectorStore& vectors = partition.vectors();
  const SlotTable::View view = partition.slots().view();
  const Slot rows = vectors.view().slots;
  for (Slot slot = 0; slot < view.count(); ++slot) {
    if (!view.visible(slot, pinned)) continue;
    const bool kept = slot < rows && view.traits(slot).has_vector;
    const Tier tier = kept ? vectors.tier(slot) : Tier::kHot;
    ++(tier == Tier::kHot ? stats.hot : tier == Tier::kWarm ? stats.warm : stats.cold);
  }
  const TierBytes bytes = vectors.tier_bytes();
  stats.bytes.hot += bytes.hot;
  stats.bytes.warm += bytes.warm;
  stats.bytes.cold += bytes.cold;
}

}  // namespace

bool CollectionImpl::tick_tiers() const {
  if (!config_.tiers.enabled) return false;
  const std::shared_ptr<Partitions> partitions = newest();
  const EpochGuard guard;
  for (const std::shared_ptr<Part>& part : partitions->all()) {
    if (const Partition* const partition = part->partition.load(); partition != nullptr)
      partition->vectors().set_minute(minute_of(*env_.clock));
  }
  return env_.clock->unix_micros() >= moves_due_micros_.load();
}

void CollectionImpl::begin_moves() {
  const TierConfig& tiers = config().tiers;
  const uint64_t now = env_.clock->unix_micros();
  if (!tiers.enabled || !options_.background || now < moves_due_micros_.load()) return;
  moves_due_micros_ = now + uint64_t{tiers.compaction_interval_secs} * 1'000'000;
  ++moves_;
  moved_bytes_ = 0;
  for (const Part* const part : partitions_->open_parts())
    moved_bytes_ += sum(part->partition.load()->vectors().tier_bytes());
}

bool CollectionImpl::move_some(Part& part) {
  Partition& partition = *part.partition.load();
  if (part.moves != moves_) {
    part.moves = moves_;
    TierPolicy policy = config().tiers.policy();
    // Of what may be hot in all, a partition has its share by size.
    const uint64_t bytes = sum(partition.vectors().tier_bytes());
    const double share = static_cast<double>(bytes) /
                         static_cast<double>(std::max({moved_bytes_, bytes, kPageBytes}));
    if (config().tiers.hot_bytes_max && share < 1) {
      policy.hot_bytes_max =
          static_cast<uint64_t>(share * static_cast<double>(policy.hot_bytes_max));
    }
    const uint32_t minute = minute_of(*env_.clock);
    partition.vectors().set_minute(minute);
    partition.begin_moves(policy, minute);
  }
  return config_.tiers.enabled && partition.move_some(kMovedBytesPerRound);
}

Result<TierStats> CollectionImpl::tiers() {
  TRY(failure());
  const std::shared_ptr<Partitions> partitions = newest();
  TierStats stats;
  if (!config_.tiers.enabled) {
    stats.hot = partitions->points();
    stats.bytes.hot = stats.hot * (config_.dimension * sizeof(float) + kPointBytes);
    return stats;
  }
  const uint64_t row_bytes_each = row_bytes(config_.vectors.format, config_.dimension);
  for (const std::shared_ptr<Part>& part : partitions->all()) {
    const EpochGuard guard;
    const Lsn pinned = partitions->visible_lsn();
    if (const Partition* const partition = part->partition.load(); partition != nullptr) {
      add_tiers(*partition, pinned, stats);
    } else {
      stats.cold += part->points;
      stats.bytes.cold += part->points * row_bytes_each;
    }
  }
  return stats;
}

}  // namespace ferres
