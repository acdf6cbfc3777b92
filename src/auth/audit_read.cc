// Asking the audit log, and checking its chain.
#include <algorithm>
#include <deque>

#include "auth/audit_lines.h"
#include "json/reader.h"

namespace ferres {
namespace {

Result<bool> matches(std::string_view line, const AuditQuery& query, const std::string& from,
                     const std::string& to) {
  std::string text(line);
  TRY_ASSIGN(const JsonValue value, parse_body(text));
  TRY_ASSIGN(const JsonFields fields, JsonFields::of(value));
  std::string user;
  std::string action;
  std::string resource;
  std::string timestamp;
  TRY(fields.require("user_id", user));
  TRY(fields.require("action", action));
  TRY(fields.require("resource", resource));
  TRY(fields.require("timestamp", timestamp));
  // All of them are of one length.
  return timestamp >= from && timestamp <= to && (query.user.empty() || user == query.user) &&
         (query.action.empty() || action == query.action) &&
         resource.find(query.resource) != std::string::npos;
}

}  // namespace

Result<std::vector<std::string>> AuditLog::query(const AuditQuery& query) {
  const std::string from = rfc3339(query.from_micros);
  const std::string to = rfc3339(query.to_micros);
  TRY_ASSIGN(const std::vector<std::string> days, audit_days(files_, dir_));
  std::vector<std::string> found;
  for (auto day = days.rbegin(); day != days.rend() && found.size() < query.limit; ++day) {
    // A clock that was set back leaves older entries in a newer file, never the other way round.
    if (*day < day_of(from)) break;
    std::deque<std::string> newest;
    TRY(for_audit_lines(files_, dir_ + "/" + audit_file_name(*day), [&](std::string_view line) {
      const Result<bool> wanted = matches(line, query, from, to);
      if (!wanted.ok() || !*wanted) return true;
      newest.emplace_back(line);
      if (newest.size() > query.limit - found.size()) newest.pop_front();
      return true;
    }));
    found.insert(found.end(), std::make_move_iterator(newest.rbegin()),
                 std::make_move_iterator(newest.rend()));
  }
  return found;
}

Result<AuditCheck> check_audit_log(FileSystem& files, const std::string& dir) {
  AuditCheck check;
  if (!files.exists(dir)) return check;
  TRY_ASSIGN(const std::vector<std::string> days, audit_days(files, dir));
  for (const std::string& day : days) {
    uint64_t number = 0;
    TRY(for_audit_lines(files, dir + "/" + audit_file_name(day), [&](std::string_view line) {
      ++number;
      const std::string_view hash = audit_hash(line);
      const std::string at = audit_file_name(day) + ", line " + std::to_string(number);
      const std::string previous = ",\"previous\":\"" + check.head + "\",\"hash\":";
      if (hash.empty() || computed_audit_hash(line) != hash) {
        check.broken = at + ": the entry was changed";
      } else if (!check.head.empty() && line.find(previous) == std::string_view::npos) {
        check.broken = at + ": the entry before it was taken out or changed";
      }
      check.head = hash;
      ++check.entries;
      return check.broken.empty();
    }));
    if (!check.broken.empty()) break;
  }
  return check;
}

}  // namespace ferres
