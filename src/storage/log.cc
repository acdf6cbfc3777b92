// See log.h for the promises and log_segment.h for the bytes.
//
// Recovery reads segments in order. Inside one, the chain of CRCs says where the good records end;
// the next segment must continue exactly there. What the marks say was synced must be there; what
// lies behind the end and was never promised is cut, so that later appends cannot meet old bytes.
#include "storage/log.h"

#include <algorithm>

#include "storage/log_segment.h"

namespace ferres {
namespace {

struct Part {
  std::unique_ptr<Segment> segment;
  SegmentScan scan;
};

}  // namespace

struct Log::State {
  FileSystem& files;
  std::string dir;
  LogOptions options;
  std::vector<Part> parts;  // oldest first; records are appended to the last
  Lsn last_lsn = 0;
  uint64_t last_unix_micros = 0;
  uint32_t crc = 0;
  bool poisoned = false;

  Result<std::vector<Lsn>> list_segments();
  Status recover(Lsn after, const LogVisitor& visit);
  Status recover_segment(Lsn first_lsn, bool newest, Lsn after, const LogVisitor& visit);
  Status check_promises(Lsn promised);
  Status roll();
  bool roll_due(uint64_t now_micros) const;
};

Result<std::vector<Lsn>> Log::State::list_segments() {
  TRY_ASSIGN(const std::vector<std::string> names, files.list(dir));
  std::vector<Lsn> firsts;
  for (const std::string& name : names) {
    if (const Lsn lsn = parse_segment_name(name); lsn != 0) firsts.push_back(lsn);
  }
  std::sort(firsts.begin(), firsts.end());
  return firsts;
}

Status Log::State::recover(Lsn after, const LogVisitor& visit) {
  TRY_ASSIGN(const std::vector<Lsn> firsts, list_segments());
  if (firsts.empty()) {
    // Nothing was ever logged here, or all of it is in the checkpoint.
    last_lsn = after;
    return {};
  }
  if (firsts.front() > after + 1) {
    return Status(Code::kCorruption, dir + ": the log begins at LSN " +
                                         std::to_string(firsts.front()) + ", LSN " +
                                         std::to_string(after + 1) + " is missing");
  }
  for (const Lsn first : firsts)
    TRY(recover_segment(first, first == firsts.back(), after, visit));
  Lsn promised = 0;
  for (const Part& part : parts) {
    TRY_ASSIGN(const Lsn mark, part.segment->mark());
    promised = std::max(promised, mark);
  }
  TRY(check_promises(promised));
  if (parts.empty()) {
    last_lsn = after;
    return {};
  }
  Part& last = parts.back();
  TRY_ASSIGN(const bool torn, last.segment->has_data(last.scan.end));
  if (torn) TRY(last.segment->cut(last.scan.end));
  return {};
}

Status Log::State::recover_segment(Lsn first_lsn, bool newest, Lsn after, const LogVisitor& visit) {
  auto opened = Segment::open(files, dir, first_lsn);
  if (!opened.ok()) {
    if (!newest || opened.error().code() != Code::kCorruption) {
      return std::move(opened).error();
    }
    // A power cut while the segment was being created, before anything was promised in it, leaves a
    // header that was never synced and nothing behind it.
    const std::string path = dir + "/" + segment_name(first_lsn);
    TRY_ASSIGN(const std::unique_ptr<File> file, files.open(path, OpenMode::kRead));
    TRY_ASSIGN(const uint64_t size, file->size());
    if (size > kSegmentHeaderBytes) return std::move(opened).error();
    TRY(files.remove(path));
    return files.sync_dir(dir);
  }
  Part part{*std::move(opened), {}};
  const bool first = parts.empty();
  if (!first && (first_lsn != last_lsn + 1 || part.segment->seed() != crc)) {
    const Part& before = parts.back();
    return Status(Code::kCorruption, before.segment->path() + ": damaged record at offset " +
                                         std::to_string(before.scan.end) + " (LSN " +
                                         std::to_string(last_lsn + 1) + "); the log goes on in " +
                                         part.segment->path());
  }
  TRY_ASSIGN(part.scan, part.segment->scan(after + 1, kNoLsn, options.record_bytes_max, visit));
  last_lsn = part.scan.last_lsn;
  crc = part.scan.crc;
  if (part.scan.last_unix_micros != 0) last_unix_micros = part.scan.last_unix_micros;
  parts.push_back(std::move(part));
  return {};
}

Status Log::State::check_promises(Lsn promised) {
  if (promised <= last_lsn || parts.empty()) return {};
  const Part& last = parts.back();
  return Status(Code::kCorruption, last.segment->path() + ": damaged record at offset " +
                                       std::to_string(last.scan.end) + " (LSN " +
                                       std::to_string(last_lsn + 1) + "); LSN " +
                                       std::to_string(promised) + " was durable");
}

bool Log::State::roll_due(uint64_t now_micros) const {
  if (parts.empty()) return true;
  const SegmentScan& scan = parts.back().scan;
  if (scan.end >= options.segment_bytes) return true;
  return scan.first_unix_micros != 0 &&
         now_micros > scan.first_unix_micros + options.segment_micros;
}

Status Log::State::roll() {
  if (!parts.empty() && parts.back().scan.last_lsn < parts.back().segment->first_lsn()) return {};
  TRY_ASSIGN(std::unique_ptr<Segment> segment, Segment::create(files, dir, last_lsn + 1, crc));
  Part part{std::move(segment), {}};
  part.scan.last_lsn = last_lsn;
  part.scan.crc = crc;
  parts.push_back(std::move(part));
  return {};
}

Log::Log(std::unique_ptr<State> state) : state_(std::move(state)) {}
Log::~Log() = default;

Result<std::unique_ptr<Log>> Log::open(FileSystem& files, std::string dir,
                                       const LogOptions& options, Lsn after,
                                       const LogVisitor& replay) {
  TRY(files.make_dirs(dir));
  auto state = std::make_unique<State>(State{.files = files,
                                             .dir = std::move(dir),
                                             .options = options,
                                             .parts = {},
                                             .last_lsn = 0,
                                             .last_unix_micros = 0,
                                             .crc = 0,
                                             .poisoned = false});
  TRY(state->recover(after, replay));
  return std::unique_ptr<Log>(new Log(std::move(state)));
}

Status Log::commit(std::span<const LogRecord> records) {
  State& s = *state_;
  if (s.poisoned)
    return Status(Code::kUnavailable, s.dir + ": a sync failed; reopen the log first");
  if (records.empty()) return {};
  std::string bytes;
  uint32_t crc = s.crc;
  Lsn lsn = s.last_lsn;
  if (s.roll_due(records.front().unix_micros)) {
    // A segment that could not be made leaves no trace that matters: nothing was promised in it.
    TRY(s.roll());
  }
  for (const LogRecord& record : records) {
    CHECK(record.lsn == ++lsn);
    if (record.payload.size() > s.options.record_bytes_max) {
      return Status(Code::kTooLarge, "a log record holds at most " +
                                         std::to_string(s.options.record_bytes_max) + " bytes");
    }
    crc = encode_record(record, crc, bytes);
  }
  Part& part = s.parts.back();
  if (Status status = part.segment->append(part.scan.end, as_bytes(bytes)); !status.ok()) {
    if (status.code() != Code::kNoSpace || !part.segment->erase(part.scan.end).ok()) {
      s.poisoned = true;
    }
    return status;
  }
  if (Status status = part.segment->sync(); !status.ok()) {
    s.poisoned = true;
    return status;
  }
  if (part.scan.first_unix_micros == 0) part.scan.first_unix_micros = records.front().unix_micros;
  part.scan.end += bytes.size();
  part.scan.crc = s.crc = crc;
  part.scan.last_lsn = s.last_lsn = lsn;
  part.scan.last_unix_micros = s.last_unix_micros = records.back().unix_micros;
  // The mark is a witness, not a promise: the records are durable without it.
  if (!part.segment->set_mark(lsn).ok()) s.poisoned = true;
  return {};
}

Status Log::reopen(Lsn after, const LogVisitor& visit) {
  State& s = *state_;
  const Lsn durable = s.last_lsn;
  State fresh{.files = s.files,
              .dir = s.dir,
              .options = s.options,
              .parts = {},
              .last_lsn = 0,
              .last_unix_micros = 0,
              .crc = 0,
              .poisoned = false};
  // After a failed sync the page cache may show what the disk does not have (Rebello et al., USENIX
  // ATC '20): everything behind the last good sync is cut, not believed. Nobody was promised it.
  if (!s.parts.empty()) TRY(s.parts.back().segment->cut(s.parts.back().scan.end));
  s.parts.clear();
  TRY(fresh.recover(after, visit));
  if (fresh.last_lsn != durable) {
    return Status(Code::kCorruption, s.dir + ": LSN " + std::to_string(durable) +
                                         " was durable, the log ends at LSN " +
                                         std::to_string(fresh.last_lsn));
  }
  s.parts = std::move(fresh.parts);
  s.crc = fresh.crc;
  TRY(s.roll());
  s.poisoned = false;
  return {};
}

Status Log::drop_through(Lsn upto) {
  State& s = *state_;
  bool dropped = false;
  while (s.parts.size() > 1 && s.parts.front().scan.last_lsn <= upto) {
    TRY(s.files.remove(s.parts.front().segment->path()));
    s.parts.erase(s.parts.begin());
    dropped = true;
  }
  if (!dropped) return {};
  return s.files.sync_dir(s.dir);
}

Status Log::read(Lsn from, Lsn to, const LogVisitor& visit) {
  for (const Part& part : state_->parts) {
    if (part.scan.last_lsn < from || part.segment->first_lsn() > to) continue;
    TRY_ASSIGN(const SegmentScan found,
               part.segment->scan(from, to, state_->options.record_bytes_max, visit));
    if (found.last_lsn < part.scan.last_lsn) {
      return Status(Code::kCorruption, part.segment->path() + ": damaged record at offset " +
                                           std::to_string(found.end));
    }
  }
  return {};
}

Lsn Log::last_lsn() const {
  return state_->last_lsn;
}

Lsn Log::first_lsn() const {
  return state_->parts.empty() ? state_->last_lsn + 1 : state_->parts.front().segment->first_lsn();
}

uint64_t Log::last_unix_micros() const {
  return state_->last_unix_micros;
}

uint64_t Log::bytes() const {
  return bytes_after(0);
}

uint64_t Log::bytes_after(Lsn lsn) const {
  uint64_t bytes = 0;
  for (const Part& part : state_->parts) {
    const Lsn first = part.segment->first_lsn();
    if (part.scan.last_lsn <= lsn) continue;
    const uint64_t held = part.scan.end - kSegmentHeaderBytes;
    if (first > lsn) {
      bytes += held;
    } else {
      const double share = static_cast<double>(part.scan.last_lsn - lsn) /
                           static_cast<double>(part.scan.last_lsn - first + 1);
      bytes += static_cast<uint64_t>(static_cast<double>(held) * share);
    }
  }
  return bytes;
}

bool Log::poisoned() const {
  return state_->poisoned;
}

}  // namespace ferres
