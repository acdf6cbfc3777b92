// The bytes of a page file: pages, then a table of them, then a trailer (docs/formats.md). Pure
// functions.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/status.h"
#include "base/types.h"

namespace ferres {

struct PageRow {
  uint32_t arena = 0;
  uint32_t page = 0;
  uint64_t offset = 0;
  uint32_t length = 0;
  uint32_t crc = 0;
};

struct PageTable {
  uint64_t number = 0;
  std::vector<PageRow> rows;
};

/// "<family>-<number>.bin".
std::string page_file_name(std::string_view family, uint64_t number);
/// The number in such a name; none when the name is no page file's.
std::optional<uint64_t> page_file_number(std::string_view name);

/// Table and trailer, which follow the pages; the manifest keeps their CRC32C.
std::string encode_page_table(std::string_view family, uint64_t number, uint64_t table_offset,
                              const std::vector<PageRow>& rows);
/// Reads and checks the table of an open page file of `bytes` bytes; `path` is for messages.
Result<PageTable> read_page_table(const File& file, const std::string& path, uint64_t bytes,
                                  uint32_t table_crc);

}  // namespace ferres
