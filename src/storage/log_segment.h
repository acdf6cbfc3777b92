// One file of the log: its header page, its mark, and its chain of records. Byte layout:
// docs/formats.md. Used by storage/log.cc alone; not thread-safe.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "base/files.h"
#include "base/status.h"
#include "base/types.h"
#include "storage/log.h"

namespace ferres {

inline constexpr uint64_t kSegmentHeaderBytes = 4096;
inline constexpr uint64_t kRecordHeaderBytes = 32;

/// "<20 digits>.wal"
std::string segment_name(Lsn first_lsn);
/// The LSN in a segment's name; 0 for other files.
Lsn parse_segment_name(const std::string& name);

/// Header and payload of one record, padded to 8 bytes, appended to out. Returns the record's CRC,
/// the seed of the next one.
uint32_t encode_record(const LogRecord& record, uint32_t previous_crc, std::string& out);

/// What scanning a segment found.
struct SegmentScan {
  Lsn last_lsn = 0;  // first_lsn - 1 when it holds no record
  uint64_t last_unix_micros = 0;
  uint64_t first_unix_micros = 0;
  uint64_t end = kSegmentHeaderBytes;  // offset behind the last good record
  uint32_t crc = 0;                    // of the last good record, or the header's seed
};

class Segment {
 public:
  /// A new file with a header, synced with its directory.
  static Result<std::unique_ptr<Segment>> create(FileSystem& files, const std::string& dir,
                                                 Lsn first_lsn, uint32_t previous_crc);
  /// An existing file. kCorruption when the header is damaged; kUnimplemented for a newer format.
  static Result<std::unique_ptr<Segment>> open(FileSystem& files, const std::string& dir,
                                               Lsn first_lsn);

  Lsn first_lsn() const { return first_lsn_; }
  const std::string& path() const { return path_; }
  /// Seed of the first record: the CRC of the last record of the segment before.
  uint32_t seed() const { return seed_; }
  /// Newest LSN that a sync is known to have made durable here; 0 when none is known.
  Result<Lsn> mark() const;
  /// Notes it; not synced: it may only be older than the truth.
  Status set_mark(Lsn synced);

  /// Reads records from the start until one is missing or does not check, and calls visit for those
  /// with lsn in [from, to]. A failing visit ends the scan with its error.
  Result<SegmentScan> scan(Lsn from, Lsn to, uint64_t record_bytes_max,
                           const LogVisitor& visit) const;

  /// Writes data at offset, growing the file ahead of it in zero-filled steps. Not durable.
  Status append(uint64_t offset, Bytes data);
  Status sync() { return file_->sync(); }
  /// Drops everything from offset on, durably.
  Status cut(uint64_t offset);
  /// Overwrites the start of a failed append, so that it cannot be taken for a record.
  Status erase(uint64_t offset);
  /// Any byte other than zero at or after offset?
  Result<bool> has_data(uint64_t offset) const;

 private:
  Segment(std::unique_ptr<File> file, std::string path, Lsn first_lsn)
      : file_(std::move(file)), path_(std::move(path)), first_lsn_(first_lsn) {}

  std::unique_ptr<File> file_;
  const std::string path_;
  const Lsn first_lsn_;
  uint32_t seed_ = 0;
  uint64_t allocated_ = 0;  // file size
};

}  // namespace ferres
