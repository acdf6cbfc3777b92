// Checkpoints, the background tick, and what is done about damage. The lane freezes the stores at
// one LSN and goes on; a task writes the frozen pages; the lane publishes the result.
#include "base/epoch.h"
#include "base/logging.h"
#include "collection/impl.h"

namespace ferres {
namespace {

constexpr uint64_t kTickMicros = 1'000'000;
constexpr uint64_t kRetryMicros = 10'000'000;  // after a checkpoint that failed
constexpr size_t kExpirePerRecord = 10'000;

}  // namespace

bool CollectionImpl::dirty() const {
  const EpochGuard guard;
  return in_force_.load()->visible_lsn() > checkpoint_lsn_ || unsaved_work_;
}

uint64_t CollectionImpl::unsaved_bytes() const {
  uint64_t bytes = being_saved_;
  newest()->any_open([&](const Part&, const Partition& partition) {
    bytes += partition.points_store().changed_bytes() + partition.derived().store->changed_bytes();
    return false;
  });
  return bytes;
}

bool CollectionImpl::checkpoint_due() const {
  if (!options_.background || !dirty()) return false;
  if (env_.clock->unix_micros() < checkpoint_retry_micros_) return false;
  if (log_->bytes_after(checkpoint_lsn_) >= options_.checkpoint_log_bytes) return true;
  return env_.clock->unix_micros() - last_checkpoint_micros_ >= options_.checkpoint_micros;
}

void CollectionImpl::begin_checkpoint() {
  if (checkpoint_running_) return;
  {
    const MutexLock lock(mutex_);
    if (checkpoints_wanted_ == checkpoints_done_ && !checkpoint_due()) return;
    if (checkpoints_wanted_ == checkpoints_done_) ++checkpoints_wanted_;
    checkpoint_started_ = checkpoints_wanted_;
  }
  last_checkpoint_micros_ = env_.clock->unix_micros();
  unsaved_work_ = false;
  being_saved_ = unsaved_bytes();
  Tidy tidy = no_space().ok() ? Tidy::kMostlyGarbage : Tidy::kNone;
  if (erasing_.exchange(false) && !partitions_->isolated()) {
    partitions_->open_parts().front()->partition.load()->erase_reclaimed();
    tidy = Tidy::kAll;
  }
  if (Status status = partitions_->begin_checkpoint(tidy); !status.ok()) {
    unsaved_work_ = true;
    being_saved_ = 0;
    checkpoint_retry_micros_ = env_.clock->unix_micros() + kRetryMicros;
    log_error("checkpoint.failed",
              {{"collection", config_.name}, {"reason", std::string(status.message())}});
    const MutexLock lock(mutex_);
    checkpoint_status_ = std::move(status);
    checkpoints_done_ = checkpoint_started_;
    changed_.signal_all();
    return;
  }
  checkpoint_running_ = true;
  Manifest manifest;
  manifest.lsn = partitions_->visible_lsn();
  manifest.unix_micros = partitions_->last_write_micros();
  // Tidied up since the last one, it may have the LSN of that, and takes its place.
  const bool again = !checkpoints_.empty() && checkpoints_.back().lsn == manifest.lsn;
  manifest.restored = manifest.lsn == restored_lsn_ || (again && checkpoints_.back().restored);
  env_.executor->submit([self = shared_from_this(), manifest = std::move(manifest)]() mutable {
    self->write_checkpoint(std::move(manifest));
  });
}

void CollectionImpl::write_checkpoint(Manifest manifest) {
  auto result = std::make_unique<CheckpointResult>();
  result->status = partitions_->write_checkpoint(manifest);
  if (result->status.ok())
    result->status = write_manifest(*env_.files, manifest_dir_of(dir_), manifest);
  // What is said of a file is not to be read as said of the collection.
  if (result->status.code() == Code::kNotFound || result->status.code() == Code::kForbidden)
    result->status = Status(Code::kIo, std::string(result->status.message()));
  result->manifest = std::move(manifest);
  {
    const MutexLock lock(mutex_);
    checkpoint_result_ = std::move(result);
  }
  wake();
}

void CollectionImpl::finish_checkpoint() {
  std::unique_ptr<CheckpointResult> result;
  {
    const MutexLock lock(mutex_);
    result = std::move(checkpoint_result_);
  }
  if (!result) return;
  checkpoint_running_ = false;
  being_saved_ = 0;
  crowded_ = false;
  if (result->status.ok()) {
    partitions_->commit_checkpoint();
    checkpoint_lsn_ = result->manifest.lsn;
    converted_ = false;
    moves_due_micros_ = 0;  // what it wrote has left memory
    if (!checkpoints_.empty() && checkpoints_.back().lsn == checkpoint_lsn_)
      checkpoints_.pop_back();
    checkpoints_.push_back(std::move(result->manifest));
    result->status = trim_history();
  } else {
    partitions_->abort_checkpoint();
    unsaved_work_ = true;
    checkpoint_retry_micros_ = env_.clock->unix_micros() + kRetryMicros;
    log_error("checkpoint.failed",
              {{"collection", config_.name}, {"reason", std::string(result->status.message())}});
  }
  const MutexLock lock(mutex_);
  checkpoint_status_ = std::move(result->status);
  checkpoints_done_ = checkpoint_started_;
  changed_.signal_all();
}

/// After a failure: who waits for a checkpoint is told, once none is being written.
void CollectionImpl::give_up_checkpoints(Status failure) {
  const MutexLock lock(mutex_);
  if (std::exchange(checkpoint_result_, nullptr) != nullptr) checkpoint_running_ = false;
  if (checkpoint_running_ || checkpoints_done_ == checkpoints_wanted_) return;
  checkpoint_status_ = std::move(failure);
  checkpoints_done_ = checkpoints_wanted_;
  changed_.signal_all();
}

/// Damaged points stop the collection before it answers from them; a damaged index is replaced.
void CollectionImpl::repair_damage() {
  for (Part* const part : partitions_->open_parts()) {
    Partition& partition = *part->partition.load();
    if (Status damage = partition.points_damage(); !damage.ok()) return fail(std::move(damage));
    // Of the index too: its damage is repaired, but the disk that lost a page may lose the next.
    if (Status lost = partition.lost(); !lost.ok()) return fail(std::move(lost));
    if (!partition.derived_damaged() || checkpoint_running_) continue;
    log_warning("index.rebuild", {{"collection", config_.name}});
    if (Status status = partition.rebuild_derived(); !status.ok()) return fail(std::move(status));
    part->changed = true;
    unsaved_work_ = true;
  }
}

/// Whether there is something to do for an open partition that no write asks for.
bool CollectionImpl::wants_care() const {
  const std::shared_ptr<Partitions> partitions = newest();
  if (partitions->open_count() > options_.open_partitions_max) return true;
  return partitions->any_open([](const Part& part, const Partition& partition) {
    if (partition.derived_damaged() || !partition.points_damage().ok()) return true;
    if (partition.vectors().release_due()) return true;
    // What readers were in the way of; or most slots are empty.
    return partition.dying_points() > 0 || part.wasteful_since != 0;
  });
}

/// Looks after a collection that nobody writes to.
void CollectionImpl::schedule_tick() {
  env_.executor->submit_after(kTickMicros, [weak = weak_from_this()] {
    const auto base = weak.lock();
    if (!base) return;
    {
      const MutexLock lock(base->mutex_);
      if (base->closing_) return;
    }
    const bool moves = base->tick_tiers();
    if (moves || base->wants_care() || base->dirty()) base->wake();
    base->schedule_tick();
  });
}

void CollectionImpl::sweep_expired() {
  if (!failure().ok()) return;
  const uint64_t now = env_.clock->unix_micros();
  std::vector<std::string> ids;
  const auto look = [&](const Partition& partition, Lsn) -> Status {
    TRY_ASSIGN(const std::vector<std::string> over,
               partition.expired(now, kExpirePerRecord - ids.size()));
    ids.insert(ids.end(), over.begin(), over.end());
    return {};
  };
  const std::shared_ptr<Partitions> partitions = newest();
  for (const std::shared_ptr<Part>& part : partitions->all()) {
    if (ids.size() == kExpirePerRecord) break;
    if (part->ttl_points == 0 || part->expiry_micros > now) continue;
    if (Status status = read_part(*partitions, *part, true, look); !status.ok())
      return fail(std::move(status));
  }
  if (ids.empty()) return;
  PendingWrite write;
  write.op = Op::kExpire;
  for (const std::string& id : ids)
    encode_id(id, write.payload);
  write.done = [weak = weak_from_this()](const Status& status, Lsn, uint64_t count) {
    // After a failure the points stay hidden and the next sweep tries again.
    const auto self = weak.lock();
    if (!self || !status.ok() || count < kExpirePerRecord) return;
    self->env_.executor->submit([self] { self->sweep_expired(); });
  };
  enqueue(std::move(write));
}

Status CollectionImpl::checkpoint() {
  uint64_t wanted = 0;
  {
    const MutexLock lock(mutex_);
    // One that is being written already may have begun before our newest write.
    wanted = ++checkpoints_wanted_;
  }
  for (;;) {
    wake();
    if (env_.executor->run_one()) {
      TRY(failure());
      const MutexLock lock(mutex_);
      if (checkpoints_done_ >= wanted) return checkpoint_status_.clone();
      continue;
    }
    const MutexLock lock(mutex_);
    while (checkpoints_done_ < wanted && active_ && failure().ok())
      changed_.wait(mutex_);
    if (checkpoints_done_ >= wanted) return checkpoint_status_.clone();
    if (Status status = failure(); !status.ok()) return status;
    changed_.wait_for(mutex_, 1000);
  }
}

Status CollectionImpl::link_all() {
  {
    const MutexLock lock(mutex_);
    link_all_ = true;
  }
  for (;;) {
    if (Status status = failure(); !status.ok()) return status;
    wake();
    if (env_.executor->run_one()) {
      const MutexLock lock(mutex_);
      if (!link_all_) return {};
      continue;
    }
    const MutexLock lock(mutex_);
    while (link_all_ && active_)
      changed_.wait(mutex_);
    if (!link_all_) return failure();
  }
}

}  // namespace ferres
