// Pattern matching over the operations table, and percent-decoding. A dozen patterns are matched
// one after the other: that costs less than a microsecond and is easy to follow.
#include "server/router.h"

#include <simdjson.h>

namespace ferres {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_rest(std::string_view segment) {
  return segment.starts_with('*');
}
bool is_variable(std::string_view segment) {
  return segment.starts_with(':');
}

// The part of the path from its index-th segment on: a point id that was sent with raw slashes.
std::string_view rest_of(std::string_view path, std::span<const std::string_view> segments,
                         size_t index) {
  return path.substr(static_cast<size_t>(segments[index].data() - path.data()));
}

bool matches(std::span<const std::string_view> pattern, std::span<const std::string_view> path) {
  const bool open_end = is_rest(pattern.back());
  if (open_end ? path.size() < pattern.size() : path.size() != pattern.size()) return false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (is_rest(pattern[i])) return !path[i].empty() || path.size() > pattern.size();
    if (is_variable(pattern[i]) ? path[i].empty() : pattern[i] != path[i]) return false;
  }
  return true;
}

Status parse_query(std::string_view text, std::vector<std::pair<std::string, std::string>>& query) {
  if (text.empty()) return {};
  for (const std::string_view part : split(text, '&')) {
    if (part.empty()) continue;
    const size_t equals = part.find('=');
    TRY_ASSIGN(std::string name, percent_decode(part.substr(0, equals), true));
    std::string value;
    if (equals != std::string_view::npos) {
      TRY_ASSIGN(value, percent_decode(part.substr(equals + 1), true));
    }
    query.emplace_back(std::move(name), std::move(value));
  }
  return {};
}

}  // namespace

Result<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
      if (low < 0) {
        return Status(Code::kInvalidArgument, "broken percent-encoding in the request target");
      }
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  if (!simdjson::validate_utf8(decoded)) {
    return Status(Code::kInvalidArgument, "the request target is not UTF-8");
  }
  return decoded;
}

Router::Router(std::span<const Operation> operations) {
  for (const Operation& operation : operations) {
    entries_.push_back({&operation, split(operation.path, '/')});
  }
}

Result<Route> Router::route(std::string_view method, std::string_view target,
                            std::string* allowed) const {
  const std::string_view path = target.substr(0, target.find('?'));
  const std::vector<std::string_view> segments = split(path, '/');
  const std::string_view verb = method == "HEAD" ? "GET" : method;
  const Entry* found = nullptr;
  for (const Entry& entry : entries_) {
    if (!matches(entry.segments, segments)) continue;
    if (verb_name(entry.operation->verb) == verb) {
      found = &entry;
      break;
    }
    if (!allowed->empty()) *allowed += ", ";
    *allowed += verb_name(entry.operation->verb);
  }
  if (found == nullptr) {
    if (allowed->empty()) {
      return Status(Code::kNotFound, "no such route: " + std::string(path));
    }
    return Status(Code::kReadOnly,
                  std::string(method) + " is not allowed here; allowed: " + *allowed);
  }
  Route route;
  route.operation = found->operation;
  for (size_t i = 0; i < found->segments.size(); ++i) {
    if (found->segments[i] == ":name") {
      TRY_ASSIGN(route.collection, percent_decode(segments[i], false));
    } else if (is_variable(found->segments[i])) {
      TRY_ASSIGN(route.item, percent_decode(segments[i], false));
    } else if (is_rest(found->segments[i])) {
      TRY_ASSIGN(route.item, percent_decode(rest_of(path, segments, i), false));
    }
  }
  if (path.size() < target.size()) TRY(parse_query(target.substr(path.size() + 1), route.query));
  return route;
}

}  // namespace ferres
