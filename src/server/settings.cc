// The table of settings and its readers. The only home of CLI11 and toml++.
#include "server/settings.h"

#include <array>
#include <charconv>
#include <optional>

#include <CLI/CLI.hpp>
#include <toml++/toml.h>

#include "base/logging.h"
#include "server/commands.h"

namespace ferres {
namespace {

constexpr uint64_t kGiB = 1ull << 30;
constexpr uint64_t kNoMax = 1ull << 62;
constexpr uint64_t kConfigBytesMax = 1 << 20;

using S = Settings;
constexpr std::array kSettings = {
    Setting{"host", "HOST", &S::host, 0, 0, false,
            "Address to listen on. Empty: 0.0.0.0 when an API key is set, else 127.0.0.1. Set "
            "beyond loopback without a key, a key is made and printed once"},
    Setting{"port", "PORT", &S::port, 0, 65535, false, "TCP port; 0 takes any free one"},
    Setting{"storage_path", "STORAGE_PATH", &S::storage_path, 0, 0, false,
            "Data folder; held by one server at a time"},
    Setting{"api_keys", "", &S::api_keys, 0, 0, true,
            "API keys, separated by commas (a list in TOML); each is an admin"},
    Setting{
        "jwt_secret", "", &S::jwt_secret, 0, 0, true,
        "Signs the tokens of logged-in users: at least 32 bytes. Empty: one is made at the first "
        "start and kept"},
    Setting{"audit_searches", "", &S::audit_searches, 0, 0, false,
            "true: the audit log has searches too, not only what changes something or is refused"},
    Setting{"audit_days_max", "", &S::audit_days_max, 1, 36500, false,
            "Days after which files of the audit log are removed"},
    Setting{"rate_limit_per_second", "", &S::rate_limit_per_second, 0, 1'000'000, false,
            "Requests a second for each collection; more are answered 429. 0: no limit"},
    Setting{"rate_limit_burst", "", &S::rate_limit_burst, 0, 100'000'000, false,
            "Requests at once, after a while without any; 0: five seconds' worth"},
    Setting{"cors_origins", "CORS_ORIGINS", &S::cors_origins, 0, 0, false,
            "Origins that browsers may call from, separated by commas. Empty: any port of "
            "http://localhost and http://127.0.0.1"},
    Setting{"log_level", "LOG_LEVEL", &S::log_level, 0, 0, false,
            "debug, info, warning, error or off"},
    Setting{"log_format", "", &S::log_format, 0, 0, false, "text or json"},
    Setting{"http_threads", "", &S::http_threads, 0, 256, false,
            "Threads that serve connections and search; 0: two for each core"},
    Setting{"work_threads", "", &S::work_threads, 0, 256, false,
            "Threads that apply writes and build indexes; 0: one for each core"},
    Setting{"connections_max", "", &S::connections_max, 1, 1000000, false,
            "Open connections; more are answered 503"},
    Setting{"body_bytes_max", "", &S::body_bytes_max, 1024, 4 * kGiB, false,
            "Bytes of a request body; more is answered 413"},
    Setting{"header_bytes_max", "", &S::header_bytes_max, 1024, 1 << 20, false,
            "Bytes of a request's head; more is answered 431"},
    Setting{"inflight_bytes_max", "", &S::inflight_bytes_max, 1 << 20, kNoMax, false,
            "Bytes of large request bodies (over 256 KiB) being received or handled together; more "
            "is answered 503"},
    Setting{"request_seconds_max", "", &S::request_seconds_max, 1, 86400, false,
            "Seconds from a request's first byte to its last; slower is answered 408"},
    Setting{"idle_seconds_max", "", &S::idle_seconds_max, 1, 86400, false,
            "Seconds that a connection may wait between two requests"},
    Setting{"drain_seconds_max", "", &S::drain_seconds_max, 0, 3600, false,
            "Seconds that running requests get to end at shutdown"},
    Setting{"collections_max", "", &S::collections_max, 1, 1000000, false,
            "Collections in the data folder"},
    Setting{"checkpoint_log_bytes", "", &S::checkpoint_log_bytes, 1 << 20, kNoMax, false,
            "Checkpoint a collection when a restart would replay more log than this"},
    Setting{"checkpoint_seconds", "", &S::checkpoint_seconds, 1, 86400, false,
            "Checkpoint a changed collection at least this often"},
    Setting{"flat_points_max", "", &S::flat_points_max, 0, kNoMax, false,
            "Up to this many points a collection is scanned exactly, without a graph"},
    Setting{"tail_points_max", "", &S::tail_points_max, 1, kNoMax, false,
            "Points not yet linked into the graph before writers wait"},
    Setting{
        "payload_bytes_max", "", &S::payload_bytes_max, 0, kNoMax, false,
        "Bytes of a collection's metadata indexes; the largest group of values beyond is no longer "
        "indexed, and filters on it read the documents. 0: a quarter of its vectors and links, at "
        "least 64 MiB"},
    Setting{"log_segment_bytes", "", &S::log_segment_bytes, 1 << 16, kNoMax, false,
            "Size at which a log segment is closed and a new one begun"},
    Setting{"disk_reserve_bytes", "", &S::disk_reserve_bytes, 0, kNoMax, false,
            "Kept free in a file. When less than this is left on the disk, the file is removed and "
            "writes are answered 507 until that and twice as much beside are free; 0: writes go on "
            "to the end"},
    Setting{"namespace_physical_isolation", "", &S::namespace_physical_isolation, 0, 0, false,
            "true: each namespace has page files of its own, opened when they are needed. What is "
            "kept otherwise is converted at the start"},
    Setting{"open_namespaces_max", "", &S::open_namespaces_max, 1, 1 << 20, false,
            "With namespace_physical_isolation: about so many namespaces of a collection are open "
            "at once"},
    Setting{"s3_region", "AWS_REGION", &S::s3_region, 0, 0, false,
            "Region of the bucket for backups; other servers than Amazon's take any, as us-east-1"},
    Setting{"s3_bucket", "", &S::s3_bucket, 0, 0, false, "Bucket for backups"},
    Setting{"s3_endpoint", "", &S::s3_endpoint, 0, 0, false,
            "http(s)://host:port of another S3 server; empty: Amazon's"},
    Setting{"s3_access_key_id", "AWS_ACCESS_KEY_ID", &S::s3_access_key_id, 0, 0, false,
            "Access key for the bucket"},
    Setting{"s3_secret_access_key", "AWS_SECRET_ACCESS_KEY", &S::s3_secret_access_key, 0, 0, true,
            "Secret of the access key"},
    Setting{"s3_session_token", "AWS_SESSION_TOKEN", &S::s3_session_token, 0, 0, true,
            "Token of a temporary access key"},
    Setting{"s3_credentials_file", "AWS_SHARED_CREDENTIALS_FILE", &S::s3_credentials_file, 0, 0,
            false, "File with the keys, as other S3 tools have it, asked when none are set above"},
    Setting{"s3_profile", "AWS_PROFILE", &S::s3_profile, 0, 0, false, "Whose keys in that file"},
};

// Of the original's configuration, not built yet: named in a warning instead of passed over.
constexpr std::array<std::string_view, 6> kNotYet = {"wal_compression",   "binary_snapshot",
                                                     "rerank_model_path", "rerank_dimension",
                                                     "replica_of",        "grpc_port"};

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return result;
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    std::string_view item = text.substr(0, comma);
    while (item.starts_with(' '))
      item.remove_prefix(1);
    while (item.ends_with(' '))
      item.remove_suffix(1);
    if (!item.empty()) items.emplace_back(item);
    text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
  }
  return items;
}

