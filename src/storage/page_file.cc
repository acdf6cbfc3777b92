// See page_file.h.
#include "storage/page_file.h"

#include <charconv>

#include "base/coding.h"
#include "base/crc32c.h"
#include "storage/reservation.h"

namespace ferres {
namespace {

constexpr std::string_view kMagic = "FERRPAGE";
constexpr uint32_t kVersion = 1;
constexpr uint64_t kRowBytes = 24;
constexpr uint64_t kTrailerBytes = 48;
constexpr uint64_t kTailBytes = 16;  // magic, version, their CRC: the same in every version
constexpr uint64_t kUnit = 4096;

Status damaged(const std::string& path, uint64_t offset, const std::string& what) {
  return {Code::kCorruption, path + ": byte " + std::to_string(offset) + ": " + what};
}

Result<std::string> read_part(const File& file, const std::string& path, uint64_t offset,
                              uint64_t length) {
  std::string part(length, '\0');
  TRY_ASSIGN(const size_t got,
             file.read(offset, std::as_writable_bytes(std::span(part.data(), part.size()))));
  if (got != length) return damaged(path, offset + got, "the page file ends too early");
  return part;
}

Status check_tail(const std::string& path, uint64_t offset, Bytes tail) {
  Reader reader(tail);
  const Bytes magic = reader.bytes(kMagic.size());
  const uint32_t version = reader.u32();
  if (as_text(magic) != kMagic || reader.u32() != crc32c(tail.first(12)))
    return damaged(path, offset, "not the end of a page file");
  if (version > kVersion) {
    return {Code::kUnimplemented, path + ": page file format " + std::to_string(version) +
                                      ", this program reads up to " + std::to_string(kVersion)};
  }
  return {};
}

bool row_fits(const PageRow& row, uint64_t table_offset) {
  return row.offset % kUnit == 0 && row.length % kUnit == 0 && row.length != 0 &&
         row.length <= kPageBytes && row.offset <= table_offset &&
         row.length <= table_offset - row.offset;
}

}  // namespace

std::string page_file_name(std::string_view family, uint64_t number) {
  return std::string(family) + "-" + std::to_string(number) + ".bin";
}

std::optional<uint64_t> page_file_number(std::string_view name) {
  const size_t dash = name.rfind('-');
  if (dash == std::string_view::npos || dash == 0 || !name.ends_with(".bin")) return {};
  const std::string_view digits = name.substr(dash + 1, name.size() - dash - 5);
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) return {};
  if (page_file_name(name.substr(0, dash), number) != name) return {};
  return number;
}

std::string encode_page_table(std::string_view family, uint64_t number, uint64_t table_offset,
                              const std::vector<PageRow>& rows) {
  std::string out;
  out.reserve(rows.size() * kRowBytes + kTrailerBytes);
  for (const PageRow& row : rows) {
    put_u32(out, row.arena);
    put_u32(out, row.page);
    put_u64(out, row.offset);
    put_u32(out, row.length);
    put_u32(out, row.crc);
  }
  put_u64(out, table_offset);
  put_u64(out, rows.size());
  put_u64(out, number);
  put_u32(out, crc32c(as_bytes(family)));
  put_u32(out, 0);
  const size_t tail = out.size();
  out.append(kMagic);
  put_u32(out, kVersion);
  put_u32(out, crc32c(as_bytes(std::string_view(out).substr(tail))));
  return out;
}

Result<PageTable> read_page_table(const File& file, const std::string& path, uint64_t bytes,
                                  uint32_t table_crc) {
  TRY_ASSIGN(const uint64_t size, file.size());
  if (size != bytes || size < kTrailerBytes) {
    return damaged(path, std::min(size, bytes),
                   "the page file has " + std::to_string(size) + " bytes, the manifest says " +
                       std::to_string(bytes));
  }
  const uint64_t trailer_offset = bytes - kTrailerBytes;
  TRY_ASSIGN(const std::string trailer, read_part(file, path, trailer_offset, kTrailerBytes));
  const Bytes trailer_bytes = as_bytes(trailer);
  TRY(check_tail(path, bytes - kTailBytes, trailer_bytes.last(kTailBytes)));
  Reader head(trailer_bytes);
  const uint64_t table_offset = head.u64();
  const uint64_t rows = head.u64();
  PageTable table;
  table.number = head.u64();
  if (table_offset > trailer_offset || (trailer_offset - table_offset) % kRowBytes != 0 ||
      (trailer_offset - table_offset) / kRowBytes != rows) {
    return damaged(path, trailer_offset, "the trailer does not fit the page file");
  }
  TRY_ASSIGN(const std::string body,
             read_part(file, path, table_offset, trailer_offset - table_offset));
  if (crc32c(trailer_bytes, crc32c(as_bytes(body))) != table_crc)
    return damaged(path, table_offset, "the page table fails its checksum");
  table.rows.reserve(rows);
  Reader reader(as_bytes(body));
  for (uint64_t i = 0; i < rows; ++i) {
    PageRow row;
    row.arena = reader.u32();
    row.page = reader.u32();
    row.offset = reader.u64();
    row.length = reader.u32();
    row.crc = reader.u32();
    if (!row_fits(row, table_offset))
      return damaged(path, table_offset + i * kRowBytes, "the page table holds a bad row");
    table.rows.push_back(row);
  }
  return table;
}

}  // namespace ferres
