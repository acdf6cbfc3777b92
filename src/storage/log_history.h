// The log as history: what was written when, read back from the segments' files. Any thread, beside
// the one that appends, as long as nobody removes the segments meanwhile and no record is asked for
// that was not durable yet. What it reads is checked as the log checks it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/status.h"
#include "base/types.h"
#include "storage/log.h"

namespace ferres {

struct LogSegment {
  Lsn first_lsn = 0;
  /// Of the record before the first one; 0 in the log's first segment.
  uint64_t previous_unix_micros = 0;
};

/// The segments in dir, oldest first. One that is just being created is left out.
Result<std::vector<LogSegment>> list_log(FileSystem& files, const std::string& dir);

/// Calls visit for each record with lsn in [from, to], in order. kNotFound when `from` is no longer
/// kept; kCorruption when a record up to `to` is missing or damaged.
Status read_log(FileSystem& files, const std::string& dir, Lsn from, Lsn to,
                const LogVisitor& visit);

/// A moment of the log: a record and its commit time, or the beginning {0, 0}.
struct LogMoment {
  Lsn lsn = 0;
  uint64_t unix_micros = 0;
};

/// The newest record at or before `unix_micros` among those up to `newest`; an empty log's moment
/// is `newest`, its time unknown. When even the oldest segment begins later: kNotFound, saying
/// when.
Result<LogMoment> find_moment(FileSystem& files, const std::string& dir, uint64_t unix_micros,
                              Lsn newest);

}  // namespace ferres
