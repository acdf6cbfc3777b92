// The bytes of a log segment (docs/formats.md): a header page with the mark, then records. Reading
// checks every byte it hands out. Private to the log; functions without state.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/files.h"
#include "base/status.h"
#include "base/types.h"
#include "storage/log.h"

namespace ferres {

inline constexpr uint64_t kSegmentHeaderBytes = 4096;
inline constexpr uint64_t kMarkOffset = 512;  // a sector of its own: written alone, torn alone

struct SegmentHeader {
  Lsn first_lsn = 0;
  uint32_t previous_crc = 0;          // of the record before the first; seeds its checksum
  uint64_t previous_unix_micros = 0;  // of that record
};

/// "<first lsn, 20 digits>.wal"; the LSN in such a name, none in any other.
std::string segment_name(Lsn first_lsn);
std::optional<Lsn> segment_lsn(std::string_view name);

std::string encode_segment_header(const SegmentHeader& header);
/// kNotFound when there is no whole header, which after a crash means that the file was being
/// created; kUnimplemented, naming the versions, for a newer format.
Result<SegmentHeader> read_segment_header(const File& file, const std::string& path);

/// The mark says that `lsn` is durable.
std::string encode_mark(Lsn first_lsn, Lsn lsn);
/// 0 when there is no whole mark.
Result<Lsn> read_mark(const File& file, Lsn first_lsn);

/// Appends a record to out and returns its checksum, the seed of the next.
uint32_t append_record(std::string& out, const LogRecord& record, uint32_t seed);
uint64_t record_bytes(uint64_t payload_bytes);

/// Where reading a segment ended.
struct SegmentEnd {
  uint64_t offset = kSegmentHeaderBytes;  // behind the last good record
  Lsn last_lsn = 0;                       // first_lsn - 1 when there is none
  uint32_t last_crc = 0;
  uint64_t first_unix_micros = 0;
  uint64_t last_unix_micros = 0;
  uint64_t after_mark = kSegmentHeaderBytes;  // offset of the record after `mark`
  std::string why;                            // what was found at offset
};

struct SegmentScan {
  const File* file = nullptr;
  SegmentHeader header;
  uint64_t record_bytes_max = 0;
  Lsn mark = 0;        // only for after_mark
  Lsn limit = kNoLsn;  // stops behind this record
};

/// Reads records until one is missing or bad. Fails only when the disk or the visitor does.
Result<SegmentEnd> scan_segment(const SegmentScan& scan, const LogVisitor& visit);

}  // namespace ferres
