// Log lines for the people who run FerresDB: an event name and key=value fields, so that a line can
// be searched by machine and read by eye. To stderr, as logfmt or as JSON.
//
//   log_info("checkpoint_written", {{"collection", name}, {"pages", count}, {"ms", 12.5}});
//
// Event names are snake_case and stable; what varies goes into fields. Values are escaped: a name
// that holds a line break cannot forge a line. Secrets and vectors never go in. Any thread.
#pragma once
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "base/status.h"

namespace ferres {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError, kOff };

/// A view: lives until the end of the call that it is built in.
class LogField {
 public:
  using Value = std::variant<std::string_view, bool, int64_t, uint64_t, double>;

  LogField(std::string_view key, std::string_view value) : key_(key), value_(value) {}
  LogField(std::string_view key, const std::string& value)
      : key_(key), value_(std::string_view(value)) {}
  LogField(std::string_view key, const char* value) : key_(key), value_(std::string_view(value)) {}
  LogField(std::string_view key, const Status& value) : key_(key), value_(value.message()) {}
  LogField(std::string_view key, bool value) : key_(key), value_(value) {}
  template <std::signed_integral T>
  LogField(std::string_view key, T value) : key_(key), value_(int64_t{value}) {}
  template <std::unsigned_integral T>
  LogField(std::string_view key, T value) : key_(key), value_(uint64_t{value}) {}
  template <std::floating_point T>
  LogField(std::string_view key, T value) : key_(key), value_(double{value}) {}

  std::string_view key() const { return key_; }
  const Value& value() const { return value_; }

 private:
  std::string_view key_;
  Value value_;
};

using LogFields = std::initializer_list<LogField>;

struct LoggingOptions {
  LogLevel level = LogLevel::kInfo;  // below it nothing is written
  bool json = false;
  /// Takes whole lines instead of stderr, for tests. Must not log.
  std::function<void(std::string_view line)> sink;
};

/// Replaces the settings. Before the first call: level info, logfmt, stderr.
void configure_logging(const LoggingOptions& options);
/// For callers whose fields cost something to compute.
bool log_enabled(LogLevel level);
/// "debug", "info", "warning" (or "warn"), "error", "off".
Result<LogLevel> parse_log_level(std::string_view name);

void log_event(LogLevel level, std::string_view event, LogFields fields = {});
inline void log_debug(std::string_view event, LogFields fields = {}) {
  log_event(LogLevel::kDebug, event, fields);
}
inline void log_info(std::string_view event, LogFields fields = {}) {
  log_event(LogLevel::kInfo, event, fields);
}
inline void log_warning(std::string_view event, LogFields fields = {}) {
  log_event(LogLevel::kWarning, event, fields);
}
inline void log_error(std::string_view event, LogFields fields = {}) {
  log_event(LogLevel::kError, event, fields);
}

}  // namespace ferres
