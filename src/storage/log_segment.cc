// See log_segment.h.
#include "storage/log_segment.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

#include "base/coding.h"
#include "base/crc32c.h"

namespace ferres {
namespace {

constexpr uint64_t kMagic = 0x31304C4157524546;  // "FERWAL01"
constexpr uint32_t kFormat = 1;
constexpr uint64_t kMarkOffset = 512;  // a sector of its own
constexpr uint64_t kReadStep = 1 << 20;
constexpr uint64_t kGrowMin = 64 << 10;
constexpr uint64_t kGrowMax = 4 << 20;
// Header: magic u64, format u32, crc u32 (of the rest of the first 32 bytes), first LSN u64,
// seed u32, zero u32.
constexpr size_t kHeaderFieldsBytes = 32;

uint32_t header_crc(Bytes header) {
  return crc32c(header.subspan(16, 16), crc32c(header.first(12)));
}

uint64_t padded(uint64_t bytes) {
  return (bytes + 7) / 8 * 8;
}

}  // namespace

std::string segment_name(Lsn first_lsn) {
  std::array<char, 32> text{};
  (void)std::snprintf(text.data(), text.size(), "%020llu.wal",
                      static_cast<unsigned long long>(first_lsn));
  return text.data();
}

Lsn parse_segment_name(const std::string& name) {
  if (name.size() != 24 || !name.ends_with(".wal")) return 0;
  Lsn lsn = 0;
  for (size_t i = 0; i < 20; ++i) {
    if (name[i] < '0' || name[i] > '9') return 0;
    lsn = lsn * 10 + static_cast<Lsn>(name[i] - '0');
  }
  return lsn;
}

uint32_t encode_record(const LogRecord& record, uint32_t previous_crc, std::string& out) {
  std::array<std::byte, kRecordHeaderBytes> header{};
  store_u32(&header[4], static_cast<uint32_t>(record.payload.size()));
  store_u64(&header[8], record.lsn);
  store_u64(&header[16], record.unix_micros);
  header[24] = std::byte{record.op};
  const uint32_t crc = crc32c(record.payload, crc32c(Bytes(header).subspan(4), previous_crc));
  store_u32(&header[0], crc);
  put_bytes(out, header);
  put_bytes(out, record.payload);
  out.append(padded(record.payload.size()) - record.payload.size(), '\0');
  return crc;
}

Result<std::unique_ptr<Segment>> Segment::create(FileSystem& files, const std::string& dir,
                                                 Lsn first_lsn, uint32_t previous_crc) {
  const std::string path = dir + "/" + segment_name(first_lsn);
  TRY_ASSIGN(std::unique_ptr<File> file, files.open(path, OpenMode::kTruncate));
  std::vector<std::byte> header(kSegmentHeaderBytes);
  store_u64(header.data(), kMagic);
  store_u32(header.data() + 8, kFormat);
  store_u64(header.data() + 16, first_lsn);
  store_u32(header.data() + 24, previous_crc);
  store_u32(header.data() + 12, header_crc(header));
  TRY(file->write(0, header));
  TRY(file->sync());
  TRY(files.sync_dir(dir));
  std::unique_ptr<Segment> segment(new Segment(std::move(file), path, first_lsn));
  segment->seed_ = previous_crc;
  segment->allocated_ = kSegmentHeaderBytes;
  return segment;
}

Result<std::unique_ptr<Segment>> Segment::open(FileSystem& files, const std::string& dir,
                                               Lsn first_lsn) {
  const std::string path = dir + "/" + segment_name(first_lsn);
  TRY_ASSIGN(std::unique_ptr<File> file, files.open(path, OpenMode::kReadWrite));
  std::array<std::byte, kHeaderFieldsBytes> header{};
  TRY_ASSIGN(const size_t got, file->read(0, header));
  if (got < header.size() || load_u64(header.data()) != kMagic ||
      load_u32(&header[12]) != header_crc(header) || load_u64(&header[16]) != first_lsn) {
    return Status(Code::kCorruption, path + ": damaged header at offset 0");
  }
  if (load_u32(&header[8]) != kFormat) {
    return Status(Code::kUnimplemented,
                  path + " has log format " + std::to_string(load_u32(&header[8])) +
                      ", this server reads format " + std::to_string(kFormat));
  }
  std::unique_ptr<Segment> segment(new Segment(std::move(file), path, first_lsn));
  segment->seed_ = load_u32(&header[24]);
  TRY_ASSIGN(segment->allocated_, segment->file_->size());
  return segment;
}

Result<Lsn> Segment::mark() const {
  std::array<std::byte, 12> mark{};
  TRY_ASSIGN(const size_t got, file_->read(kMarkOffset, mark));
  if (got < mark.size() || load_u32(&mark[8]) != crc32c(Bytes(mark).first(8), kFormat)) {
    return Lsn{0};
  }
  return load_u64(mark.data());
}

Status Segment::set_mark(Lsn synced) {
  std::array<std::byte, 12> mark{};
  store_u64(mark.data(), synced);
  store_u32(&mark[8], crc32c(Bytes(mark).first(8), kFormat));
  return file_->write(kMarkOffset, mark);
}

Result<SegmentScan> Segment::scan(Lsn from, Lsn to, uint64_t record_bytes_max,
                                  const LogVisitor& visit) const {
  SegmentScan found;
  found.last_lsn = first_lsn_ - 1;
  found.crc = seed_;
  TRY_ASSIGN(const uint64_t size, file_->size());
  std::vector<std::byte> buffer;
  uint64_t begin = found.end;  // file offset of buffer[0]
  // Makes [found.end, found.end + bytes) available; null when the file ends before.
  const auto want = [&](uint64_t bytes) -> Result<const std::byte*> {
    if (bytes > size || found.end > size - bytes) return nullptr;
    if (found.end + bytes > begin + buffer.size()) {
      begin = found.end;
      buffer.resize(std::min(std::max(bytes, kReadStep), size - begin));
      TRY_ASSIGN(const size_t got, file_->read(begin, buffer));
      if (got < bytes) return nullptr;
    }
    return buffer.data() + (found.end - begin);
  };
  for (;;) {
    TRY_ASSIGN(const std::byte* header, want(kRecordHeaderBytes));
    if (header == nullptr) return found;
    const uint32_t length = load_u32(header + 4);
    if (load_u64(header + 8) != found.last_lsn + 1 || length > record_bytes_max) return found;
    TRY_ASSIGN(const std::byte* bytes, want(kRecordHeaderBytes + padded(length)));
    if (bytes == nullptr) return found;
    const Bytes whole(bytes, kRecordHeaderBytes + length);
    const uint32_t crc = crc32c(whole.subspan(4), found.crc);
    if (crc != load_u32(bytes)) return found;
    const LogRecord record{load_u64(bytes + 8), load_u64(bytes + 16),
                           static_cast<uint8_t>(bytes[24]), whole.subspan(kRecordHeaderBytes)};
    if (record.lsn >= from && record.lsn <= to) TRY(visit(record));
    if (found.last_lsn < first_lsn_) found.first_unix_micros = record.unix_micros;
    found.last_lsn = record.lsn;
    found.last_unix_micros = record.unix_micros;
    found.end += kRecordHeaderBytes + padded(length);
    found.crc = crc;
  }
}

Status Segment::append(uint64_t offset, Bytes data) {
  const uint64_t end = offset + data.size();
  TRY(file_->write(offset, data));
  if (end <= allocated_) return {};
  allocated_ = end;
  const std::vector<std::byte> zeros(std::clamp(end / 2, kGrowMin, kGrowMax));
  // Growing ahead only saves the file system work: without room the log goes on without it.
  if (const Status grown = file_->write(end, zeros); grown.ok()) {
    allocated_ = end + zeros.size();
  } else if (grown.code() != Code::kNoSpace) {
    return grown.clone();
  }
  return {};
}

Status Segment::cut(uint64_t offset) {
  TRY(file_->truncate(offset));
  allocated_ = offset;
  return file_->sync();
}

Status Segment::erase(uint64_t offset) {
  TRY_ASSIGN(const uint64_t size, file_->size());
  if (size <= offset) return {};
  const std::array<std::byte, kRecordHeaderBytes> zeros{};
  return file_->write(offset, Bytes(zeros).first(std::min(kRecordHeaderBytes, size - offset)));
}

Result<bool> Segment::has_data(uint64_t offset) const {
  std::vector<std::byte> buffer(kReadStep);
  for (;; offset += buffer.size()) {
    TRY_ASSIGN(const size_t got, file_->read(offset, buffer));
    for (size_t i = 0; i < got; ++i) {
      if (buffer[i] != std::byte{0}) return true;
    }
    if (got < buffer.size()) return false;
  }
}

}  // namespace ferres
