// What the objects of backups are called. Pure functions. Private to src/db.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ferres {

inline constexpr std::string_view kBackupPrefix = "backups/ferresdb-";
inline constexpr std::string_view kArchiveManifest = "manifest.json";
/// A collection's first file: storage's manifest of its page files.
inline constexpr std::string_view kCheckpointFile = "checkpoint.manifest";

struct BackupKey {
  uint64_t unix_seconds = 0;
  bool incremental = false;
};

/// "backups/ferresdb-YYYY-MM-DDTHH-MM-SSZ" and ".tar.gz" or, incremental, ".json".
std::string backup_key(const BackupKey& key);
/// None when it is no such key.
std::optional<BackupKey> parse_backup_key(std::string_view text);
std::string object_key(std::string_view sha256);
std::string archive_name(std::string_view collection, std::string_view path);

}  // namespace ferres
