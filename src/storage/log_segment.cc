// See log_segment.h.
#include "storage/log_segment.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <vector>

#include "base/coding.h"
#include "base/crc32c.h"

namespace ferres {
namespace {

constexpr std::string_view kMagic = "FERRSLOG";
constexpr uint32_t kVersion = 1;
constexpr size_t kHeadBytes = 16;  // magic, version, their CRC: the same in every version
constexpr size_t kHeaderCrcAt = 36;
constexpr size_t kSectorBytes = 512;
constexpr size_t kMarkBytes = 12;
constexpr std::string_view kSuffix = ".wal";
constexpr size_t kDigits = 20;
constexpr uint64_t kRecordHeaderBytes = 32;
constexpr uint64_t kReadBytes = 256 << 10;

/// Over the whole header page but its own field and the mark's sector.
uint32_t header_crc(Bytes page) {
  uint32_t crc = crc32c(page.first(kHeaderCrcAt));
  crc = crc32c(page.subspan(kHeaderCrcAt + 4, kMarkOffset - kHeaderCrcAt - 4), crc);
  return crc32c(page.subspan(kMarkOffset + kSectorBytes), crc);
}

uint32_t mark_crc(Bytes lsn, Lsn first_lsn) {
  std::byte seed[sizeof first_lsn];
  store_u64(seed, first_lsn);
  return crc32c(lsn, crc32c(seed));
}

/// Reads a file front to back through one buffer.
class Window {
 public:
  Window(const File& file, uint64_t size) : file_(file), size_(size) {}

  uint64_t size() const { return size_; }
  /// The bytes at offset, as many as the file has of them; offsets ascend.
  Result<Bytes> at(uint64_t offset, uint64_t length) {
    length = std::min(length, size_ - std::min(size_, offset));
    if (offset < start_ || offset + length > start_ + filled_) {
      if (buffer_.size() < length || buffer_.empty())
        buffer_.resize(std::max(length, std::min(kReadBytes, size_)));
      start_ = offset;
      TRY_ASSIGN(filled_, file_.read(offset, buffer_));
      length = std::min<uint64_t>(length, filled_);
    }
    return Bytes(buffer_).subspan(offset - start_, length);
  }

 private:
  const File& file_;
  const uint64_t size_;
  std::vector<std::byte> buffer_;
  uint64_t start_ = 0;
  uint64_t filled_ = 0;
};

struct RecordHeader {
  uint32_t crc = 0;
  uint32_t length = 0;
  Lsn lsn = 0;
  uint64_t unix_micros = 0;
  uint8_t op = 0;
};

/// Empty when the header may be that of the wanted record, else what is wrong with it.
std::string check_header(const RecordHeader& header, Lsn wanted, uint64_t bytes_max) {
  if (header.lsn != wanted) {
    return "a record of LSN " + std::to_string(header.lsn) + ", not " + std::to_string(wanted);
  }
  if (header.length > bytes_max)
    return "a record of " + std::to_string(header.length) + " bytes, more than the limit";
  return {};
}

}  // namespace

std::string segment_name(Lsn first_lsn) {
  const std::string digits = std::to_string(first_lsn);
  return std::string(kDigits - digits.size(), '0') + digits + std::string(kSuffix);
}

std::optional<Lsn> segment_lsn(std::string_view name) {
  if (name.size() != kDigits + kSuffix.size() || !name.ends_with(kSuffix)) return {};
  Lsn lsn = 0;
  const std::string_view digits = name.substr(0, kDigits);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), lsn);
  if (error != std::errc() || end != digits.data() + digits.size() || lsn == 0) return {};
  return lsn;
}

std::string encode_segment_header(const SegmentHeader& header) {
  std::string out(kMagic);
  put_u32(out, kVersion);
  put_u32(out, crc32c(as_bytes(out)));
  put_u64(out, header.first_lsn);
  put_u64(out, header.previous_unix_micros);
  put_u32(out, header.previous_crc);
  out.resize(kSegmentHeaderBytes, '\0');
  const uint32_t crc = header_crc(as_bytes(out));
  std::memcpy(out.data() + kHeaderCrcAt, &crc, sizeof crc);
  return out;
}

