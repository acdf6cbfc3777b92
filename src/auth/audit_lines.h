// The lines of the audit log and its files, for who writes and who reads them. Private to src/auth.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/audit_log.h"

namespace ferres {

inline constexpr std::string_view kNoAuditHash =
    "0000000000000000000000000000000000000000000000000000000000000000";

/// An entry as a line without its newline, chained to the one before.
std::string audit_line(const AuditEntry& entry, std::string_view previous);
/// The hash that a line says it has; empty when it is no line of the log.
std::string_view audit_hash(std::string_view line);
/// The one that its text has.
std::string computed_audit_hash(std::string_view line);

/// "2026-11-28", of an RFC 3339 time too.
inline std::string_view day_of(std::string_view timestamp) {
  return timestamp.substr(0, 10);
}
std::string audit_file_name(std::string_view day);
/// Days that have a file, in order.
Result<std::vector<std::string>> audit_days(FileSystem& files, const std::string& dir);

/// Calls each(line) for the whole lines of a file, in order, until it says false.
Status for_audit_lines(FileSystem& files, const std::string& path,
                       const std::function<bool(std::string_view)>& each);

}  // namespace ferres
