// See log.h. What is on disk at which moment: a record is written behind the last one into space
// filled with zeros ahead of time, so that fdatasync need not change the file's size; then synced;
// then the mark is moved in memory, and reaches the disk with the next sync. A new segment's header
// and name are durable before its first record is written, and segments are removed oldest first,
// each removal made durable, so that any hole in the chain is damage.
//
// After a crash, records behind the mark may be in the page cache alone: they are written again and
// synced before anyone sees them. After a failed sync the page cache says nothing about the disk:
// reopen() cuts what was not acknowledged and writes the last page again.
#include "storage/log.h"

#include <algorithm>
#include <array>

#include "storage/log_segment.h"

namespace ferres {
namespace {

constexpr uint64_t kStepMin = 64 << 10;
constexpr uint64_t kStepMax = 4 << 20;
constexpr size_t kBufferKept = 1 << 20;
constexpr uint64_t kPageCacheBytes = 4096;
constexpr size_t kCopyBytes = 256 << 10;

// Written ahead of the records.
constexpr std::array<std::byte, kCopyBytes> kZeros{};

struct Segment {
  Lsn first = 0;
  Lsn last = 0;  // first - 1 when empty
  uint64_t bytes = 0;
  uint64_t first_unix_micros = 0;
};

Status damaged(const std::string& path, uint64_t offset, const std::string& what) {
  return {Code::kCorruption, path + ": byte " + std::to_string(offset) + ": " + what};
}

Result<bool> all_zeros(const File& file, uint64_t from, uint64_t to) {
  std::vector<std::byte> buffer(std::min<uint64_t>(kCopyBytes, to - from));
  while (from < to) {
    const MutableBytes part(buffer.data(), std::min<uint64_t>(buffer.size(), to - from));
    TRY_ASSIGN(const size_t got, file.read(from, part));
    if (got == 0) break;
    if (std::any_of(part.begin(), part.begin() + static_cast<ptrdiff_t>(got),
                    [](std::byte b) { return b != std::byte{0}; }))
      return false;
    from += got;
  }
  return true;
}

/// Writes what a file holds again, so that the next sync takes it to the disk.
Status write_again(File& file, uint64_t from, uint64_t to) {
  std::vector<std::byte> buffer(kCopyBytes);
  while (from < to) {
    const MutableBytes part(buffer.data(), std::min<uint64_t>(buffer.size(), to - from));
    TRY_ASSIGN(const size_t got, file.read(from, part));
    if (got == 0) break;
    TRY(file.write(from, Bytes(part).first(got)));
    from += got;
  }
  return {};
}

}  // namespace

struct Log::State {
  FileSystem* disk = nullptr;
  std::string dir;
  LogOptions options;
  std::vector<Segment> segments;  // ascending
  std::unique_ptr<File> file;     // of the newest segment
  uint64_t end = 0;               // where the next record goes
  uint64_t allocated = 0;         // the file's size: zeros from end
  bool steps = true;              // false once the disk was too full for a step
  Lsn last_lsn = 0;               // durable
  uint32_t last_crc = 0;
  uint64_t last_unix_micros = 0;
  bool is_poisoned = false;
  std::string buffer;

