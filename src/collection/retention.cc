// How much of the past is kept. retention_days none: the whole log, and with it every moment; 0:
// nothing but what the newest state needs; else the newest checkpoint from before that time and all
// that was written after it. In between, checkpoints only make a restore faster, so they are
// thinned out: one for about as many bytes of log as its own files have, and so the checkpoints of
// the history take about as much of the disk as its log at most. Where little is written, one for
// each quarter of the window stays as well, or the window could not move on.
#include <algorithm>
#include <map>

#include "base/epoch.h"
#include "base/logging.h"
#include "collection/impl.h"

namespace ferres {
namespace {

constexpr uint64_t kMicrosPerDay = 86'400'000'000;
constexpr uint64_t kWindowParts = 4;

uint64_t bytes_of(const Manifest& manifest) {
  uint64_t bytes = 0;
  for (const StoreManifest& store : manifest.stores) {
    for (const PageFileEntry& file : store.files)
      bytes += file.bytes;
  }
  return bytes;
}

}  // namespace

/// At the start: the checkpoints up to the one that was opened. Those behind it are damaged.
Status CollectionImpl::list_checkpoints() {
  TRY_ASSIGN(const std::vector<Lsn> lsns, list_manifests(*env_.files, manifest_dir_of(dir_)));
  for (const Lsn lsn : lsns) {
    if (lsn > checkpoint_lsn_) break;
    auto manifest = read_manifest(*env_.files, manifest_dir_of(dir_), lsn);
    if (manifest.ok()) {
      checkpoints_.push_back(*std::move(manifest));
    } else if (manifest.error().code() != Code::kCorruption) {
      return std::move(manifest).error();
    }
  }
  count_history();
  return {};
}

/// LSNs, ascending; 0 stands for the beginning of the log.
std::vector<Lsn> CollectionImpl::checkpoints_to_keep() const {
  const std::optional<uint32_t> days = forgetting_ ? 0 : config().retention_days;
  const uint64_t now = env_.clock->unix_micros();
  const uint64_t window = std::min(now, days.value_or(0) * kMicrosPerDay);
  size_t base = checkpoints_.size();
  if (days) {
    for (size_t i = 0; i < checkpoints_.size(); ++i)
      if (window == 0 || checkpoints_[i].unix_micros <= now - window) base = i;
  }
  // No base is what the log does not go on from, be it the beginning or a checkpoint.
  if (base == checkpoints_.size() && log_->first_lsn() > 1) base = 0;
  while (base + 1 < checkpoints_.size() && checkpoints_[base].lsn + 1 < log_->first_lsn())
    ++base;
  uint64_t kept_micros = base == checkpoints_.size() ? 0 : checkpoints_[base].unix_micros;
  std::vector<Lsn> keep = {base == checkpoints_.size() ? 0 : checkpoints_[base].lsn};
  for (size_t i = base == checkpoints_.size() ? 0 : base + 1; i < checkpoints_.size(); ++i) {
    const Manifest& checkpoint = checkpoints_[i];
    const uint64_t log_bytes = log_->bytes_after(keep.back()) - log_->bytes_after(checkpoint.lsn);
    // From before a restore, the way to what follows leads back to where its source is kept.
    const bool needed = checkpoint.restored || i + 1 == checkpoints_.size();
    const bool late = window > 0 && checkpoint.unix_micros >= kept_micros + window / kWindowParts;
    if (needed || late ||
        log_bytes >= std::max(options_.history_checkpoint_bytes, bytes_of(checkpoint))) {
      keep.push_back(checkpoint.lsn);
      kept_micros = checkpoint.unix_micros;
    }
  }
  return keep;
}

/// Lane, while no checkpoint runs. Of a damaged namespace the history may hold the only points.
Status CollectionImpl::trim_history() {
  count_history();
  const MutexLock lock(history_mutex_);
  trim_missed_ = history_pins_ > 0;
  if (trim_missed_ || checkpoints_.empty() || shrink_ != nullptr) return {};
  // A start would need what led to the state that was restored; and of files that only the next
  // manifest lists, some are closed.
  if (restored_lsn_ > checkpoint_lsn_ || converted_) return {};
  if (const std::shared_ptr<Part> part = partitions_->damaged(); part != nullptr) {
    log_warning("history.kept", {{"collection", config_.name},
                                 {"namespace", part->place.ns.value_or("")},
                                 {"reason", "it is damaged: restore it alone, or drop it"}});
    return {};
  }
  const std::vector<Lsn> keep = checkpoints_to_keep();
  std::erase_if(checkpoints_, [&keep](const Manifest& checkpoint) {
    return std::find(keep.begin(), keep.end(), checkpoint.lsn) == keep.end();
  });
  const Status status = log_->drop_through(keep.front());
  if (status.ok()) {
    std::vector<Lsn> lsns = keep;
    std::erase(lsns, 0);
    const Status collected =
        collect_checkpoint_garbage(*env_.files, manifest_dir_of(dir_), dir_, lsns);
    if (!collected.ok()) {
      log_warning("checkpoint.garbage",
                  {{"collection", config_.name}, {"reason", std::string(collected.message())}});
    }
  }
  count_history();
  return status.clone();
}

void CollectionImpl::trim_if_wanted() {
  if (checkpoint_running_) return;
  {
    const MutexLock lock(mutex_);
    if (!std::exchange(trim_wanted_, false)) return;
  }
  if (!failure().ok()) return;
  if (const Status status = trim_history(); !status.ok()) {
    log_warning("history.trim",
                {{"collection", config_.name}, {"reason", std::string(status.message())}});
  }
}

/// The log up to the newest checkpoint, and page files that older ones alone have.
void CollectionImpl::count_history() {
  std::map<std::string, uint64_t> files;
  for (const Manifest& checkpoint : checkpoints_) {
    for (const StoreManifest& store : checkpoint.stores) {
      for (const PageFileEntry& file : store.files)
        files[file.name] = file.bytes;
    }
  }
  uint64_t bytes = log_->bytes() - log_->bytes_after(checkpoint_lsn_);
  for (const auto& [name, size] : files)
    bytes += size;
  if (!checkpoints_.empty()) bytes -= std::min(bytes, bytes_of(checkpoints_.back()));
  history_bytes_ = bytes;
  log_bytes_ = log_->bytes();
}

Status CollectionImpl::trim() {
  TRY(failure());
  {
    const MutexLock lock(mutex_);
    trim_wanted_ = true;
  }
  wake();
  return {};
}

}  // namespace ferres
