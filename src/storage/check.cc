// See check.h. What counts as damage is what storage/log.cc and storage/page_store_open.cc refuse;
// in addition bytes are looked at which those never read.
#include "storage/check.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "base/crc32c.h"
#include "storage/log_segment.h"
#include "storage/reservation.h"

namespace ferres {
namespace {

constexpr uint64_t kSectorBytes = 512;
constexpr uint64_t kMarkBytes = 12;
constexpr size_t kReadBytes = 256 << 10;

/// Offset of the first byte in [from, to) that is not zero; none when all are.
Result<std::optional<uint64_t>> first_nonzero(const File& file, uint64_t from, uint64_t to) {
  std::vector<std::byte> buffer(kReadBytes);
  while (from < to) {
    const MutableBytes part(buffer.data(), std::min<uint64_t>(buffer.size(), to - from));
    TRY_ASSIGN(const size_t got, file.read(from, part));
    if (got == 0) break;
    const auto end = part.begin() + static_cast<ptrdiff_t>(got);
    const auto found =
        std::find_if(part.begin(), end, [](std::byte b) { return b != std::byte{0}; });
    if (found != end) return std::optional(from + static_cast<uint64_t>(found - part.begin()));
    from += got;
  }
  return std::optional<uint64_t>();
}

/// One log, segment by segment.
class LogChecker {
 public:
  LogChecker(FileSystem& files, const std::string& dir, const LogVisitor& visit,
             const CheckProgress& progress)
      : files_(files), dir_(dir), visit_(visit), progress_(progress) {}

  Result<LogCheck> run() {
    const Result<std::vector<std::string>> names = files_.list(dir_);
    if (!names.ok() && names.error().code() == Code::kNotFound) return std::move(check_);
    if (!names.ok()) return names.error().clone();
    for (const std::string& name : *names)
      if (const std::optional<Lsn> lsn = segment_lsn(name)) firsts_.push_back(*lsn);
    if (!firsts_.empty()) check_.first_lsn = firsts_.front();
    check_.last_lsn = check_.first_lsn - 1;
    for (size_t i = 0; i < firsts_.size(); ++i) {
      const std::string path = dir_ + "/" + segment_name(firsts_[i]);
      if (const Status status = segment(i, path); !status.ok()) gap(i, damage_of(path, status));
    }
    return std::move(check_);
  }

 private:
  bool newest(size_t i) const { return i + 1 == firsts_.size(); }
  /// The last record that a segment must hold; kNoLsn: as many as there are.
  Lsn last_of(size_t i) const { return newest(i) ? kNoLsn : firsts_[i + 1] - 1; }

  /// Nothing of the segment can be read.
  void gap(size_t i, FileDamage where) {
    check_.gaps.push_back({std::move(where), firsts_[i], last_of(i)});
    chain_.reset();
  }

  Status segment(size_t i, const std::string& path) {
    TRY_ASSIGN(const std::unique_ptr<File> file, files_.open(path, OpenMode::kRead));
    TRY_ASSIGN(const uint64_t size, file->size());
    Result<SegmentHeader> header = read_segment_header(*file, path);
    if (!header.ok() && header.error().code() == Code::kNotFound) {
      if (newest(i) && size <= kSegmentHeaderBytes) {
        check_.harmless.push_back({path, 0,
                                   "a log segment that was being created and holds no record; the "
                                   "next start removes it"});
        return {};
      }
      gap(i, {path, 0, "the segment header is damaged"});
      return {};
    }
    if (!header.ok()) return std::move(header).error();
    if (header->first_lsn != firsts_[i] || (chain_ && *chain_ != header->previous_crc)) {
      gap(i, {path, 0, "the segment does not continue the one before"});
      return {};
    }
    TRY(mark(*file, path, header->first_lsn));
    return records(i, path, *file, *header);
  }

  /// The sector of the mark is under no checksum of the header's.
  Status mark(const File& file, const std::string& path, Lsn first) {
    TRY_ASSIGN(const Lsn durable, read_mark(file, first));
    const uint64_t rest = kMarkOffset + (durable == 0 ? 0 : kMarkBytes);
    TRY_ASSIGN(const std::optional<uint64_t> odd,
               first_nonzero(file, rest, kMarkOffset + kSectorBytes));
    if (odd) {
      check_.harmless.push_back({path, *odd,
                                 "the sector of the mark is damaged; the mark alone tells damage "
                                 "at the log's end from a write that was cut short"});
    }
    return {};
  }