Status assign(const Setting& setting, std::string_view text, std::string_view source, S& settings) {
  if (const auto* member = std::get_if<std::string S::*>(&setting.member)) {
    settings.*(*member) = text;
  } else if (const auto* list = std::get_if<std::vector<std::string> S::*>(&setting.member)) {
    settings.*(*list) = split_list(text);
  } else if (const auto* flag = std::get_if<bool S::*>(&setting.member)) {
    if (text != "true" && text != "1" && text != "false" && text != "0") {
      return Status(Code::kInvalidArgument, std::string(source) + ": '" + std::string(text) +
                                                "' is neither true nor false");
    }
    settings.*(*flag) = text == "true" || text == "1";
  } else {
    uint64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc() || end != text.data() + text.size() || value < setting.min ||
        value > setting.max) {
      return Status(Code::kInvalidArgument, std::string(source) + ": '" + std::string(text) +
                                                "' is not a whole number between " +
                                                std::to_string(setting.min) + " and " +
                                                std::to_string(setting.max));
    }
    settings.*(*std::get_if<uint64_t S::*>(&setting.member)) = value;
  }
  return {};
}

std::string text_of(const Setting& setting, const S& settings) {
  if (const auto* member = std::get_if<std::string S::*>(&setting.member)) {
    return settings.*(*member);
  }
  if (const auto* number = std::get_if<uint64_t S::*>(&setting.member)) {
    return std::to_string(settings.*(*number));
  }
  if (const auto* flag = std::get_if<bool S::*>(&setting.member)) {
    return settings.*(*flag) ? "true" : "false";
  }
  return "";
}

const Setting* find_setting(std::string_view key) {
  for (const Setting& setting : kSettings) {
    if (setting.key == key) return &setting;
  }
  return nullptr;
}

