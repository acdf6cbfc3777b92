// Every setting of the server in one table: its TOML key, its environment names, default, range and
// help. From the table come the file reader, the environment reader, the flags, --help and
// docs/configuration.md. Rising order: defaults, config file, environment (a contract name, then
// its FERRESDB_ form), flags. Read once at start, on the main thread.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/files.h"
#include "base/status.h"

namespace ferres {

struct Settings {
  std::string host;  // empty: by the rule of listening (server/serve.cc)
  uint64_t port = 8080;
  std::string storage_path = "./data";
  std::vector<std::string> api_keys;
  std::string jwt_secret;
  bool audit_searches = false;
  uint64_t audit_days_max = 365;
  uint64_t rate_limit_per_second = 0;
  uint64_t rate_limit_burst = 0;
  std::vector<std::string> cors_origins;
  std::string log_level = "info";
  std::string log_format = "text";
  uint64_t http_threads = 0;
  uint64_t work_threads = 0;
  uint64_t connections_max = 16384;
  uint64_t body_bytes_max = 64ull << 20;
  uint64_t header_bytes_max = 32ull << 10;
  uint64_t inflight_bytes_max = 1ull << 30;
  uint64_t request_seconds_max = 60;
  uint64_t idle_seconds_max = 300;
  uint64_t drain_seconds_max = 30;
  uint64_t collections_max = 10000;
  uint64_t checkpoint_log_bytes = 256ull << 20;
  uint64_t checkpoint_seconds = 300;
  uint64_t flat_points_max = 2000;
  uint64_t payload_bytes_max = 0;
  uint64_t tail_points_max = 256;
  uint64_t log_segment_bytes = 64ull << 20;
  uint64_t disk_reserve_bytes = 64ull << 20;
  bool namespace_physical_isolation = false;
  uint64_t open_namespaces_max = 256;
  std::string s3_region;
  std::string s3_bucket;
  std::string s3_endpoint;
  std::string s3_access_key_id;
  std::string s3_secret_access_key;
  std::string s3_session_token;
  std::string s3_credentials_file = "~/.aws/credentials";
  std::string s3_profile = "default";
};

struct Setting {
  using Member = std::variant<std::string Settings::*, uint64_t Settings::*, bool Settings::*,
                              std::vector<std::string> Settings::*>;
  std::string_view key;           // in TOML; the flag is --key with '-' for '_'
  std::string_view contract_env;  // without a prefix, as the original named it; may be empty
  Member member;
  uint64_t min;  // of a number
  uint64_t max;
  bool secret;  // no flag, value never shown
  std::string_view help;

  std::string flag() const;
  std::string env() const;  // FERRESDB_ and the key in capitals
};

std::span<const Setting> settings_table();

/// What a program start is told.
struct Invocation {
  enum class Action { kServe, kPrintAndExit };
  Action action = Action::kServe;
  std::string print;  // --help, --version
  Settings settings;
  std::vector<std::string> warnings;
};

struct SettingSources {
  std::vector<std::string> arguments;              // without the program's name
  std::map<std::string, std::string> environment;  // names and values
  FileSystem* files = nullptr;
  std::string version;
};

/// kInvalidArgument with a message for the terminal.
Result<Invocation> read_settings(const SettingSources& sources);

/// The table of docs/configuration.md.
std::string settings_markdown();

}  // namespace ferres
