// Writing the audit log.
#include "auth/audit_log.h"

#include <algorithm>
#include <utility>

#include "auth/audit_lines.h"
#include "base/logging.h"
#include "base/metrics.h"

namespace ferres {
namespace {

constexpr uint64_t kRetryMicros = 1'000'000;
constexpr uint64_t kSecondsPerDay = 86400;

}  // namespace

AuditLog::AuditLog(FileSystem& files, Executor& executor, std::string dir, uint64_t days_max)
    : files_(files),
      executor_(executor),
      dir_(std::move(dir)),
      days_max_(days_max),
      head_(kNoAuditHash) {}

Result<std::shared_ptr<AuditLog>> AuditLog::open(FileSystem& files, Executor& executor,
                                                 std::string dir, uint64_t days_max) {
  TRY(files.make_dirs(dir));
  std::shared_ptr<AuditLog> log(new AuditLog(files, executor, std::move(dir), days_max));
  TRY(log->continue_newest());
  return log;
}

/// A crash may have left half a line at the end of the newest file; it was never an entry.
Status AuditLog::continue_newest() {
  const MutexLock lock(writing_);
  TRY_ASSIGN(const std::vector<std::string> days, audit_days(files_, dir_));
  if (days.empty()) return {};
  const std::string path = dir_ + "/" + audit_file_name(days.back());
  std::string last;
  uint64_t whole = 0;
  TRY(for_audit_lines(files_, path, [&](std::string_view line) {
    last = line;
    whole += line.size() + 1;
    return true;
  }));
  if (!last.empty() && audit_hash(last).empty()) {
    return {Code::kCorruption, path +
                                   " does not end with an entry of the audit log: move the file "
                                   "away to begin a new one"};
  }
  TRY_ASSIGN(file_, files_.open(path, OpenMode::kReadWrite));
  TRY_ASSIGN(const uint64_t size, file_->size());
  if (size != whole) TRY(file_->truncate(whole));
  size_ = whole;
  day_ = days.back();
  if (!last.empty()) {
    head_ = audit_hash(last);
    return {};
  }
  // Cut down to nothing: the chain goes on from the file before.
  if (days.size() < 2) return {};
  TRY(for_audit_lines(files_, dir_ + "/" + audit_file_name(days[days.size() - 2]),
                      [&last](std::string_view line) {
                        last = line;
                        return true;
                      }));
  if (!audit_hash(last).empty()) head_ = audit_hash(last);
  return {};
}

void AuditLog::add(AuditEntry entry) {
  static const auto dropped = metrics().counter(
      "ferresdb_audit_entries_lost_total", "Audit entries that could neither be written nor wait");
  {
    const MutexLock lock(mutex_);
    if (waiting_.size() >= kWaitingMax) {
      ++lost_;
      dropped->add();
    } else {
      waiting_.push_back(std::move(entry));
    }
    if (std::exchange(scheduled_, true)) return;
  }
  executor_.submit([self = shared_from_this()] { self->write_waiting(false).ignore(); });
}

Status AuditLog::flush() {
  return write_waiting(true);
}

/// Entries keep their order: who writes has taken all that waited.
Status AuditLog::write_waiting(bool durable) {
  const MutexLock writing(writing_);
  std::deque<AuditEntry> batch;
  uint64_t lost = 0;
  {
    const MutexLock lock(mutex_);
    batch.swap(waiting_);
    lost = std::exchange(lost_, 0);
    scheduled_ = false;
  }
  Status status = batch.empty() ? Status() : write_batch(batch, lost);
  if (status.ok() && durable && file_ != nullptr) status = file_->sync();
  if (status.ok()) {
    failing_ = false;
    return status;
  }
  if (!std::exchange(failing_, true))
    log_error("audit_not_written", {{"why", status.message()}, {"waiting", batch.size()}});
  const MutexLock lock(mutex_);
  lost_ += lost;
  waiting_.insert(waiting_.begin(), std::make_move_iterator(batch.begin()),
                  std::make_move_iterator(batch.end()));
  if (!std::exchange(scheduled_, true)) {
    executor_.submit_after(kRetryMicros,
                           [self = shared_from_this()] { self->write_waiting(false).ignore(); });
  }
  return status;
}

/// All of it or nothing.
Status AuditLog::write_batch(const std::deque<AuditEntry>& batch, uint64_t lost) {
  std::string text;
  std::string head = head_;
  uint64_t at = size_;
  const auto append = [&](const AuditEntry& entry) {
    const std::string line = audit_line(entry, head);
    head = audit_hash(line);
    text += line;
    text += '\n';
  };
  const std::string day(day_of(rfc3339(batch.front().unix_micros)));
  if (file_ == nullptr || day > day_) {
    TRY(open_day(day));
    at = 0;
  }
  for (const AuditEntry& entry : batch)
    append(entry);
  if (lost > 0) {
    append({.unix_micros = batch.back().unix_micros,
            .user = "system",
            .action = "audit_entries_lost",
            .resource = "system:audit",
            .details_json = "{\"count\":" + std::to_string(lost) + "}",
            .result = "error",
            .ip_address = {}});
  }
  if (Status status = file_->write(at, as_bytes(text)); !status.ok()) {
    file_->truncate(at).ignore();  // else the next write might be shorter than what this one left
    return status;
  }
  size_ = at + text.size();
  head_ = std::move(head);
  return {};
}

Status AuditLog::open_day(std::string_view day) {
  const std::string path = dir_ + "/" + audit_file_name(day);
  if (file_ != nullptr) TRY(file_->sync());
  TRY_ASSIGN(file_, files_.open(path, OpenMode::kSecret));
  TRY(files_.sync_dir(dir_));
  day_ = day;
  size_ = 0;
  remove_old(day);
  return {};
}

void AuditLog::remove_old(std::string_view day) {
  const auto days = audit_days(files_, dir_);
  const auto today = unix_seconds_of_day(day);
  if (!days.ok() || !today) return;
  for (const std::string& old : *days) {
    const auto then = unix_seconds_of_day(old);
    if (!then || *then + days_max_ * kSecondsPerDay > *today) continue;
    const Status status = files_.remove(dir_ + "/" + audit_file_name(old));
    if (status.ok()) log_info("audit_file_removed", {{"day", old}, {"kept_days", days_max_}});
  }
}

std::string AuditLog::head() const {
  const MutexLock lock(writing_);
  return head_;
}

}  // namespace ferres