  Status records(size_t i, const std::string& path, const File& file, const SegmentHeader& header) {
    uint64_t told = 0;
    const SegmentScan scan{&file, header, LogOptions{}.record_bytes_max, 0, last_of(i)};
    TRY_ASSIGN(const SegmentEnd end, scan_segment(scan, [&](const LogRecord& record) -> Status {
                 told += record_bytes(record.payload.size());
                 if (told >= kReadBytes) progress_(std::exchange(told, 0));
                 return check_.gaps.empty() ? visit_(record) : Status();
               }));
    progress_(told);
    check_.last_lsn = std::max(check_.last_lsn, end.last_lsn);
    chain_ = end.last_crc;
    Lsn promised = last_of(i);
    if (newest(i)) {
      TRY_ASSIGN(promised, read_mark(file, header.first_lsn));
    }
    if (end.last_lsn < promised) {
      check_.gaps.push_back(
          {{path, end.offset,
            "LSN " + std::to_string(end.last_lsn + 1) + " is missing: " + end.why},
           end.last_lsn + 1,
           last_of(i)});
      chain_.reset();
      return {};
    }
    TRY_ASSIGN(const uint64_t size, file.size());
    TRY_ASSIGN(const std::optional<uint64_t> odd, first_nonzero(file, end.offset, size));
    if (odd) {
      check_.harmless.push_back({path, *odd,
                                 "bytes behind the last record, of a write that was never "
                                 "acknowledged; the next start cuts them off"});
    }
    return {};
  }

  FileSystem& files_;
  const std::string& dir_;
  const LogVisitor& visit_;
  const CheckProgress& progress_;
  std::vector<Lsn> firsts_;  // of the segments
  LogCheck check_;
  std::optional<uint32_t> chain_;  // checksum that the segment before ended with
};

/// Reads the pages of a file whose table is sound.
void check_pages(const File& file, const std::string& path, const CheckProgress& progress,
                 PageFileCheck& check) {
  std::vector<std::byte> buffer(kPageBytes);
  for (const PageRow& row : check.rows) {
    const MutableBytes page(buffer.data(), row.length);
    const Result<size_t> got = file.read(row.offset, page);
    progress(row.length);
    const bool whole = got.ok() && *got == row.length;
    if (whole && crc32c(page) == row.crc) continue;
    check.bad.push_back(row);
    if (check.damage) continue;
    check.damage = {path, row.offset,
                    got.ok() ? "the page fails its checksum" : std::string(got.error().message())};
  }
}

}  // namespace

std::string text_of(const FileDamage& damage) {
  return damage.file + ": byte " + std::to_string(damage.offset) + ": " + damage.what;
}

FileDamage damage_of(const std::string& file, const Status& error) {
  FileDamage damage{file, 0, std::string(error.message())};
  std::string_view text = error.message();
  if (!text.starts_with(file + ": ")) return damage;
  text.remove_prefix(file.size() + 2);
  damage.what = text;
  constexpr std::string_view kByte = "byte ";
  if (!text.starts_with(kByte)) return damage;
  text.remove_prefix(kByte.size());
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), damage.offset);
  if (ec != std::errc() || !std::string_view(end, text.data() + text.size()).starts_with(": "))
    return damage;
  damage.what = std::string(end + 2, text.data() + text.size());
  return damage;
}

Result<LogCheck> check_log(FileSystem& files, const std::string& dir, const LogVisitor& visit,
                           const CheckProgress& progress) {
  return LogChecker(files, dir, visit, progress).run();
}

PageFileCheck check_page_file(FileSystem& files, const std::string& dir, const PageFileEntry& entry,
                              const CheckProgress& progress) {
  PageFileCheck check;
  const std::string path = dir + "/" + entry.name;
  const Result<std::unique_ptr<File>> file = files.open(path, OpenMode::kRead);
  if (!file.ok()) {
    check.missing = file.error().code() == Code::kNotFound;
    check.damage = {
        path, 0, check.missing ? "the page file is missing" : std::string(file.error().message())};
    return check;
  }
  Result<PageTable> table = read_page_table(**file, path, entry.bytes, entry.table_crc);
  if (!table.ok()) {
    check.damage = damage_of(path, table.error());
    return check;
  }
  if (table->number != page_file_number(entry.name)) {
    check.damage = {path, 0, "the content is that of another page file"};
    return check;
  }
  check.rows = std::move(table->rows);
  check_pages(**file, path, progress, check);
  return check;
}

std::optional<FileDamage> check_page_store(FileSystem& files, const std::string& dir,
                                           const StoreManifest& store,
                                           const CheckProgress& progress) {
  std::set<std::pair<uint32_t, uint32_t>> newer;
  for (auto entry = store.files.rbegin(); entry != store.files.rend(); ++entry) {
    const PageFileCheck check = check_page_file(files, dir, *entry, progress);
    if (!check.damage) {
      for (const PageRow& row : check.rows)
        newer.emplace(row.arena, row.page);
      continue;
    }
    if (check.bad.empty()) return check.damage;
    for (const PageRow& row : check.bad) {
      if (newer.contains({row.arena, row.page})) continue;
      return FileDamage{dir + "/" + entry->name, row.offset, check.damage->what};
    }
    for (const PageRow& row : check.rows)
      newer.emplace(row.arena, row.page);
  }
  return std::nullopt;
}

}  // namespace ferres
