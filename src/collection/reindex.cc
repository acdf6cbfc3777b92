// Building all indexes anew because somebody asked for it: one partition after the other, each
// beside the one in force (collection/rebuild.cc), while searches and writes go on. Partitions that
// are closed are opened for it, and closed again as others are.
#include <algorithm>

#include "base/logging.h"
#include "collection/impl.h"

namespace ferres {
namespace {

constexpr size_t kOpenTimes = 2;  // what shall be open at most: then the next one has to wait
constexpr uint64_t kPauseMicros = 1'000'000;

uint64_t derived_bytes(const Partition& partition) {
  const Partition::Derived& derived = partition.derived();
  return derived.index->memory_bytes() + derived.ids->memory_bytes() +
         derived.payload->memory_bytes();
}

}  // namespace

struct CollectionImpl::Reindex {
  std::shared_ptr<ReindexRun> run;
  ReindexState state;
  std::shared_ptr<Partitions> partitions;
  std::vector<std::shared_ptr<Part>> waiting;  // the last one is the next
  std::shared_ptr<Part> part;                  // being rebuilt; null: none
  const Partition* partition = nullptr;        // it was when that began
  uint64_t builds = 0;                         // it had ended by then
  // Of the part, when that began.
  uint64_t points = 0;
  uint64_t tombstones = 0;
  uint64_t old_bytes = 0;
  uint64_t points_before = 0;  // of the parts that are done
  uint64_t back_micros = 0;    // when the lane is woken, where it waits for others to be closed

  void begin(std::shared_ptr<Partitions> all) {
    partitions = std::move(all);
    waiting = partitions->all();
    std::reverse(waiting.begin(), waiting.end());
    part = nullptr;
    const uint64_t started = state.started_micros;
    state = ReindexState();
    state.phase = ReindexPhase::kBuilding;
    state.points_total = partitions->points();
    state.started_micros = started;
    points_before = 0;
  }
  /// Another partition took its place, which was built anew for that, or it is gone.
  bool replaced() const { return part->partition.load() != partition || !part->listed; }
};

Result<std::shared_ptr<const ReindexRun>> CollectionImpl::reindex() {
  TRY(failure());
  TRY(no_space());
  std::shared_ptr<ReindexRun> run;
  {
    const MutexLock lock(mutex_);
    if (closing_) return why_closing();
    if (reindex_run_ != nullptr && !reindex_run_->state().ended()) {
      return Status(Code::kAlreadyExists,
                    "a reindex of collection '" + config_.name + "' is already running");
    }
    run = std::make_shared<ReindexRun>(env_.clock->unix_micros());
    reindex_run_ = run;
    reindex_wanted_ = true;
  }
  wake();
  return std::shared_ptr<const ReindexRun>(std::move(run));
}

/// Lane: begins with the next partition when one is done. Whether it did something.
bool CollectionImpl::reindex_some() {
  {
    const MutexLock lock(mutex_);
    if (std::exchange(reindex_wanted_, false)) {
      reindex_ = std::make_shared<Reindex>();
      reindex_->run = reindex_run_;
      reindex_->state = reindex_run_->state();
    }
  }
  if (reindex_ == nullptr) return false;
  Reindex& reindex = *reindex_;
  if (reindex.partitions != partitions_) {  // at the beginning, and after a restore
    reindex.begin(partitions_);
    log_info("reindex.begin",
             {{"collection", config_.name}, {"points", reindex.state.points_total}});
  }
  if (reindex.part != nullptr && !reindex_part_done(reindex)) return false;
  const Status status = reindex_next(reindex);
  if (status.ok() && reindex.part != nullptr) return true;
  if (status.ok() && !reindex.waiting.empty()) {
    const uint64_t now = env_.clock->unix_micros();
    if (now < reindex.back_micros) return false;
    reindex.back_micros = now + kPauseMicros;
    env_.executor->submit_after(kPauseMicros, [weak = weak_from_this()] {
      if (const auto self = weak.lock(); self != nullptr) self->wake();
    });
    return false;
  }
  end_reindex(status);
  return true;
}

/// Whether nothing is left to do for the part; tells how far it is.
bool CollectionImpl::reindex_part_done(Reindex& reindex) const {
  ReindexState& state = reindex.state;
  const std::shared_ptr<Part> part = reindex.part;
  const bool replaced = reindex.replaced();
  if (!replaced && reindex.partition->builds_ended() == reindex.builds) {
    const std::optional<uint64_t> left = reindex.partition->building_left();
    if (!left) {  // the configuration was changed there and back, and the building was given up
      reindex.part = nullptr;
      reindex.waiting.push_back(part);
      return true;
    }
    state.phase = *left == 0 ? ReindexPhase::kSwapping : ReindexPhase::kBuilding;
    const uint64_t done = reindex.points - std::min(reindex.points, *left);
    state.points_done = std::max(state.points_done, reindex.points_before + done);
    reindex.run->report(state);
    return false;
  }
  if (const Partition* const next = part->partition.load(); next != nullptr)
    state.new_index_bytes += derived_bytes(*next);
  state.old_index_bytes += reindex.old_bytes;
  state.tombstones_cleaned += reindex.tombstones;
  reindex.points_before += reindex.points;
  state.points_done = reindex.points_before;
  reindex.part = nullptr;
  reindex.run->report(state);
  return true;
}

Status CollectionImpl::reindex_next(Reindex& reindex) {
  while (!reindex.waiting.empty()) {
    const std::shared_ptr<Part> part = reindex.waiting.back();
    if (shrinks(*part)) return {};  // which is a rebuilding itself, and must not be disturbed
    const bool closed = part->partition.load() == nullptr;
    // Those that are done are closed when a checkpoint holds them.
    if (closed && partitions_->open_count() >= options_.open_partitions_max * kOpenTimes) return {};
    reindex.waiting.pop_back();
    if (!part->listed || (closed && part->points == 0)) continue;
    TRY(partitions_->reach(*part));
    Partition& partition = *part->partition.load();
    reindex.builds = partition.builds_ended();
    TRY(partition.build_anew());
    reindex.part = part;
    reindex.partition = &partition;
    reindex.points = partition.live_points();
    reindex.tombstones = partition.dying_points();
    reindex.old_bytes = derived_bytes(partition);
    return {};
  }
  return {};
}

void CollectionImpl::end_reindex(const Status& status) {
  const std::shared_ptr<Reindex> reindex = std::exchange(reindex_, nullptr);
  const uint64_t now = env_.clock->unix_micros();
  if (!status.ok()) {
    log_warning("reindex.failed",
                {{"collection", config_.name}, {"reason", std::string(status.message())}});
    reindex->run->fail(std::string(status.message()), now);
    return;
  }
  ReindexState& state = reindex->state;
  state.phase = ReindexPhase::kCompleted;
  state.points_total = state.points_done;
  state.ended_micros = now;
  reindex->run->report(state);
  log_info("reindex.done", {{"collection", config_.name}, {"points", state.points_done}});
  // Until a checkpoint holds them a start would have the old ones.
  const MutexLock lock(mutex_);
  if (options_.background) ++checkpoints_wanted_;
}

}  // namespace ferres