  std::string path_of(Lsn first) const { return dir + "/" + segment_name(first); }
  Status load(Lsn after, Lsn limit, const LogVisitor& visit);
  Status list_segments();
  Status drop_unfinished();
  Status load_segment(size_t index, std::optional<uint32_t> chain, Lsn after, Lsn limit,
                      const LogVisitor& visit);
  Status settle(const SegmentEnd& found, Lsn mark, bool after_failure);
  void move_mark();
  void mark_before();
  Status poison(Status failure);
  bool must_roll(const LogRecord& next) const;
  Status roll(Lsn first);
  Status create_segment(const std::string& path, const SegmentHeader& header);
  void step(uint64_t end_after);
  Status append();
};

/// Reads the files: everything after `after` goes to visit, nothing behind `limit` is kept.
Status Log::State::load(Lsn after, Lsn limit, const LogVisitor& visit) {
  file.reset();
  steps = true;
  last_lsn = after;
  last_crc = 0;
  last_unix_micros = 0;
  TRY(list_segments());
  TRY(drop_unfinished());
  if (segments.empty()) return {};
  if (segments.front().first > after + 1) {
    return damaged(path_of(segments.front().first), 0,
                   "the log starts here, but LSN " + std::to_string(after + 1) + " is needed");
  }
  size_t start = segments.size() - 1;
  while (segments[start].first > after + 1)
    --start;
  for (size_t i = 0; i < start; ++i) {
    segments[i].last = segments[i + 1].first - 1;
    TRY_ASSIGN(const std::unique_ptr<File> old,
               disk->open(path_of(segments[i].first), OpenMode::kRead));
    TRY_ASSIGN(const uint64_t size, old->size());
    segments[i].bytes = size - std::min(size, kSegmentHeaderBytes);
  }
  for (size_t i = start; i < segments.size(); ++i) {
    const std::optional<uint32_t> chain = i == start ? std::nullopt : std::optional(last_crc);
    TRY(load_segment(i, chain, after, limit, visit));
  }
  if (last_lsn < after) {
    return damaged(path_of(segments.back().first), end,
                   "the log ends with LSN " + std::to_string(last_lsn) + ", but LSN " +
                       std::to_string(after) + " was checkpointed");
  }
  return {};
}

Status Log::State::list_segments() {
  segments.clear();
  TRY_ASSIGN(const std::vector<std::string> names, disk->list(dir));
  for (const std::string& name : names) {
    if (const std::optional<Lsn> lsn = segment_lsn(name))
      segments.push_back({*lsn, *lsn - 1, 0, 0});
  }
  return {};
}

/// A crash may leave a newest segment whose header never became whole. No record can be in it, so
/// it is at most a header long; anything longer is damage.
Status Log::State::drop_unfinished() {
  if (segments.empty()) return {};
  const std::string path = path_of(segments.back().first);
  {
    TRY_ASSIGN(const std::unique_ptr<File> newest, disk->open(path, OpenMode::kRead));
    const Result<SegmentHeader> header = read_segment_header(*newest, path);
    if (header.ok() || header.error().code() != Code::kNotFound) return {};
    TRY_ASSIGN(const uint64_t size, newest->size());
    if (size > kSegmentHeaderBytes) return damaged(path, 0, "the segment header is damaged");
  }
  TRY(disk->remove(path));
  TRY(disk->sync_dir(dir));
  segments.pop_back();
  return {};
}

/// `chain` is the checksum that the segment before ended with.
Status Log::State::load_segment(size_t index, std::optional<uint32_t> chain, Lsn after, Lsn limit,
                                const LogVisitor& visit) {
  Segment& segment = segments[index];
  const bool newest = index + 1 == segments.size();
  const std::string path = path_of(segment.first);
  TRY_ASSIGN(file, disk->open(path, newest ? OpenMode::kReadWrite : OpenMode::kRead));
  Result<SegmentHeader> header = read_segment_header(*file, path);
  if (!header.ok() && header.error().code() == Code::kNotFound)
    return damaged(path, 0, "the segment header is damaged");
  if (!header.ok()) return std::move(header).error();
  if (header->first_lsn != segment.first || (chain && *chain != header->previous_crc))
    return damaged(path, 0, "the segment does not continue the one before");
  Lsn mark = 0;
  if (newest) {
    TRY_ASSIGN(mark, read_mark(*file, segment.first));
  }
  const Lsn last_wanted = newest ? limit : segments[index + 1].first - 1;
  const SegmentScan scan{file.get(), *header, options.record_bytes_max, mark, last_wanted};
  TRY_ASSIGN(const SegmentEnd found, scan_segment(scan, [&](const LogRecord& record) {
               return record.lsn > after ? visit(record) : Status();
             }));
  segment.last = found.last_lsn;
  segment.bytes = found.offset - kSegmentHeaderBytes;
  segment.first_unix_micros = found.first_unix_micros;
  last_lsn = found.last_lsn;
  last_crc = found.last_crc;
  last_unix_micros = found.last_unix_micros;
  const Lsn promised = newest ? (limit == kNoLsn ? mark : limit) : last_wanted;
  if (last_lsn < promised) {
    return damaged(path, found.offset,
                   "LSN " + std::to_string(last_lsn + 1) + " is missing: " + found.why);
  }
  return newest ? settle(found, mark, limit != kNoLsn) : Status();
}

/// Makes what was found durable and the file ready for the next record.
Status Log::State::settle(const SegmentEnd& found, Lsn mark, bool after_failure) {
  const Lsn first = segments.back().first;
  end = found.offset;
  TRY_ASSIGN(allocated, file->size());
  // Without a mark not even the header and the name are known to be durable.
  const bool created = mark >= first;
  uint64_t from = created ? found.after_mark : 0;
  if (after_failure) from = std::min(from, end / kPageCacheBytes * kPageCacheBytes);
  bool unsynced = from < end;
  TRY(write_again(*file, from, end));
  if (allocated > end) {
    TRY_ASSIGN(const bool empty, all_zeros(*file, end, allocated));
    if (!empty || after_failure) {
      TRY(file->truncate(end));
      allocated = end;
      unsynced = true;
    }
  }
  if (unsynced) TRY(file->sync());
  if (!created) TRY(disk->sync_dir(dir));
  move_mark();
  return {};
}

/// The mark only helps to tell damage from a torn tail; it is not synced, and a disk that refuses
/// it will refuse the next record too.
void Log::State::move_mark() {
  if (last_lsn < segments.back().first) return;
  file->write(kMarkOffset, as_bytes(encode_mark(segments.back().first, last_lsn))).ignore();
}

/// The segment before tells of the newest one's first records too: without it a newest segment that
/// is gone would look like a log that ends before. No more synced than a mark is.
void Log::State::mark_before() {
  const Lsn before = segments[segments.size() - 2].first;
  const auto old = disk->open(path_of(before), OpenMode::kReadWrite);
  if (old.ok()) (*old)->write(kMarkOffset, as_bytes(encode_mark(before, last_lsn))).ignore();
}

/// kNoSpace promises a working log, so a poisoned one says something else.
Status Log::State::poison(Status failure) {
  is_poisoned = true;
  if (failure.code() != Code::kNoSpace) return failure;
  return {Code::kIo, std::string(failure.message())};
}

bool Log::State::must_roll(const LogRecord& next) const {
  if (file == nullptr) return true;
  const Segment& newest = segments.back();
  if (newest.last < newest.first) return false;
  return newest.bytes >= options.segment_bytes ||
         next.unix_micros >= newest.first_unix_micros + options.segment_micros;
}

Status Log::State::roll(Lsn first) {
  // Gives the zeros back. Nothing depends on it, so it is neither checked nor synced.
  if (file != nullptr && allocated > end) file->truncate(end).ignore();
  allocated = end;
  const std::string path = path_of(first);
  const Status created = create_segment(path, {first, last_crc, last_unix_micros});
  if (created.ok()) return {};
  if (created.code() != Code::kNoSpace) return poison(created.clone());
  // The old segment goes on, so the name must not come back after a crash.
  Status removed = disk->remove(path);
  if (removed.code() == Code::kNotFound) removed = {};
  if (removed.ok()) removed = disk->sync_dir(dir);
  return removed.ok() ? created.clone() : poison(std::move(removed));
}

Status Log::State::create_segment(const std::string& path, const SegmentHeader& header) {
  TRY_ASSIGN(std::unique_ptr<File> created, disk->open(path, OpenMode::kTruncate));
  TRY(created->write(0, as_bytes(encode_segment_header(header))));
  if (Status synced = created->sync(); !synced.ok()) return poison(std::move(synced));
  TRY(disk->sync_dir(dir));
  file = std::move(created);
  segments.push_back({header.first_lsn, header.first_lsn - 1, 0, 0});
  end = kSegmentHeaderBytes;
  allocated = end;
  steps = true;
  return {};
}

/// Fills the file with zeros some way behind the record that is about to be written.
void Log::State::step(uint64_t end_after) {
  if (end_after <= allocated || !steps) return;
  const uint64_t more = std::clamp(end_after / 2, kStepMin, kStepMax);
  const uint64_t target = (end_after + more) / kPageCacheBytes * kPageCacheBytes;
  for (uint64_t at = end_after; at < target && steps;) {
    const uint64_t part = std::min<uint64_t>(kZeros.size(), target - at);
    // On a nearly full disk the record itself may still fit.
    steps = file->write(at, Bytes(kZeros).first(part)).ok();
    at += part;
  }
  if (steps) allocated = target;
}

/// Writes and syncs what the buffer holds.
Status Log::State::append() {
  const uint64_t end_after = end + buffer.size();
  step(end_after);
  if (Status written = file->write(end, as_bytes(buffer)); !written.ok()) {
    if (written.code() != Code::kNoSpace) return poison(std::move(written));
    // A part may have been written, whole records even: neither the next record nor a crash may
    // bring them to life, for the caller says that they were refused.
    Status cut = file->truncate(end);
    if (cut.ok()) cut = file->sync();
    if (!cut.ok()) return poison(std::move(cut));
    allocated = end;
    return written;
  }
  allocated = std::max(allocated, end_after);
  if (Status synced = file->sync(); !synced.ok()) return poison(std::move(synced));
  end = end_after;
  return {};
}

Log::Log(std::unique_ptr<State> state) : state_(std::move(state)) {}

Log::~Log() {
  State& s = *state_;
  // Gives the zeros back; a log whose file ends with its last record has no tail to doubt.
  if (s.file != nullptr && !s.is_poisoned && s.allocated > s.end) s.file->truncate(s.end).ignore();
}

Result<std::unique_ptr<Log>> Log::open(FileSystem& files, std::string dir,
                                       const LogOptions& options, Lsn after,
                                       const LogVisitor& replay) {
  auto state = std::make_unique<State>();
  state->disk = &files;
  state->dir = std::move(dir);
  state->options = options;
  TRY(files.make_dirs(state->dir));
  TRY(state->load(after, kNoLsn, replay));
  return std::unique_ptr<Log>(new Log(std::move(state)));
}

Status Log::commit(std::span<const LogRecord> records) {
  State& s = *state_;
  if (s.is_poisoned)
    return {Code::kUnavailable, s.dir + ": a write or sync failed; the log must be reopened"};
  if (records.empty()) return {};
  for (size_t i = 0; i < records.size(); ++i) {
    CHECK(records[i].lsn == s.last_lsn + 1 + i);
    if (records[i].payload.size() > s.options.record_bytes_max) {
      return {Code::kTooLarge,
              s.dir + ": a record of " + std::to_string(records[i].payload.size()) +
                  " bytes, more than the limit of " + std::to_string(s.options.record_bytes_max)};
    }
  }
  if (s.must_roll(records.front())) TRY(s.roll(records.front().lsn));
  uint32_t crc = s.last_crc;
  s.buffer.clear();
  for (const LogRecord& record : records)
    crc = append_record(s.buffer, record, crc);
  TRY(s.append());
  Segment& newest = s.segments.back();
  const bool begins = newest.last < newest.first;
  if (begins) newest.first_unix_micros = records.front().unix_micros;
  newest.last = records.back().lsn;
  newest.bytes += s.buffer.size();
  s.last_lsn = newest.last;
  s.last_crc = crc;
  s.last_unix_micros = records.back().unix_micros;
  if (s.buffer.capacity() > kBufferKept) std::string().swap(s.buffer);
  s.move_mark();
  if (begins && s.segments.size() > 1) s.mark_before();
  return {};
}

Status Log::reopen(Lsn after, const LogVisitor& visit) {
  State& s = *state_;
  const Lsn durable = s.last_lsn;
  s.is_poisoned = true;
  Status loaded = s.load(after, durable, visit);
  if (!loaded.ok()) {
    s.file.reset();
    s.last_lsn = durable;
    return loaded;
  }
  s.is_poisoned = false;
  return {};
}

Status Log::drop_through(Lsn upto) {
  State& s = *state_;
  if (s.file != nullptr && !s.is_poisoned && s.last_lsn <= upto &&
      s.segments.back().last >= s.segments.back().first) {
    const Status rolled = s.roll(s.last_lsn + 1);
    if (!rolled.ok() && rolled.code() != Code::kNoSpace) return rolled.clone();
  }
  while (s.segments.size() > 1 && s.segments[1].first <= upto + 1) {
    const Status removed = s.disk->remove(s.path_of(s.segments.front().first));
    if (!removed.ok() && removed.code() != Code::kNotFound) return removed.clone();
    TRY(s.disk->sync_dir(s.dir));
    s.segments.erase(s.segments.begin());
  }
  return {};
}

Lsn Log::last_lsn() const {
  return state_->last_lsn;
}

Lsn Log::first_lsn() const {
  return state_->segments.empty() ? state_->last_lsn + 1 : state_->segments.front().first;
}

uint64_t Log::last_unix_micros() const {
  return state_->last_unix_micros;
}

uint64_t Log::bytes() const {
  return bytes_after(0);
}

uint64_t Log::bytes_after(Lsn lsn) const {
  uint64_t sum = 0;
  for (const Segment& segment : state_->segments) {
    if (segment.last <= lsn || segment.last < segment.first) continue;
    const uint64_t records = segment.last - segment.first + 1;
    const uint64_t wanted = std::min(records, segment.last - lsn);
    sum += segment.bytes / records * wanted + segment.bytes % records * wanted / records;
  }
  return sum;
}

bool Log::poisoned() const {
  return state_->is_poisoned;
}

}  // namespace ferres
