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
constexpr int kRoundsPerTask = 16;  // then other tasks of the executor get their turn

}  // namespace

void CollectionImpl::enqueue(PendingWrite write) {
  bool start = false;
  decltype(write.done) refuse;
  {
    const MutexLock lock(mutex_);
    if (closing_) {
      refuse = std::move(write.done);
    } else {
      writes_.push_back(std::move(write));
      start = !active_;
      active_ = true;
    }
  }
  if (refuse) {
    refuse(Status(Code::kUnavailable, "the collection is closing"), 0, 0);
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
    if (!writes_.empty() || checkpoint_result_ ||
        (index_wanted_ != nullptr && !failed_ && !closing_) ||
        (free && (checkpoints_wanted_ > checkpoints_done_ || restore_ready_ != nullptr ||
                  shrink_result_ != nullptr || trim_wanted_))) {
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
  const MutexLock lock(mutex_);
  while (!writes_.empty() && writes.size() < kWritesPerRound && bytes < kBytesPerRound) {
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

uint64_t CollectionImpl::write_group(std::vector<PendingWrite>& writes) {
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
    auto applied = partition_->apply(records[i]);
    if (!applied.ok()) {
      fail(std::move(applied).error());
      for (; i < writes.size(); ++i)
        writes[i].done(failure(), 0, 0);
      return upserted;
    }
    partition_->publish(records[i].lsn);
    if (writes[i].op == Op::kUpsert) upserted += *applied;
    writes[i].done(Status(), records[i].lsn, *applied);
  }
  partition_->seal_dying();
  return upserted;
}

/// A sync failed earlier. What the disk holds decides: records that did reach it after the last
/// acknowledged one become visible now, before any new write.
Status CollectionImpl::recover_log() {
  log_warning("log.reopen", {{"collection", config_.name}});
  const Lsn visible = partition_->visible_lsn();
  bool restored = false;
  Status status = log_->reopen(visible, [this, &restored](const LogRecord& record) -> Status {
    restored = restored || static_cast<Op>(record.op) == Op::kRestore;
    if (restored) return {};
    TRY_ASSIGN([[maybe_unused]] const uint64_t count, partition_->apply(record));
    partition_->publish(record.lsn);
    return {};
  });
  partition_->seal_dying();
  if (status.ok() && restored) {
    TRY_ASSIGN(State state, state_at(state_source(), log_->last_lsn()));
    put_in_force(std::move(state.partition));
  }
  return status;
}

bool CollectionImpl::maintain(uint64_t upserted) {
  trim_if_wanted();
  if (!failure().ok()) return false;
  bool closing = false;
  {
    const MutexLock lock(mutex_);
    closing = closing_;
  }
  // A stop does not wait for what the next start can go on with.
  const bool more = !closing && tidy_up(upserted);
  if (!failure().ok()) return false;
  finish_checkpoint();
  repair_damage();
  begin_checkpoint();
  return more;
}

/// A share of the work that writes leave behind; whether there is more.
bool CollectionImpl::tidy_up(uint64_t upserted) {
  bool more = false;
  if (Status status = link_some(upserted, &more); !status.ok()) {
    fail(std::move(status));
    return false;
  }
  if (Status status = build_some(upserted, &more); !status.ok()) {
    fail(std::move(status));
    return false;
  }
  // A dead point holds its memory until then, and each new one takes memory beside it: while both
  // keep coming, the dead must not pile up. Deletes alone can wait.
  const bool many_dead = partition_->dying_points() > kDeadPointsMax;
  const size_t share =
      many_dead ? std::max<size_t>(kReclaimPerRound, upserted + upserted / 2) : kReclaimPerRound;
  // What shrinks moves away from its dead.
  if (shrink_ == nullptr) more |= partition_->reclaim(share) > 0;
  if (more) unsaved_work_ = true;
  partition_->release_vectors();
  if (scrubbing_) {
    scrubbing_ = partition_->scrub(kScrubBytesPerRound);
    more |= scrubbing_;
  }
  if (auditing_ && !scrubbing_ && !more) {
    audit_some();
    more = auditing_;
  }
  begin_shrink();
  return more;
}

/// Links a share of the tail. Small collections stay unlinked: a scan answers them exactly. While
/// writes keep coming, linking takes its turn only when the tail is long, and then gains on them.
Status CollectionImpl::link_some(uint64_t upserted, bool* more) {
  bool wanted = false;
  bool waiting = false;
  {
    const MutexLock lock(mutex_);
    wanted = link_all_;
    waiting = !writes_.empty();
  }
  const uint64_t tail = partition_->derived().tail.size();
  if (tail == 0) {
    const MutexLock lock(mutex_);
    if (index_wanted_ != nullptr || partition_->building()) return {};
    if (link_all_) changed_.signal_all();
    link_all_ = false;
    return {};
  }
  const bool graph = has_graph();
  if (!wanted && (!options_.background || !graph)) return {};
  const bool long_tail = tail > options_.tail_points_max;
  uint64_t batches = 1;
  if (long_tail) {
    batches = std::max<uint64_t>(1, (upserted + upserted / 2) / kLinkBatch);
  } else if (waiting && !wanted) {
    return {};
  }
  for (; batches > 0; --batches) {
    TRY_ASSIGN(const size_t linked, partition_->link(kLinkBatch, *env_.executor));
    if (linked == 0) break;
  }
  *more = true;
  return {};
}

bool CollectionImpl::has_graph() const {
  return partition_->live_points() > options_.flat_points_max;
}

/// Builds a share of the index that was asked for, and puts it in force when it is all there.
Status CollectionImpl::build_some(uint64_t upserted, bool* more) {
  std::unique_ptr<const IndexConfig> asked;
  bool linking = false;
  bool closing = false;
  {
    const MutexLock lock(mutex_);
    asked.swap(index_wanted_);
    linking = link_all_;
    closing = closing_;
  }
  if (asked != nullptr) TRY(partition_->want_index(*asked));
  if (closing || (!options_.background && !linking)) return {};
  TRY(partition_->retrain_if_due());
  if (!partition_->building()) return {};
  *more = true;
  bool done = false;
  for (uint64_t batches = 1 + (upserted + upserted / 2) / kLinkBatch; batches > 0; --batches) {
    TRY_ASSIGN(done, partition_->build_some(kLinkBatch, has_graph() || linking, *env_.executor));
  }
  if (!done || checkpoint_running_) return {};
  partition_->finish_building();
  recall_curves_.clear();
  auditing_ = true;
  audit_next_ = 0;
  audit_found_ = 0;
  // Until a checkpoint holds it a start would build it again.
  const MutexLock lock(mutex_);
  if (options_.background) ++checkpoints_wanted_;
  return {};
}

void CollectionImpl::audit_some() {
  const EpochGuard guard;
  audit_found_ +=
      static_cast<int64_t>(partition_->derived().index->audit_some(&audit_next_, kAuditPerRound));
  if (audit_next_ != 0) return;
  auditing_ = false;
  if (audit_found_ > 0) {
    log_error("index.unreachable", {{"collection", config_.name}, {"points", audit_found_}});
  }
  unreachable_.store(std::exchange(audit_found_, 0), std::memory_order_relaxed);
}

void CollectionImpl::fail(Status status) {
  log_error("collection.unavailable",
            {{"collection", config_.name}, {"reason", std::string(status.message())}});
  refuse(std::move(status));
}

void CollectionImpl::refuse(Status status) {
  {
    const MutexLock lock(failure_mutex_);
    if (failure_.ok()) {
      failure_ = Status(
          status.code() == Code::kCorruption ? Code::kCorruption : Code::kUnavailable,
          "collection '" + config_.name + "' is unavailable: " + std::string(status.message()));
    }
  }
  failed_.store(true, std::memory_order_release);
  const MutexLock lock(mutex_);
  link_all_ = false;
  changed_.signal_all();
}

Status CollectionImpl::failure() const {
  if (!failed_.load(std::memory_order_acquire)) return {};
  const MutexLock lock(failure_mutex_);
  return failure_.clone();
}

}  // namespace ferres
