// Giving memory and disk back when most points are gone: slots that died are taken by new points,
// but what nobody takes stays. So the living ones move into a partition of their own, which then
// takes the place of the old one as a restored state does, without a record, for it holds the same.
//
// In short tasks beside the lane: first the living points are copied, slot by slot, while writes go
// on; then the log since the beginning is applied, which brings every point to its newest version
// whatever the copy caught (as ARIES does after a fuzzy checkpoint: Mohan et al., TODS 1992); then
// the points are linked. The last few records are applied by the lane.
#include <algorithm>
#include <numeric>

#include "base/epoch.h"
#include "base/logging.h"
#include "collection/impl.h"

namespace ferres {
namespace {

constexpr uint64_t kShare = 2;                // of the slots, one in so many holds a living point
constexpr uint64_t kQuietMicros = 3'000'000;  // without a write, or
constexpr uint64_t kPatientMicros = 60'000'000;  // so long wasteful
constexpr uint64_t kRetryMicros = 600'000'000;
constexpr Slot kSlotsPerTask = 2048;
constexpr uint64_t kRecordsPerTask = 256;
constexpr size_t kLinksPerTask = 64;

Status copy_all_relations(const Partition& from, Partition& to) {
  const EpochGuard guard;
  std::vector<Slot> slots(from.relations().empty() ? 0 : from.slots_given());
  std::iota(slots.begin(), slots.end(), Slot{0});
  return to.copy_relations(from, slots, true);
}

}  // namespace

struct CollectionImpl::Shrink {
  std::shared_ptr<Partitions> partitions;
  std::shared_ptr<Part> part;
  std::unique_ptr<Partition> next;
  const Partition* from = nullptr;  // in force when it began
  Slot slots = 0;                   // of `from`
  Slot copied = 0;
  Lsn applied = 0;