Result<SegmentHeader> read_segment_header(const File& file, const std::string& path) {
  std::vector<std::byte> page(kSegmentHeaderBytes);
  TRY_ASSIGN(const size_t got, file.read(0, page));
  const Bytes bytes(page);
  const Status missing(Code::kNotFound, path + ": byte 0: no whole segment header");
  if (got < kSegmentHeaderBytes) return missing.clone();
  Reader reader(bytes);
  const Bytes magic = reader.bytes(kMagic.size());
  const uint32_t version = reader.u32();
  if (as_text(magic) != kMagic || reader.u32() != crc32c(bytes.first(kHeadBytes - 4)))
    return missing.clone();
  if (version > kVersion) {
    return Status(Code::kUnimplemented, path + ": log format " + std::to_string(version) +
                                            ", this program reads up to " +
                                            std::to_string(kVersion));
  }
  SegmentHeader header;
  header.first_lsn = reader.u64();
  header.previous_unix_micros = reader.u64();
  header.previous_crc = reader.u32();
  if (reader.u32() != header_crc(bytes)) return missing.clone();
  return header;
}

std::string encode_mark(Lsn first_lsn, Lsn lsn) {
  std::string out;
  put_u64(out, lsn);
  put_u32(out, mark_crc(as_bytes(out), first_lsn));
  return out;
}

Result<Lsn> read_mark(const File& file, Lsn first_lsn) {
  std::byte bytes[kMarkBytes];
  TRY_ASSIGN(const size_t got, file.read(kMarkOffset, bytes));
  if (got < kMarkBytes || load_u32(bytes + 8) != mark_crc(Bytes(bytes, 8), first_lsn))
    return Lsn{0};
  return load_u64(bytes);
}

uint64_t record_bytes(uint64_t payload_bytes) {
  return (kRecordHeaderBytes + payload_bytes + 7) / 8 * 8;
}

uint32_t append_record(std::string& out, const LogRecord& record, uint32_t seed) {
  const size_t start = out.size();
  put_u32(out, 0);
  put_u32(out, static_cast<uint32_t>(record.payload.size()));
  put_u64(out, record.lsn);
  put_u64(out, record.unix_micros);
  put_u8(out, record.op);
  out.resize(start + kRecordHeaderBytes, '\0');
  put_bytes(out, record.payload);
  out.resize(start + record_bytes(record.payload.size()), '\0');
  const uint32_t crc = crc32c(as_bytes(std::string_view(out).substr(start + 4)), seed);
  std::memcpy(out.data() + start, &crc, sizeof crc);
  return crc;
}

Result<SegmentEnd> scan_segment(const SegmentScan& scan, const LogVisitor& visit) {
  SegmentEnd end;
  end.last_lsn = scan.header.first_lsn - 1;
  end.last_crc = scan.header.previous_crc;
  end.last_unix_micros = scan.header.previous_unix_micros;
  TRY_ASSIGN(const uint64_t size, scan.file->size());
  Window window(*scan.file, size);
  while (end.last_lsn < scan.limit) {
    TRY_ASSIGN(const Bytes head, window.at(end.offset, kRecordHeaderBytes));
    end.why = "the end of the log";
    if (std::all_of(head.begin(), head.end(), [](std::byte b) { return b == std::byte{0}; })) break;
    Reader reader(head);
    RecordHeader header;
    header.crc = reader.u32();
    header.length = reader.u32();
    header.lsn = reader.u64();
    header.unix_micros = reader.u64();
    header.op = reader.u8();
    end.why = check_header(header, end.last_lsn + 1, scan.record_bytes_max);
    if (!end.why.empty()) break;
    const uint64_t whole = record_bytes(header.length);
    end.why = "a record that ends beyond the file";
    if (end.offset + whole > size) break;
    TRY_ASSIGN(const Bytes bytes, window.at(end.offset, whole));
    end.why = "a record that fails its checksum";
    if (bytes.size() < whole || crc32c(bytes.subspan(4), end.last_crc) != header.crc) break;
    end.why.clear();
    const LogRecord record{header.lsn, header.unix_micros, header.op,
                           bytes.subspan(kRecordHeaderBytes, header.length)};
    TRY(visit(record));
    if (end.last_lsn + 1 == scan.header.first_lsn) end.first_unix_micros = header.unix_micros;
    end.last_lsn = header.lsn;
    end.last_crc = header.crc;
    end.last_unix_micros = header.unix_micros;
    end.offset += whole;
    if (header.lsn <= scan.mark) end.after_mark = end.offset;
  }
  return end;
}

}  // namespace ferres