bool is_not_yet(std::string_view key) {
  return std::find(kNotYet.begin(), kNotYet.end(), key) != kNotYet.end();
}

Status unknown(std::string_view key, std::string_view source, std::vector<std::string>& warnings) {
  if (key == "replica_of") {
    return Status(Code::kInvalidArgument,
                  std::string(source) + ": read replicas are not supported yet");
  }
  warnings.push_back(std::string(source) + (is_not_yet(key) ? ": not supported yet, has no effect"
                                                            : ": no such setting, has no effect"));
  return {};
}

// One value of the file as the text that an environment variable would hold.
Result<std::string> toml_text(const toml::node& node, const std::string& source) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto number = node.value_exact<int64_t>()) return std::to_string(*number);
  if (const auto flag = node.value_exact<bool>()) return std::string(*flag ? "true" : "false");
  const toml::array* array = node.as_array();
  if (array == nullptr) {
    return Status(Code::kInvalidArgument, source + ": expected a string, a number or a list");
  }
  std::string joined;
  for (const toml::node& item : *array) {
    const auto text = item.value_exact<std::string>();
    if (!text) return Status(Code::kInvalidArgument, source + ": expected a list of strings");
    joined += (joined.empty() ? "" : ",") + *text;
  }
  return joined;
}

Status read_file_settings(FileSystem& files, const std::string& path, Invocation& invocation) {
  TRY_ASSIGN(const std::string text, read_file(files, path, kConfigBytesMax));
  toml::table table;
  try {
    table = toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    return Status(Code::kInvalidArgument, path + ":" + std::to_string(error.source().begin.line) +
                                              ": " + std::string(error.description()));
  }
  for (const auto& [key, node] : table) {
    const std::string source = path + ": " + std::string(key.str());
    const Setting* setting = find_setting(key.str());
    if (setting == nullptr) {
      TRY(unknown(key.str(), source, invocation.warnings));
      continue;
    }
    TRY_ASSIGN(const std::string value, toml_text(node, source));
    TRY(assign(*setting, value, source, invocation.settings));
  }
  return {};
}

/// The original's variable: "info", or "warn,ferres=debug", of which the level for everything
/// counts.
void read_rust_log(const std::map<std::string, std::string>& environment, Invocation& invocation) {
  const auto found = environment.find("RUST_LOG");
  if (found == environment.end()) return;
  std::string_view rest = found->second;
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    if (part.empty() || part.find('=') != std::string_view::npos) continue;
    if (!parse_log_level(part).ok()) {
      invocation.warnings.push_back("RUST_LOG: '" + std::string(part) +
                                    "' is no level, has no effect");
      continue;
    }
    invocation.settings.log_level = part;
  }
}

Status read_environment(const std::map<std::string, std::string>& environment,
                        Invocation& invocation) {
  read_rust_log(environment, invocation);  // any other name wins
  for (const Setting& setting : kSettings) {
    for (const std::string& name : {std::string(setting.contract_env), setting.env()}) {
      const auto found = environment.find(name);
      if (name.empty() || found == environment.end()) continue;
      TRY(assign(setting, found->second, name, invocation.settings));
    }
  }
  constexpr std::string_view kPrefix = "FERRESDB_";
  for (const auto& [name, value] : environment) {
    if (!name.starts_with(kPrefix) || name == "FERRESDB_CONFIG") continue;
    std::string key = name.substr(kPrefix.size());
    for (char& c : key)
      c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (find_setting(key) == nullptr) TRY(unknown(key, name, invocation.warnings));
  }
  return {};
}

// Lines NAME=VALUE; '#' begins a comment. The real environment wins.
void read_dotenv(FileSystem& files, std::map<std::string, std::string>& environment) {
  const Result<std::string> text = read_file(files, ".env", kConfigBytesMax);
  if (!text.ok()) return;
  std::string_view rest = *text;
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    while (line.ends_with('\r') || line.ends_with(' '))
      line.remove_suffix(1);
    const size_t equals = line.find('=');
    if (line.starts_with('#') || equals == std::string_view::npos) continue;
    std::string_view value = line.substr(equals + 1);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    environment.emplace(line.substr(0, equals), value);
  }
}

// The file named by --config or FERRESDB_CONFIG, else config.toml here or up to two folders above.
std::optional<std::string> config_path(FileSystem& files, const std::string& flag,
                                       const std::map<std::string, std::string>& environment) {
  if (!flag.empty()) return flag;
  if (const auto found = environment.find("FERRESDB_CONFIG"); found != environment.end()) {
    return found->second;
  }
  for (const char* path : {"config.toml", "../config.toml", "../../config.toml"}) {
    if (files.exists(path)) return path;
  }
  return std::nullopt;
}

