// Going back: the state of an older moment is built beside the one in force, from the history's
// files and on the caller's thread, while the lane goes on. Then the lane writes one restore record
// and puts that state in force, between two writes and while no checkpoint runs. A checkpoint
// follows at once; before it is there, a start finds the record and builds the state again.
#include <utility>

#include "base/epoch.h"
#include "base/logging.h"
#include "collection/impl.h"
#include "collection/waiter.h"

namespace ferres {

StateSource CollectionImpl::state_source(const RestoreProgress& progress) const {
  StateSource source;
  source.files = env_.files;
  source.dir = dir_;
  source.config = config();
  source.payload_bytes_max = options_.payload_bytes_max;
  const std::shared_ptr<Partitions> now = newest();  // null before the start is done
  source.isolated = now == nullptr ? options_.isolate_namespaces : now->isolated();
  source.progress = [this, progress](uint64_t done, uint64_t total) -> Status {
    {
      const MutexLock lock(mutex_);
      if (closing_) return why_closing();
    }
    return progress ? progress(done, total) : Status();
  };
  return source;
}

Result<LogMoment> CollectionImpl::find_lsn(Lsn lsn, const HistoryInfo& history) const {
  if (lsn > history.newest.lsn) {
    return Status(Code::kInvalidArgument, "LSN " + std::to_string(lsn) +
                                              " is yet to come: the newest is " +
                                              std::to_string(history.newest.lsn));
  }
  if (lsn < history.oldest.lsn) {
    return Status(Code::kNotFound, "the history of collection '" + config_.name +
                                       "' begins with LSN " + std::to_string(history.oldest.lsn));
  }
  LogMoment moment{lsn, lsn == history.newest.lsn ? history.newest.unix_micros : 0};
  for (const HistoryInfo::Moment& checkpoint : history.checkpoints)
    if (checkpoint.lsn == lsn) moment.unix_micros = checkpoint.unix_micros;
  if (lsn == 0) return moment;
  // Only for its time, which the log may not have any more.
  const Status read = read_log(*env_.files, log_dir_of(dir_), lsn, lsn,
                               [&moment](const LogRecord& record) -> Status {
                                 moment.unix_micros = record.unix_micros;
                                 return {};
                               });
  if (!read.ok() && read.code() != Code::kNotFound) return read.clone();
  return moment;
}

Result<LogMoment> CollectionImpl::find_time(uint64_t unix_micros,
                                            const HistoryInfo& history) const {
  const std::string second = std::to_string(unix_micros / 1'000'000);
  const uint64_t now = env_.clock->unix_micros() / 1'000'000;
  if (unix_micros / 1'000'000 > now) {
    return Status(Code::kInvalidArgument, "the time is yet to come: Unix second " + second +
                                              ", and now is " + std::to_string(now));
  }
  if (unix_micros < history.oldest.unix_micros) {
    return Status(Code::kNotFound, "the history of collection '" + config_.name +
                                       "' begins after Unix second " + second + ", in second " +
                                       std::to_string(history.oldest.unix_micros / 1'000'000));
  }
  return find_moment(*env_.files, log_dir_of(dir_), unix_micros, history.newest.lsn);
}

Result<LogMoment> CollectionImpl::find_target(const RestoreTarget& target) const {
  TRY_ASSIGN(const HistoryInfo history, history_files());
  if (target.lsn) return find_lsn(*target.lsn, history);
  if (target.unix_micros) return find_time(*target.unix_micros, history);
  return Status(Code::kInvalidArgument, "a restore needs an LSN or a time");
}

Result<RestoreResult> CollectionImpl::restore(const RestoreTarget& target,
                                              const RestoreProgress& progress) {
  TRY(failure());
  TRY(no_space());
  if (restoring_.exchange(true)) {
    return Status(Code::kConflict, "collection '" + config_.name + "' is being restored already");
  }
  const auto restore = [&]() -> Result<RestoreResult> {
    const HistoryPin pin(*this);
    TRY_ASSIGN(const LogMoment moment, find_target(target));
    StateSource source = state_source(progress);
    source.checked = true;
    source.ns = target.ns;
    log_info("restore.begin", {{"collection", config_.name}, {"lsn", moment.lsn}});
    TRY_ASSIGN(State state, state_at(source, moment.lsn));
    return hand_over(std::move(state), moment, target.ns);
  };
  Result<RestoreResult> result = restore();
  restoring_ = false;
  return result;
}

Result<RestoreResult> CollectionImpl::copy_at(const RestoreTarget& target,
                                              const CollectionConfig& as, const std::string& dir,
                                              const RestoreProgress& progress) {
  TRY(failure());
  TRY(no_space());
  const HistoryPin pin(*this);
  TRY_ASSIGN(const LogMoment moment, find_target(target));
  StateSource source = state_source(progress);
  source.config = as;
  source.copy_dir = dir;
  source.checked = true;
  source.ns = target.ns;
  TRY_ASSIGN(const State state, state_at(source, moment.lsn));
  std::shared_ptr<Partitions> partitions = state.partitions;
  if (target.ns) {
    TRY_ASSIGN(partitions, only_namespace(source, *target.ns, *partitions));
  }
  const RestoreResult result{moment.lsn, moment.lsn, moment.unix_micros, partitions->points()};
  if (moment.lsn == 0) return result;  // the beginning of any collection
  partitions->seal_dying();
  Manifest manifest;
  manifest.lsn = moment.lsn;
  manifest.unix_micros = partitions->last_write_micros();
  TRY(partitions->begin_checkpoint());
  TRY(partitions->write_checkpoint(manifest));
  partitions->commit_checkpoint();
  TRY(write_manifest(*env_.files, manifest_dir_of(dir), manifest));
  return result;
}

Result<RestoreResult> CollectionImpl::hand_over(State state, const LogMoment& source,
                                                const std::optional<std::string>& ns) {
  Waiter<RestoreResult> waiter(*env_.executor);
  {
    const MutexLock lock(mutex_);
    if (closing_) return why_closing();
    restore_ready_ = std::make_unique<RestoreReady>(
        RestoreReady{std::move(state.partitions), source.lsn, ns, waiter.callback()});
  }
  wake();
  TRY_ASSIGN(RestoreResult result, waiter.wait());
  result.source_micros = source.unix_micros;
  return result;
}

/// Lane: commits the restore that waits, if no checkpoint is in its way. True when there was one.
bool CollectionImpl::finish_restore() {
  if (checkpoint_running_) return false;
  std::unique_ptr<RestoreReady> ready;
  {
    const MutexLock lock(mutex_);
    ready = std::move(restore_ready_);
  }
  if (ready == nullptr) return false;
  std::string payload;
  encode_restore({ready->source_lsn, ready->ns}, payload);
  LogRecord record{0, 0, static_cast<uint8_t>(Op::kRestore), as_bytes(payload)};
  // Another index may have been asked for since the state was begun.
  Status status = ready->partitions->configure(config());
  if (status.ok()) status = ready->partitions->lost();
  if (status.ok()) status = commit({&record, 1});
  if (!status.ok()) {
    ready->done(std::move(status));
    return true;
  }
  restored_lsn_ = record.lsn;
  RestoreResult result{record.lsn, ready->source_lsn, 0, 0};
  if (const auto& ns = ready->ns) {
    const auto points = partitions_->restore_namespace(*ns, *ready->partitions, record);
    if (!points.ok()) {
      fail(points.error().clone());
      ready->done(failure());
      return true;
    }
    result.points = *points;
    partitions_->publish(record.lsn);
    partitions_->seal_dying();
  } else {
    result.points = ready->partitions->points();
    ready->partitions->publish_restored(record.lsn, record.unix_micros);
    put_in_force(std::move(ready->partitions));
  }
  log_info("restore.done", {{"collection", config_.name},
                            {"lsn", record.lsn},
                            {"source_lsn", result.source_lsn},
                            {"points", result.points}});
  {
    // Until a checkpoint holds it, a start would build the state again.
    const MutexLock lock(mutex_);
    if (options_.background) ++checkpoints_wanted_;
  }
  ready->done(result);
  return true;
}

/// Lane, while no checkpoint runs: readers that come from now on see these partitions.
void CollectionImpl::put_in_force(std::shared_ptr<Partitions> next) {
  next->seal_dying();
  const std::shared_ptr<Partitions> old = std::exchange(partitions_, std::move(next));
  {
    const MutexLock lock(in_force_mutex_);
    newest_ = partitions_;
  }
  in_force_.store(partitions_.get(), std::memory_order_release);
  recall_curves_.clear();
  moves_due_micros_ = 0;
  if (old != nullptr) epoch_wait(epoch_advance());
}

Result<HistoryInfo> CollectionImpl::history() {
  TRY(failure());
  const HistoryPin pin(*this);
  return history_files();
}

Result<PinnedCheckpoint> CollectionImpl::pin_checkpoint() {
  TRY(failure());
  struct Pin {
    explicit Pin(std::shared_ptr<CollectionImpl> owner)
        : collection(std::move(owner)), pin(*collection) {}
    const std::shared_ptr<CollectionImpl> collection;
    const HistoryPin pin;
  };
  PinnedCheckpoint pinned;
  pinned.dir = dir_;
  pinned.pin = std::make_shared<Pin>(shared_from_this());
  if (dirty()) TRY(checkpoint());
  TRY_ASSIGN(const std::vector<Lsn> lsns, list_manifests(*env_.files, manifest_dir_of(dir_)));
  if (lsns.empty() || lsns.back() == 0) return pinned;
  // As it is now: one of the same LSN may take its place in the folder.
  TRY_ASSIGN(pinned.manifest, read_manifest(*env_.files, manifest_dir_of(dir_), lsns.back()));
  return pinned;
}

/// Under a HistoryPin.
Result<HistoryInfo> CollectionImpl::history_files() const {
  HistoryInfo info;
  {
    const EpochGuard guard;
    const Partitions& partitions = *in_force_.load();
    info.newest = {partitions.visible_lsn(), partitions.last_write_micros()};
  }
  TRY_ASSIGN(const std::vector<Lsn> lsns, list_manifests(*env_.files, manifest_dir_of(dir_)));
  for (const Lsn lsn : lsns) {
    auto manifest = read_manifest(*env_.files, manifest_dir_of(dir_), lsn);
    if (manifest.ok()) info.checkpoints.push_back({lsn, manifest->unix_micros});
  }
  TRY_ASSIGN(const std::vector<LogSegment> segments, list_log(*env_.files, log_dir_of(dir_)));
  const bool whole =
      config_.origin_lsn == 0 && (segments.empty() || segments.front().first_lsn == 1);
  if (whole) return info;
  // Of a trim that was cut short: the log from it on is gone, and no moment is reached from it.
  std::erase_if(info.checkpoints, [&segments](const HistoryInfo::Moment& checkpoint) {
    return !segments.empty() && checkpoint.lsn + 1 < segments.front().first_lsn;
  });
  if (!info.checkpoints.empty()) info.oldest = info.checkpoints.front();
  return info;
}

}  // namespace ferres
