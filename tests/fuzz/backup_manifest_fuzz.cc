// Any bytes as a backup's manifest: what is taken is written and read again to the same text.
#include <cstdlib>

#include "backup/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ferres;
  const std::string json(reinterpret_cast<const char*>(data), size);
  const Result<BackupManifest> manifest = decode_backup_manifest(json);
  if (!manifest.ok()) return 0;
  const std::string text = encode_backup_manifest(*manifest);
  const Result<BackupManifest> again = decode_backup_manifest(text);
  if (!again.ok() || encode_backup_manifest(*again) != text) std::abort();
  return 0;
}
