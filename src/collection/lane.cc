// The lane: group commit, application in log order, acknowledgement, and the work writes leave
// behind.
#include <algorithm>
#include <utility>

#include "base/epoch.h"
#include "base/logging.h"
#include "collection/impl.h"

namespace ferres {
namespace {

// A round takes at most this much, so that acknowledgements and maintenance keep alternating: what
// a round adds to the tail, every search scans until it is linked.
constexpr size_t kWritesPerRound = 256;
constexpr size_t kBytesPerRound = 1 << 20;
// Planned together, then linked. More plans are not in the CPU's cache any more when they are
// needed (64: builds took 8 % longer at 768 dimensions, 40 % on GloVe), and a write that comes
// meanwhile waits for them all.
constexpr size_t kLinkBatch = 16;
constexpr size_t kReclaimPerRound = 128;
constexpr uint32_t kAuditPerRound = 256;
constexpr uint64_t kDeadPointsMax = 512;  // beyond, reclaiming gains on the points that come
constexpr uint64_t kScrubBytesPerRound = 8 << 20;
constexpr size_t kPartsPerRound = 4;          // that there is something to do for
constexpr uint64_t kPauseMicros = 1'000'000;  // from one checkpoint for their sake to the next
constexpr uint64_t kCrowdedPauseMicros = 100'000;
constexpr int kRoundsPerTask = 16;  // then other tasks of the executor get their turn

}  // namespace

void CollectionImpl::enqueue(PendingWrite write) {
  bool start = false;
  decltype(write.done) refuse;
  Status why;
  {
    const MutexLock lock(mutex_);
    if (closing_) {
      why = why_closing();
      refuse = std::move(write.done);
    } else {
      writes_.push_back(std::move(write));
      start = !active_;
      active_ = true;
    }
  }
  if (refuse) {
    refuse(std::move(why), 0, 0);
    return;
  }
  if (start) env_.executor->submit([self = shared_from_this()] { self->run_lane(); });
}

void CollectionImpl::wake() {
  {
    const MutexLock lock(mutex_);
    if (active_) return;
    active_ = true;
  }
  env_.executor->submit([self = shared_from_this()] { self->run_lane(); });
}

void CollectionImpl::run_lane() {
  for (int round = 0; round < kRoundsPerTask; ++round) {
    if (run_round()) continue;
    const MutexLock lock(mutex_);
    const bool free = !checkpoint_running_;  // of what waits for a checkpoint's end
    if ((!writes_.empty() && !crowded_) || checkpoint_result_ ||
        ((index_wanted_ != nullptr || reindex_wanted_) && !failed_ && !closing_) ||
        (free && (checkpoints_wanted_ > checkpoints_done_ || restore_ready_ != nullptr ||
                  shrink_result_ != nullptr || trim_wanted_ || !forget_wanted_.empty()))) {
      continue;
    }
    active_ = false;
    changed_.signal_all();
    return;
  }
  env_.executor->submit([self = shared_from_this()] { self->run_lane(); });
}

bool CollectionImpl::run_round() {
  std::vector<PendingWrite> writes = take_writes();
  const uint64_t upserted = writes.empty() ? 0 : write_group(writes);
  const bool replaced = finish_restore() || finish_shrink();
  return maintain(upserted) || replaced || !writes.empty();
}

std::vector<PendingWrite> CollectionImpl::take_writes() {
  std::vector<PendingWrite> writes;
  size_t bytes = 0;
  // Too many partitions have changes that no checkpoint holds: the one that runs lets them go.
  crowded_ = checkpoint_running_ && partitions_->isolated() &&
             partitions_->open_count() > options_.open_partitions_max * kCrowd;
  if (crowded_) return writes;
  const MutexLock lock(mutex_);
  while (!writes_.empty() && writes.size() < kWritesPerRound && bytes < kBytesPerRound) {
    if (!writes.empty() && writes_.front().guard) break;  // it is the first of the next round
    bytes += writes_.front().payload.size();
    writes.push_back(std::move(writes_.front()));
    writes_.pop_front();
  }
  return writes;
}

/// Gives the records their LSNs and times, and makes them durable.
Status CollectionImpl::commit(std::span<LogRecord> records) {
  TRY(failure());
  if (log_->poisoned()) TRY(recover_log());
  Lsn lsn = log_->last_lsn();
  for (LogRecord& record : records) {
    record.lsn = ++lsn;
    record.unix_micros = env_.commit_clock->next_micros();
  }
  Status status = log_->commit(records);
  log_bytes_ = log_->bytes();
  if (status.ok() || !log_->poisoned()) return status;
  return {Code::kUnavailable, "the write was not made durable: " + std::string(status.message())};
}

/// Answers those that cannot be applied now, and takes them out.
void CollectionImpl::refuse_unprepared(std::vector<PendingWrite>& writes) const {
  std::erase_if(writes, [this](const PendingWrite& write) {
    const LogRecord record{0, 0, static_cast<uint8_t>(write.op), as_bytes(write.payload)};
    Status status = partitions_->prepare(record);
    if (status.ok()) return false;
    write.done(std::move(status), 0, 0);
    return true;
  });
}

uint64_t CollectionImpl::write_group(std::vector<PendingWrite>& writes) {
  guard(writes);
  refuse_unprepared(writes);
  std::vector<LogRecord> records;
  records.reserve(writes.size());
  for (const PendingWrite& write : writes)
    records.push_back({0, 0, static_cast<uint8_t>(write.op), as_bytes(write.payload)});
  if (const Status status = commit(records); !status.ok()) {
    for (const PendingWrite& write : writes)
      write.done(status.clone(), 0, 0);
    return 0;
  }
  uint64_t upserted = 0;
  for (size_t i = 0; i < writes.size(); ++i) {
    auto applied = partitions_->apply(records[i]);
    if (Status lost = partitions_->written_lost(); !lost.ok()) applied = std::move(lost);
    if (!applied.ok()) {
      fail(std::move(applied).error());
      for (; i < writes.size(); ++i)
        writes[i].done(failure(), 0, 0);
      return upserted;
    }
    partitions_->publish(records[i].lsn);
    if (writes[i].op == Op::kUpsert || writes[i].op == Op::kImport) upserted += *applied;
    writes[i].done(Status(), records[i].lsn, *applied);
  }
  partitions_->seal_dying();
  if (env_.space != nullptr) env_.space->expect(unsaved_bytes());
  return upserted;
}

/// A sync failed earlier. What the disk holds decides: records that did reach it after the last
/// acknowledged one become visible now, before any new write.
Status CollectionImpl::recover_log() {
  log_warning("log.reopen", {{"collection", config_.name}});
  const Lsn visible = partitions_->visible_lsn();
  bool restored = false;
  Status status = log_->reopen(visible, [this, &restored](const LogRecord& record) -> Status {
    if (static_cast<Op>(record.op) == Op::kRestore) {
      restored = true;
      restored_lsn_ = record.lsn;
    }
    if (restored) return {};
    TRY_ASSIGN([[maybe_unused]] const uint64_t count, partitions_->apply(record));
    partitions_->publish(record.lsn);
    return {};
  });
  partitions_->seal_dying();
  if (status.ok() && restored) {
    StateSource source = state_source();
    source.checked = true;
    TRY_ASSIGN(State state, state_at(source, log_->last_lsn()));
    put_in_force(std::move(state.partitions));
  }
  return status;
}

bool CollectionImpl::maintain(uint64_t upserted) {
  trim_if_wanted();
  forget_if_wanted();
  if (Status status = failure(); !status.ok()) {
    give_up_checkpoints(std::move(status));
    return false;
  }
  Round round;
  round.upserted = upserted;
  {
    const MutexLock lock(mutex_);
    round.linking = link_all_;
    round.waiting = !writes_.empty();
    round.closing = closing_;
  }
  // A stop does not wait for what the next start can go on with.
  const bool more = !round.closing && tidy_up(round);
  if (!failure().ok()) return false;
  finish_checkpoint();
  repair_damage();
  close_partitions();
  begin_checkpoint();
  return more;
}

/// A share of the work that writes leave behind; whether there is more.
bool CollectionImpl::tidy_up(const Round& round) {
  if (Status status = follow_config(); !status.ok()) {
    fail(std::move(status));
    return false;
  }
  begin_moves();
  const bool reindexed = reindex_some();
  const std::vector<Part*> open = partitions_->open_parts();
  size_t worked = 0;
  size_t seen = 0;
  for (; seen < open.size() && worked < kPartsPerRound; ++seen) {
    if (tidy_up(*open[(turn_ + seen) % open.size()], round)) ++worked;
    if (!failure().ok()) return false;
  }
  turn_ += seen;
  if (round.linking && worked == 0 && !reindexed) linked_all();
  return worked > 0 || reindexed;
}

bool CollectionImpl::tidy_up(Part& part, const Round& round) {
  Partition& partition = *part.partition.load();
  bool more = false;
  Status status = link_some(part, round, &more);
  if (status.ok()) status = build_some(part, round, &more);
  if (!status.ok()) {
    fail(std::move(status));
    return false;
  }
  // A dead point holds its memory until then, and each new one takes memory beside it: while both
  // keep coming, the dead must not pile up. Deletes alone can wait.
  const bool many_dead = partition.dying_points() > kDeadPointsMax;
  const size_t share = many_dead
                           ? std::max<size_t>(kReclaimPerRound, round.upserted + round.upserted / 2)
                           : kReclaimPerRound;
  // What shrinks moves away from its dead.
  if (!shrinks(part)) more |= partition.reclaim(share) > 0;
  if (more) {
    unsaved_work_ = true;
    part.changed = true;
  }
  partition.release_vectors();
  more |= move_some(part);
  if (part.scrubbing) {
    part.scrubbing = partition.scrub(kScrubBytesPerRound);
    more |= part.scrubbing;
  }
  if (part.auditing && !part.scrubbing && !more) {
    audit_some(part);
    more = part.auditing;
  }
  begin_shrink(part);
  return more;
}

/// Links a share of the tail. Small partitions stay unlinked: a scan answers them exactly. While
/// writes keep coming, linking takes its turn only when the tail is long, and then gains on them.
Status CollectionImpl::link_some(Part& part, const Round& round, bool* more) {
  Partition& partition = *part.partition.load();
  const uint64_t tail = partition.derived().tail.size();
  if (tail == 0) return {};
  if (!round.linking && (!options_.background || !has_graph(partition))) return {};
  const bool long_tail = tail > options_.tail_points_max;
  uint64_t batches = 1;
  if (long_tail) {
    batches = std::max<uint64_t>(1, (round.upserted + round.upserted / 2) / kLinkBatch);
  } else if (round.waiting && !round.linking) {
    return {};
  }
  for (; batches > 0; --batches) {
    TRY_ASSIGN(const size_t linked, partition.link(kLinkBatch, *env_.executor));
    if (linked == 0) break;
  }
  *more = true;
  return {};
}

/// Nothing is left to link, for those who wait for it.
void CollectionImpl::linked_all() {
  const MutexLock lock(mutex_);
  if (index_wanted_ != nullptr) return;
  link_all_ = false;
  changed_.signal_all();
}

bool CollectionImpl::has_graph(const Partition& partition) const {
  return partition.live_points() > options_.flat_points_max;
}

/// Another index was asked for, perhaps.
Status CollectionImpl::follow_config() {
  std::unique_ptr<const IndexConfig> asked;
  {
    const MutexLock lock(mutex_);
    asked.swap(index_wanted_);
  }
  return asked == nullptr ? Status() : partitions_->configure(config());
}

/// Builds a share of the index that was asked for, and puts it in force when it is all there.
Status CollectionImpl::build_some(Part& part, const Round& round, bool* more) {
  Partition& partition = *part.partition.load();
  if (!options_.background && !round.linking) return {};
  TRY(partition.retrain_if_due());
  if (!partition.building()) return {};
  *more = true;
  bool done = false;
  const bool graph = has_graph(partition) || round.linking;
  for (uint64_t batches = 1 + (round.upserted + round.upserted / 2) / kLinkBatch; batches > 0;
       --batches) {
    TRY_ASSIGN(done, partition.build_some(kLinkBatch, graph, *env_.executor));
  }
  if (!done || checkpoint_running_) return {};
  partition.finish_building();
  recall_curves_.clear();
  part.auditing = true;
  part.audit_next = 0;
  part.audit_found = 0;
  if (reindex_ != nullptr) return {};  // others follow
  // Until a checkpoint holds it a start would build it again.
  const MutexLock lock(mutex_);
  if (options_.background) ++checkpoints_wanted_;
  return {};
}

void CollectionImpl::audit_some(Part& part) {
  const EpochGuard guard;
  const Partition& partition = *part.partition.load();
  part.audit_found +=
      static_cast<int64_t>(partition.derived().index->audit_some(&part.audit_next, kAuditPerRound));
  if (part.audit_next != 0) return;
  part.auditing = false;
  if (part.audit_found > 0) {
    log_error("index.unreachable", {{"collection", config_.name}, {"points", part.audit_found}});
  }
  part.unreachable.store(std::exchange(part.audit_found, 0), std::memory_order_relaxed);
}

/// Namespaces that were not used lately leave memory; those with changes after a checkpoint, which
/// comes soon, but not so often that nothing else gets its turn.
void CollectionImpl::close_partitions() {
  const size_t most = options_.open_partitions_max;
  if (!partitions_->isolated() || checkpoint_running_ || shrink_ != nullptr ||
      partitions_->open_count() <= most) {
    return;
  }
  partitions_->close_some(most);
  const size_t open = partitions_->open_count();
  if (open <= most || !options_.background) return;
  const uint64_t now = env_.clock->unix_micros();
  const uint64_t pause = open > most * kCrowd ? kCrowdedPauseMicros : kPauseMicros;
  if (now < last_checkpoint_micros_ + pause || now < checkpoint_retry_micros_) return;
  const MutexLock lock(mutex_);
  if (checkpoints_wanted_ == checkpoints_done_) ++checkpoints_wanted_;
}

void CollectionImpl::fail(Status status) {
  log_error("collection.unavailable",
            {{"collection", config_.name}, {"reason", std::string(status.message())}});
  refuse(std::move(status));
}

void CollectionImpl::refuse(Status status) {
  {
    const MutexLock lock(failure_mutex_);
    if (failure_.ok() && status.code() == Code::kNotFound) {
      failure_ = std::move(status);
    } else if (failure_.ok()) {
      failure_ = Status(
          status.code() == Code::kCorruption ? Code::kCorruption : Code::kUnavailable,
          "collection '" + config_.name + "' is unavailable: " + std::string(status.message()));
    }
  }
  failed_.store(true, std::memory_order_release);
  const Status why = failure();
  const MutexLock lock(mutex_);
  link_all_ = false;
  if (reindex_run_ != nullptr)
    reindex_run_->fail(std::string(why.message()), env_.clock->unix_micros());
  changed_.signal_all();
}

Status CollectionImpl::failure() const {
  if (!failed_.load(std::memory_order_acquire)) return {};
  const MutexLock lock(failure_mutex_);
  return failure_.clone();
}

}  // namespace ferres
