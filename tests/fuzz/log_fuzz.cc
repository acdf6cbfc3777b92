// Any bytes as a log: the mark, how many records are sound, those records as {op, payload}, the
// payload as often as the op says, and what lies behind them as it comes. What is sound is
// replayed, what follows is cut, and the log goes on.
#include <cstdlib>

#include "base/coding.h"
#include "base/crc32c.h"
#include "base/sim_files.h"
#include "storage/log_segment.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ferres;
  Reader input(std::as_bytes(std::span(data, size)));
  const Lsn marked = input.u8();
  const uint64_t wanted = input.u8();
  std::string bytes = encode_segment_header({.first_lsn = 1});
  bytes.replace(kMarkOffset, encode_mark(1, marked).size(), encode_mark(1, marked));
  Lsn sound = 0;
  for (uint32_t crc = 0; sound < wanted && !input.at_end();) {
    const uint8_t op = input.u8();
    const std::string_view part = input.string();
    std::string payload;
    for (uint8_t i = 0; i < op; ++i)
      payload += part;
    if (input.ok()) crc = append_record(bytes, {++sound, 7, op, as_bytes(payload)}, crc);
  }
  put_bytes(bytes, input.rest());

  SimFiles files(1);
  const std::string path = "log/" + segment_name(1);
  if (!files.make_dirs("log").ok() || !write_file_atomic(files, path, as_bytes(bytes)).ok())
    return 0;
  Lsn last = 0;
  uint32_t crc = 0;
  size_t at = kSegmentHeaderBytes;
  const LogVisitor check = [&](const LogRecord& record) {
    const size_t length = record_bytes(record.payload.size());
    crc = crc32c(as_bytes(bytes).subspan(at + 4, length - 4), crc);
    if (crc != load_u32(as_bytes(bytes).data() + at)) std::abort();
    at += length;
    last = record.lsn;
    return Status();
  };
  Result<std::unique_ptr<Log>> log = Log::open(files, "log", LogOptions(), 0, check);
  if (!log.ok() && marked > sound) return 0;
  if (!log.ok() || last < std::max(marked, sound)) std::abort();
  const LogRecord next{last + 1, 8, 1, {}};
  if (!(*log)->commit({&next, 1}).ok()) std::abort();
  const LogVisitor count = [&last](const LogRecord& record) {
    last = record.lsn;
    return Status();
  };
  if (!Log::open(files, "log", LogOptions(), 0, count).ok() || last != next.lsn) std::abort();
  return 0;
}
