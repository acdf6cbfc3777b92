// Any bytes as a backup archive: read to the end or refused.
#include <array>
#include <utility>

#include "backup/archive.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ferres;
  Bytes left = std::as_bytes(std::span(data, size));
  ArchiveReader reader([&left]() -> Result<Bytes> { return std::exchange(left, Bytes()); });
  std::array<std::byte, 4096> buffer;
  for (;;) {
    const Result<std::optional<ArchiveReader::Entry>> entry = reader.next();
    if (!entry.ok() || !entry->has_value()) return 0;
    for (;;) {
      const Result<size_t> count = reader.read(buffer);
      if (!count.ok()) return 0;
      if (*count == 0) break;
    }
  }
}