struct Flags {
  std::string config;
  std::map<std::string, std::string> values;  // by key
};

std::string describe(const Setting& setting) {
  std::string text = std::string(setting.help) + " [" + setting.env();
  if (!setting.contract_env.empty()) text += ", " + std::string(setting.contract_env);
  const std::string value = text_of(setting, Settings());
  if (!value.empty()) text += "; default " + value;
  return text + "]";
}

std::string help_text(const CLI::App& app) {
  std::string text = app.help();
  for (const Command& command : commands()) {
    text += "  " + std::string(command.name) + std::string(28 - command.name.size(), ' ') +
            std::string(command.help) + "\n";
  }
  text += "\nSecrets have no flag:\n";
  for (const Setting& setting : kSettings) {
    if (setting.secret) text += "  " + setting.env() + "  " + std::string(setting.help) + "\n";
  }
  text +=
      "A file config.toml holds the same names (port = 8080); the environment wins over the "
      "file, flags win over both.\n";
  return text;
}

// Fills flags; returns what to print when the command line asks for that instead of a server.
Result<std::optional<std::string>> read_flags(const SettingSources& sources, Flags& flags) {
  CLI::App app("FerresDB, a vector database server", "ferresdb");
  app.set_help_flag();
  bool help = false;
  bool version = false;
  bool markdown = false;
  app.add_flag("-h,--help", help, "Print this and exit");
  app.add_flag("--version", version, "Print the version and exit");
  app.add_flag("--settings-markdown", markdown, "Print docs/configuration.md's table and exit");
  app.add_option("--config", flags.config, "Configuration file in TOML [FERRESDB_CONFIG]");
  for (const Setting& setting : kSettings) {
    if (setting.secret) continue;
    app.add_option(setting.flag(), flags.values[std::string(setting.key)], describe(setting));
  }
  app.add_subcommand("serve", "Run the server (what happens without a command)")->fallthrough();
  std::vector<std::string> reversed(sources.arguments.rbegin(), sources.arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return Status(Code::kInvalidArgument, std::string(error.what()) + " (see ferresdb --help)");
  }
  std::erase_if(flags.values,
                [&](const auto& item) { return app.count(find_setting(item.first)->flag()) == 0; });
  if (help) return std::optional(help_text(app));
  if (version) return std::optional("ferresdb " + sources.version + "\n");
  if (markdown) return std::optional(settings_markdown());
  return std::optional<std::string>();
}

}  // namespace

std::string Setting::flag() const {
  std::string text = "--" + std::string(key);
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

std::string Setting::env() const {
  return "FERRESDB_" + upper(key);
}

std::span<const Setting> settings_table() {
  return kSettings;
}

Result<Invocation> read_settings(const SettingSources& sources) {
  Invocation invocation;
  Flags flags;
  TRY_ASSIGN(const std::optional<std::string> print, read_flags(sources, flags));
  if (print) {
    invocation.action = Invocation::Action::kPrintAndExit;
    invocation.print = *print;
    return invocation;
  }
  std::map<std::string, std::string> environment = sources.environment;
  read_dotenv(*sources.files, environment);
  if (const auto path = config_path(*sources.files, flags.config, environment)) {
    TRY(read_file_settings(*sources.files, *path, invocation));
  }
  TRY(read_environment(environment, invocation));
  for (const auto& [key, value] : flags.values) {
    const Setting& setting = *find_setting(key);
    TRY(assign(setting, value, setting.flag(), invocation.settings));
  }
  std::string& file = invocation.settings.s3_credentials_file;
  if (file.starts_with("~/")) file.replace(0, 1, environment["HOME"]);
  return invocation;
}

std::string settings_markdown() {
  const Settings defaults;
  std::string text = "| TOML key | Flag | Environment | Default | Range | Meaning |\n";
  text += "|---|---|---|---|---|---|\n";
  for (const Setting& setting : kSettings) {
    const bool number = std::holds_alternative<uint64_t S::*>(setting.member);
    const std::string value = text_of(setting, defaults);
    text += "| `" + std::string(setting.key) + "` | " +
            (setting.secret ? "none" : "`" + setting.flag() + "`") + " | `" + setting.env() + "`";
    if (!setting.contract_env.empty()) text += ", `" + std::string(setting.contract_env) + "`";
    text += " | " + (value.empty() ? "" : "`" + value + "`") + " | ";
    if (number) text += std::to_string(setting.min) + " to " + std::to_string(setting.max);
    if (std::holds_alternative<bool S::*>(setting.member)) text += "true or false";
    text += " | " + std::string(setting.help) + " |\n";
  }
  return text;
}

}  // namespace ferres
