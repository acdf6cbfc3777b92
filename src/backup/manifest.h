// What a backup holds: the first entry of its archive, or the object that an incremental one is
// called by. As JSON, so that a person can read it (docs/formats.md). Pure functions; any thread.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/types.h"

namespace ferres {

inline constexpr uint64_t kBackupManifestBytesMax = 64 << 20;

struct BackupFile {
  std::string path;  // below the collection's folder
  uint64_t bytes = 0;
  std::string sha256;  // 64 lower-case hex digits
};

struct BackupCollection {
  std::string name;
  Lsn lsn = 0;  // what was written up to it is in
  uint64_t unix_micros = 0;
  std::string config_json;  // an object; its meaning is the database's
  std::vector<BackupFile> files;
};

struct BackupManifest {
  std::string server_version;
  uint64_t unix_micros = 0;
  std::vector<BackupCollection> collections;

  uint64_t bytes() const;  // of all files
};

std::string encode_backup_manifest(const BackupManifest& manifest);
/// Believes nothing: names and paths are of letters, digits, "._-" and stay below their folder,
/// none comes twice, hashes are hashes. kCorruption; kUnimplemented for a newer format.
Result<BackupManifest> decode_backup_manifest(std::string_view json);

}  // namespace ferres
