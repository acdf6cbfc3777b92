// See log_history.h. A segment's header says when the record before it was written, so a moment is
// found by reading one segment.
#include "storage/log_history.h"

#include <algorithm>
#include <memory>

#include "storage/log_segment.h"

namespace ferres {
namespace {

constexpr uint64_t kRecordBytesMax = LogOptions{}.record_bytes_max;

Status missing(const std::string& path, uint64_t offset, Lsn lsn, const std::string& why) {
  return {Code::kCorruption, path + ": byte " + std::to_string(offset) + ": LSN " +
                                 std::to_string(lsn) + " is missing: " + why};
}

Status header_damaged(const std::string& path) {
  return {Code::kCorruption, path + ": byte 0: the segment header is damaged"};
}

/// Every record of a segment up to `last`, which must be there.
Status read_segment(FileSystem& files, const std::string& path, Lsn last, const LogVisitor& visit) {
  TRY_ASSIGN(const std::unique_ptr<File> file, files.open(path, OpenMode::kRead));
  const Result<SegmentHeader> header = read_segment_header(*file, path);
  if (!header.ok() && header.error().code() == Code::kNotFound) return header_damaged(path);
  if (!header.ok()) return header.error().clone();
  const SegmentScan scan{file.get(), *header, kRecordBytesMax, 0, last};
  TRY_ASSIGN(const SegmentEnd found, scan_segment(scan, visit));
  if (found.last_lsn == last) return {};
  return missing(path, found.offset, found.last_lsn + 1, found.why);
}

}  // namespace

Result<std::vector<LogSegment>> list_log(FileSystem& files, const std::string& dir) {
  std::vector<LogSegment> segments;
  TRY_ASSIGN(const std::vector<std::string> names, files.list(dir));
  for (const std::string& name : names) {
    const std::optional<Lsn> lsn = segment_lsn(name);
    if (!lsn) continue;
    std::string path = dir;
    path.append("/").append(name);
    TRY_ASSIGN(const std::unique_ptr<File> file, files.open(path, OpenMode::kRead));
    const Result<SegmentHeader> header = read_segment_header(*file, path);
    if (!header.ok() && header.error().code() == Code::kNotFound) {
      if (name == names.back()) break;
      return header_damaged(path);
    }
    if (!header.ok()) return header.error().clone();
    if (header->first_lsn != *lsn) {
      return Status(Code::kCorruption,
                    path + ": byte 0: the segment of LSN " + std::to_string(header->first_lsn));
    }
    segments.push_back({*lsn, header->previous_unix_micros});
  }
  return segments;
}

Status read_log(FileSystem& files, const std::string& dir, Lsn from, Lsn to,
                const LogVisitor& visit) {
  if (from > to) return {};
  TRY_ASSIGN(const std::vector<LogSegment> segments, list_log(files, dir));
  const auto behind =
      std::upper_bound(segments.begin(), segments.end(), from,
                       [](Lsn lsn, const LogSegment& segment) { return lsn < segment.first_lsn; });
  if (behind == segments.begin()) {
    return {Code::kNotFound, dir + ": LSN " + std::to_string(from) + " is no longer kept"};
  }
  for (auto at = behind - 1; at != segments.end() && at->first_lsn <= to; ++at) {
    const Lsn last = at + 1 == segments.end() ? to : std::min(to, (at + 1)->first_lsn - 1);
    TRY(read_segment(
        files, dir + "/" + segment_name(at->first_lsn), last,
        [&](const LogRecord& record) { return record.lsn >= from ? visit(record) : Status(); }));
  }
  return {};
}

Result<LogMoment> find_moment(FileSystem& files, const std::string& dir, uint64_t unix_micros,
                              Lsn newest) {
  TRY_ASSIGN(const std::vector<LogSegment> segments, list_log(files, dir));
  // The last segment that begins in time, among those that are asked about.
  auto at = segments.end();
  for (auto next = segments.begin(); next != segments.end() && next->first_lsn <= newest + 1;
       ++next)
    if (at == segments.end() || next->previous_unix_micros <= unix_micros) at = next;
  if (at == segments.end()) return LogMoment{newest, 0};
  if (at->previous_unix_micros > unix_micros) {
    return Status(Code::kNotFound, "the history that is kept begins later, at Unix second " +
                                       std::to_string(at->previous_unix_micros / 1'000'000));
  }
  LogMoment found{at->first_lsn - 1, at->previous_unix_micros};
  const Lsn last = at + 1 == segments.end() ? newest : std::min(newest, (at + 1)->first_lsn - 1);
  TRY(read_segment(files, dir + "/" + segment_name(at->first_lsn), last,
                   [&](const LogRecord& record) -> Status {
                     if (record.unix_micros <= unix_micros)
                       found = {record.lsn, record.unix_micros};
                     return {};
                   }));
  return found;
}

}  // namespace ferres
