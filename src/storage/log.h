// The write-ahead log: the database itself. Segments of checksummed records in `dir`, named by the
// first LSN they hold. storage knows bytes, not points: `op` and `payload` mean something to
// collection/ and db/ only. Format: docs/formats.md.
//
// A record is {crc, length, lsn, unix_micros, op, payload}; the CRC32C covers header and payload
// and is seeded with the CRC of the record before, so records cannot be swapped, dropped or
// repeated unseen. After each sync the newest durable LSN is noted (unsynced, self-checked) in the
// segment's mark: a record missing at or before the mark is damage (kCorruption, naming file and
// offset); anything unreadable after it is a torn tail of writes that nobody was promised, and is
// cut.
//
// Not thread-safe: one owner (the lane) calls it; others read its files (storage/log_history.h). A
// failed sync poisons the log (every later append says kUnavailable) until reopen() has read the
// files back.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/status.h"
#include "base/types.h"

namespace ferres {

struct LogRecord {
  Lsn lsn = 0;
  uint64_t unix_micros = 0;
  uint8_t op = 0;
  Bytes payload;
};

struct LogOptions {
  uint64_t segment_bytes = 64ull << 20;             // roll to a new segment beyond this size
  uint64_t segment_micros = 3600ull * 1000 * 1000;  // or when its first record is older than this
  uint64_t record_bytes_max = 256ull << 20;         // longer is refused on write, damage on read
};

/// Called for each record in LSN order; the payload is valid during the call.
using LogVisitor = std::function<Status(const LogRecord&)>;

class Log {
 public:
  /// Opens the log in dir (created when missing), cuts a torn tail, and calls replay for every
  /// record with lsn > after. A gap between `after` and the oldest record is kCorruption.
  static Result<std::unique_ptr<Log>> open(FileSystem& files, std::string dir,
                                           const LogOptions& options, Lsn after,
                                           const LogVisitor& replay);
  ~Log();

  /// Appends records (LSNs dense and increasing, one write) and makes them durable. On kNoSpace
  /// nothing was appended and the log still works; on any other failure the log is poisoned.
  Status commit(std::span<const LogRecord> records);

  /// After a failed sync: closes, reads the files back and reports what is there by calling visit
  /// for every record after `after`. Ok means that the log accepts writes again.
  Status reopen(Lsn after, const LogVisitor& visit);

  /// Removes segments whose every record has lsn <= upto. When that is all there is, a new segment
  /// is begun first, if the disk has room for it.
  Status drop_through(Lsn upto);

  Lsn last_lsn() const;   // 0 when empty: the first LSN is 1
  Lsn first_lsn() const;  // oldest kept; last_lsn() + 1 when nothing is kept
  uint64_t last_unix_micros() const;
  uint64_t bytes() const;               // of records kept, without preallocation
  uint64_t bytes_after(Lsn lsn) const;  // about; what a replay from lsn would read
  bool poisoned() const;

 private:
  struct State;
  explicit Log(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ferres