  bool overtaken() const { return part->partition.load() != from; }
};

bool CollectionImpl::shrinks(const Part& part) const {
  return shrink_ != nullptr && shrink_->part.get() == &part;
}

/// Lane.
void CollectionImpl::begin_shrink(Part& part) {
  const Partition& partition = *part.partition.load();
  if (!options_.background || shrink_ != nullptr || partition.building()) return;
  const uint64_t slots = partition.slots_given();
  const uint64_t now = env_.clock->unix_micros();
  if (slots < options_.shrink_slots_min || partition.live_points() * kShare > slots) {
    part.wasteful_since = 0;
    return;
  }
  if (part.wasteful_since == 0) part.wasteful_since = now;
  const bool quiet = now >= partition.last_write_micros() + kQuietMicros;
  if ((!quiet && now < part.wasteful_since + kPatientMicros) || now < shrink_retry_micros_) return;
  auto shrink = std::make_shared<Shrink>();
  shrink->partitions = partitions_;
  shrink->part = partitions_->find(part.place.ns.value_or(""));
  auto next = partitions_->empty_copy(part);
  if (!next.ok()) return shrink_failed(next.error());
  shrink->next = *std::move(next);
  shrink->from = &partition;
  shrink->slots = partition.slots_given();
  shrink->applied = partitions_->visible_lsn();
  shrink_ = shrink;
  log_info("shrink.begin",
           {{"collection", config_.name}, {"slots", slots}, {"points", partition.live_points()}});
  shrink_in_background(std::move(shrink));
}

void CollectionImpl::shrink_failed(const Status& status) {
  shrink_retry_micros_ = env_.clock->unix_micros() + kRetryMicros;
  log_warning("shrink.failed",
              {{"collection", config_.name}, {"reason", std::string(status.message())}});
}

void CollectionImpl::shrink_in_background(std::shared_ptr<Shrink> shrink) {
  env_.executor->submit([weak = weak_from_this(), shrink = std::move(shrink)] {
    const auto self = weak.lock();
    if (!self) return;
    {
      const MutexLock lock(self->mutex_);
      if (self->closing_) return;
    }
    bool ready = false;
    Status status = self->shrink_some(*shrink, &ready);
    if (status.ok() && !ready) return self->shrink_in_background(shrink);
    {
      const MutexLock lock(self->mutex_);
      self->shrink_result_ = std::make_unique<Status>(std::move(status));
    }
    self->wake();
  });
}

/// A share of the work. Ready: but for a few records that the lane will apply.
Status CollectionImpl::shrink_some(Shrink& shrink, bool* ready) const {
  Partition& next = *shrink.next;
  Lsn visible = 0;
  {
    const EpochGuard guard;
    if (in_force_.load() != shrink.partitions.get() || shrink.overtaken())
      return {Code::kConflict, "its points were replaced meanwhile"};
    visible = shrink.partitions->visible_lsn();
    if (shrink.copied < shrink.slots) {
      const Slot end = std::min(shrink.slots - shrink.copied, kSlotsPerTask) + shrink.copied;
      for (; shrink.copied < end; ++shrink.copied)
        TRY(next.copy_point(*shrink.from, shrink.copied));
      return {};
    }
  }
  if (shrink.applied < visible) {
    TRY(apply_log(shrink, std::min(visible, shrink.applied + kRecordsPerTask)));
    if (shrink.applied < visible) return {};
  }
  if (next.derived().tail.size() > options_.tail_points_max &&
      next.live_points() > options_.flat_points_max) {
    TRY_ASSIGN([[maybe_unused]] const size_t linked, next.link(kLinksPerTask, *env_.executor));
    return {};
  }
  *ready = true;
  return {};
}

Status CollectionImpl::apply_log(Shrink& shrink, Lsn to) const {
  const std::optional<std::string>& own = shrink.part->place.ns;
  const auto apply = [&](const LogRecord& record) -> Status {
    if (static_cast<Op>(record.op) == Op::kRestore) {
      TRY_ASSIGN(const RestoreRecord restore, decode_restore(record.payload));
      if (own && restore.ns && *restore.ns != *own) return {};
      return {Code::kConflict, "its points were replaced meanwhile"};
    }
    // Links are copied when all points are there: what the log says of them is in that.
    if (static_cast<Op>(record.op) == Op::kLink || static_cast<Op>(record.op) == Op::kUnlink)
      return {};
    const Route route = [&](std::string_view ns, bool) {
      Partition* const next = !own || *own == ns ? shrink.next.get() : nullptr;
      if (next != nullptr) next->begin_record(record);
      return Result<Partition*>(next);
    };
    TRY_ASSIGN([[maybe_unused]] const uint64_t count, apply_record(record, route));
    return {};
  };
  TRY(read_log(*env_.files, log_dir_of(dir_), shrink.applied + 1, to, apply));
  shrink.applied = to;
  shrink.next->seal_dying();
  shrink.next->reclaim(kRecordsPerTask);
  return {};
}

/// Lane: puts the smaller partition in force, if no checkpoint is in its way.
bool CollectionImpl::finish_shrink() {
  if (checkpoint_running_) return false;
  std::unique_ptr<Status> result;
  {
    const MutexLock lock(mutex_);
    result = std::move(shrink_result_);
  }
  if (result == nullptr) return false;
  const std::shared_ptr<Shrink> shrink = std::move(shrink_);
  if (!failure().ok()) return true;
  Part& part = *shrink->part;
  if (result->ok() && (shrink->partitions != partitions_ || shrink->overtaken()))
    *result = {Code::kConflict, "its points were replaced meanwhile"};
  if (result->ok()) *result = apply_log(*shrink, partitions_->visible_lsn());
  if (result->ok()) *result = copy_all_relations(*part.partition.load(), *shrink->next);
  if (result->ok()) *result = shrink->next->want_index(config().index);
  // What was copied from it is the collection's no more than what it has.
  if (result->ok()) *result = part.partition.load()->lost();
  if (!result->ok()) {
    shrink_failed(*result);
    return true;
  }
  const Partition& old = *part.partition.load();
  const uint64_t slots = old.slots_given();
  shrink->next->complete_copy(shrink->applied, old.last_write_micros());
  partitions_->replace(part, std::move(shrink->next));
  recall_curves_.clear();
  part.wasteful_since = 0;
  log_info("shrink.done",
           {{"collection", config_.name}, {"slots", slots}, {"points", part.points.load()}});
  const MutexLock lock(mutex_);
  ++checkpoints_wanted_;
  return true;
}

}  // namespace ferres
