// Log lines over spdlog, of which this is the only home. One mutex keeps lines whole and the
// settings replaceable; logging is not on any hot path. Any thread.
#include "base/logging.h"

#include <atomic>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "base/mutex.h"

namespace ferres {
namespace {

class FunctionSink : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  explicit FunctionSink(std::function<void(std::string_view)> sink) : sink_(std::move(sink)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    sink_({line.data(), line.size()});
  }
  void flush_() override {}

 private:
  const std::function<void(std::string_view)> sink_;
};

std::unique_ptr<spdlog::logger> make_logger(const LoggingOptions& options) {
  spdlog::sink_ptr sink;
  if (options.sink) {
    sink = std::make_shared<FunctionSink>(options.sink);
  } else {
    sink = std::make_shared<spdlog::sinks::stderr_sink_st>();
  }
  const char* const pattern = options.json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l",%v})"
                                           : "time=%Y-%m-%dT%H:%M:%S.%fZ level=%l %v";
  sink->set_formatter(
      std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc, "\n"));
  auto logger = std::make_unique<spdlog::logger>("ferresdb", std::move(sink));
  logger->set_level(spdlog::level::trace);
  // A log that cannot be written has nowhere to say so, and must not stop the database.
  logger->set_error_handler([](const std::string&) {});
  return logger;
}

struct Logging {
  Mutex mutex;
  std::unique_ptr<spdlog::logger> logger GUARDED_BY(mutex) = make_logger({});
  bool json GUARDED_BY(mutex) = false;
  std::atomic<LogLevel> level{LogLevel::kInfo};
};

/// Never destroyed: threads may log while the process ends.
Logging& logging() {
  static Logging& instance = *std::make_unique<Logging>().release();
  return instance;
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
    case LogLevel::kOff:
      break;
  }
  return spdlog::level::err;
}

/// In double quotes, with what could break a line or the quoting escaped as in JSON.
void append_quoted(std::string& out, std::string_view text) {
  out.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

bool is_plain(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7F) return false;
  }
  return true;
}

void append_value(std::string& out, const LogField::Value& value, bool json) {
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    if (!json && is_plain(*text)) {
      out += *text;
    } else {
      append_quoted(out, *text);
    }
  } else if (const auto* number = std::get_if<double>(&value)) {
    // JSON has no words for infinities and NaN.
    const std::string text = fmt::format("{}", *number);
    if (json && *number - *number != 0) {
      append_quoted(out, text);
    } else {
      out += text;
    }
  } else {
    std::visit([&out](const auto& v) { fmt::format_to(std::back_inserter(out), "{}", v); }, value);
  }
}

std::string format_fields(std::string_view event, LogFields fields, bool json) {
  std::string out;
  const auto append = [&](std::string_view key, const LogField::Value& value) {
    if (!out.empty()) out.push_back(json ? ',' : ' ');
    if (json) {
      append_quoted(out, key);
      out.push_back(':');
    } else {
      out += key;
      out.push_back('=');
    }
    append_value(out, value, json);
  };
  append("event", event);
  for (const LogField& field : fields)
    append(field.key(), field.value());
  return out;
}

}  // namespace

void configure_logging(const LoggingOptions& options) {
  Logging& state = logging();
  const MutexLock lock(state.mutex);
  state.logger = make_logger(options);
  state.json = options.json;
  state.level = options.level;
}

bool log_enabled(LogLevel level) {
  return level >= logging().level.load(std::memory_order_relaxed) && level < LogLevel::kOff;
}

Result<LogLevel> parse_log_level(std::string_view name) {
  if (name == "debug" || name == "trace") return LogLevel::kDebug;
  if (name == "info") return LogLevel::kInfo;
  if (name == "warning" || name == "warn") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  if (name == "off") return LogLevel::kOff;
  return Status(Code::kInvalidArgument, "unknown log level '" + std::string(name) +
                                            "': debug, info, warning, error or off");
}

void log_event(LogLevel level, std::string_view event, LogFields fields) {
  if (!log_enabled(level)) return;
  Logging& state = logging();
  const MutexLock lock(state.mutex);
  // As a plain string: braces in a value are no format.
  state.logger->log(spdlog_level(level),
                    spdlog::string_view_t(format_fields(event, fields, state.json)));
}

}  // namespace ferres
