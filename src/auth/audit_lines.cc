// Lines and files of the audit log.
#include "auth/audit_lines.h"

#include <algorithm>

#include "auth/secrets.h"
#include "json/writer.h"

namespace ferres {
namespace {

constexpr std::string_view kPrefix = "audit-";
constexpr std::string_view kSuffix = ".jsonl";
constexpr std::string_view kHashKey = ",\"hash\":\"";
constexpr size_t kHashChars = 64;
constexpr size_t kPieceBytes = 1 << 20;
constexpr size_t kLineBytesMax = 4 << 20;

}  // namespace

std::string audit_line(const AuditEntry& entry, std::string_view previous) {
  JsonWriter json;
  json.begin_object().field("timestamp", rfc3339(entry.unix_micros));
  json.field("user_id", entry.user).field("action", entry.action);
  json.field("resource", entry.resource);
  json.key("details").raw(entry.details_json.empty() ? "{}" : entry.details_json);
  json.field("result", entry.result);
  if (!entry.ip_address.empty()) json.field("ip_address", entry.ip_address);
  json.field("duration_ms", static_cast<double>(entry.duration_micros) / 1000);
  json.field("previous", previous);
  std::string line = json.take();
  line += kHashKey;
  line += to_hex(hash_key(std::string_view(line).substr(0, line.size() - kHashKey.size())));
  line += "\"}";
  return line;
}

std::string_view audit_hash(std::string_view line) {
  const size_t tail = kHashKey.size() + kHashChars + 2;
  if (line.size() <= tail || !line.ends_with("\"}")) return {};
  const std::string_view end = line.substr(line.size() - tail);
  return end.starts_with(kHashKey) ? end.substr(kHashKey.size(), kHashChars) : std::string_view();
}

std::string computed_audit_hash(std::string_view line) {
  return to_hex(hash_key(line.substr(0, line.size() - (kHashKey.size() + kHashChars + 2))));
}

std::string audit_file_name(std::string_view day) {
  return std::string(kPrefix) + std::string(day) + std::string(kSuffix);
}

Result<std::vector<std::string>> audit_days(FileSystem& files, const std::string& dir) {
  TRY_ASSIGN(const std::vector<std::string> names, files.list(dir));
  std::vector<std::string> days;
  for (const std::string& name : names) {
    const bool ours = name.size() == kPrefix.size() + 10 + kSuffix.size() &&
                      name.starts_with(kPrefix) && name.ends_with(kSuffix);
    if (ours) days.push_back(name.substr(kPrefix.size(), 10));
  }
  std::sort(days.begin(), days.end());
  return days;
}

Status for_audit_lines(FileSystem& files, const std::string& path,
                       const std::function<bool(std::string_view)>& each) {
  TRY_ASSIGN(const std::unique_ptr<File> file, files.open(path, OpenMode::kRead));
  std::string rest;
  std::string piece(kPieceBytes, '\0');
  for (uint64_t at = 0;;) {
    TRY_ASSIGN(const size_t got, file->read(at, std::as_writable_bytes(std::span(piece))));
    if (got == 0) return {};
    at += got;
    rest.append(piece, 0, got);
    std::string_view left = rest;
    for (size_t end = left.find('\n'); end != std::string_view::npos; end = left.find('\n')) {
      if (!each(left.substr(0, end))) return {};
      left.remove_prefix(end + 1);
    }
    if (left.size() > kLineBytesMax)
      return {Code::kCorruption, path + " holds a line that is too long for an entry"};
    rest.erase(0, rest.size() - left.size());
  }
}

}  // namespace ferres
