// See backup_names.h.
#include "db/backup_names.h"

#include <charconv>
#include <chrono>

#include <fmt/format.h>

namespace ferres {
namespace {

constexpr std::string_view kArchiveEnding = ".tar.gz";
constexpr std::string_view kManifestEnding = ".json";
constexpr std::string_view kShape = "YYYY-MM-DDTHH-MM-SSZ";

/// The digits of a stamp at [at, at + count), where it has digits.
int number_at(std::string_view stamp, size_t at, size_t count) {
  int value = -1;
  std::from_chars(stamp.data() + at, stamp.data() + at + count, value);
  return value;
}

}  // namespace

std::string backup_key(const BackupKey& key) {
  using std::chrono::days;
  const std::chrono::sys_seconds time{std::chrono::seconds(key.unix_seconds)};
  const auto midnight = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(midnight);
  const std::chrono::hh_mm_ss clock(time - midnight);
  return fmt::format("{}{:04}-{:02}-{:02}T{:02}-{:02}-{:02}Z{}", kBackupPrefix,
                     static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(),
                     key.incremental ? kManifestEnding : kArchiveEnding);
}

std::optional<BackupKey> parse_backup_key(std::string_view text) {
  if (text.size() < kBackupPrefix.size() + kShape.size()) return {};
  const std::string_view stamp = text.substr(kBackupPrefix.size(), kShape.size());
  const std::chrono::year_month_day date(
      std::chrono::year(number_at(stamp, 0, 4)),
      std::chrono::month(static_cast<unsigned>(number_at(stamp, 5, 2))),
      std::chrono::day(static_cast<unsigned>(number_at(stamp, 8, 2))));
  if (!date.ok()) return {};
  const auto time = std::chrono::sys_days(date) + std::chrono::hours(number_at(stamp, 11, 2)) +
                    std::chrono::minutes(number_at(stamp, 14, 2)) +
                    std::chrono::seconds(number_at(stamp, 17, 2));
  const int64_t seconds = time.time_since_epoch().count();
  if (seconds < 0) return {};
  const BackupKey key{static_cast<uint64_t>(seconds), text.ends_with(kManifestEnding)};
  // Whatever else the text might be, it is not what we call a backup.
  return backup_key(key) == text ? std::optional(key) : std::nullopt;
}

std::string object_key(std::string_view sha256) {
  return "backups/objects/" + std::string(sha256);
}

std::string archive_name(std::string_view collection, std::string_view path) {
  return fmt::format("collections/{}/{}", collection, path);
}

}  // namespace ferres
