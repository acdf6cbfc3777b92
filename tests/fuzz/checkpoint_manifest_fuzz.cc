// Any bytes as what a checkpoint's manifest holds: the first one is the version. The checksums are
// made right, else nothing behind them would be reached. What is taken is written and read again.
#include <cstdlib>

#include "base/coding.h"
#include "base/crc32c.h"
#include "storage/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ferres;
  if (size == 0) return 0;
  const Bytes body = std::as_bytes(std::span(data, size)).subspan(1);
  std::string bytes = encode_manifest(Manifest()).substr(0, 8);  // the magic
  put_u32(bytes, data[0]);
  put_u32(bytes, crc32c(as_bytes(bytes)));
  bytes += as_text(body);
  put_u32(bytes, crc32c(as_bytes(bytes)));
  const Result<Manifest> manifest = decode_manifest(as_bytes(bytes));
  if (!manifest.ok()) return 0;
  const std::string text = encode_manifest(*manifest);
  const Result<Manifest> again = decode_manifest(as_bytes(text));
  if (!again.ok() || encode_manifest(*again) != text) std::abort();
  return 0;
}
