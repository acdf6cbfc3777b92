// See backup_command.h.
#include "server/backup_command.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <optional>

#include "backup/s3_client.h"
#include "base/executor.h"
#include "base/logging.h"
#include "db/backup.h"
#include "server/serve.h"

namespace ferres {
namespace {

constexpr size_t kWorkers = 2;
constexpr const char* kUsage =
    "ferresdb backup [--incremental]\n"
    "ferresdb backups\n"
    "ferresdb restore-backup KEY [--collection NAME [--target-collection NAME]]\n"
    "Further flags are settings of the server (ferresdb --help), above all --storage-path; the "
    "data\n"
    "folder must not be open in a server, which does the same by /api/v1/admin/backup.\n";

struct Command {
  std::string name;
  bool help = false;
  bool incremental = false;
  BackupRestoreRequest restore;
  std::vector<std::string> settings;  // arguments that are not ours
};

Result<Command> parse(const std::vector<std::string>& arguments) {
  Command command;
  command.name = arguments.front();
  size_t at = 1;
  if (command.name == "restore-backup" && arguments.size() > 1 && !arguments[1].starts_with('-'))
    command.restore.key = arguments[at++];
  for (; at < arguments.size(); ++at) {
    const std::string& argument = arguments[at];
    const bool has_value = at + 1 < arguments.size();
    if (argument == "--help" || argument == "-h") {
      command.help = true;
    } else if (argument == "--incremental" && command.name == "backup") {
      command.incremental = true;
    } else if (argument == "--collection" && has_value) {
      command.restore.collection = arguments[++at];
    } else if (argument == "--target-collection" && has_value) {
      command.restore.as = arguments[++at];
    } else {
      command.settings.push_back(argument);
    }
  }
  if (command.help) return command;
  if (command.name == "restore-backup" && command.restore.key.empty()) {
    return Status(Code::kInvalidArgument,
                  "which backup? ferresdb restore-backup KEY; ferresdb "
                  "backups lists them");
  }
  if (command.restore.as && !command.restore.collection) {
    return Status(Code::kInvalidArgument, "--target-collection needs --collection");
  }
  return command;
}

Result<std::unique_ptr<ObjectStore>> open_store(const Settings& settings) {
  const S3Settings s3 = s3_settings(settings);
  CloudSettings cloud(posix_files(), settings.storage_path + "/system/cloud.json", s3);
  TRY_ASSIGN(const S3Target target, cloud.target());
  return open_s3(target, {});
}

/// A log line for each tenth.
BackupProgress progress_lines() {
  return [told = uint64_t{0}](uint64_t done, uint64_t total) mutable -> Status {
    const uint64_t tenths = total == 0 ? 10 : done * 10 / total;
    if (tenths > told) log_info("progress", {{"percent", tenths * 10}});
    told = std::max(told, tenths);
    return {};
  };
}

Status list(ObjectStore& store) {
  TRY_ASSIGN(const std::vector<BackupEntry> entries, list_backups(store));
  for (const BackupEntry& entry : entries) {
    std::printf("%s  %llu bytes%s\n", entry.key.c_str(),
                static_cast<unsigned long long>(entry.size_bytes),
                entry.incremental ? " (its manifest)" : "");
  }
  return {};
}

Status make(Database& db, ObjectStore& store, bool incremental) {
  const BackupRequest request{std::string(kVersion), system_clock().unix_micros(), incremental};
  TRY_ASSIGN(const BackupOutcome outcome,
             back_up(db, posix_files(), store, request, progress_lines()));
  std::printf("%s  %llu bytes uploaded\n", outcome.key.c_str(),
              static_cast<unsigned long long>(outcome.size_bytes));
  if (outcome.skipped.empty()) return {};
  const auto& [name, why] = outcome.skipped.front();
  return {why.code(), "left out, " + std::to_string(outcome.skipped.size()) + " in all: " + name +
                          ": " + std::string(why.message())};
}

Status bring_back(Database& db, ObjectStore& store, const BackupRestoreRequest& request) {
  TRY_ASSIGN(const std::vector<RestoredCollection> restored,
             restore_backup(db, posix_files(), store, request, progress_lines()));
  for (const RestoredCollection& collection : restored) {
    std::printf("%s  %llu points\n", collection.name.c_str(),
                static_cast<unsigned long long>(collection.points));
  }
  return {};
}

Status run(const Command& command, const SettingSources& sources) {
  SettingSources rest = sources;
  rest.arguments = command.settings;
  TRY_ASSIGN(const Invocation invocation, read_settings(rest));
  const Settings& settings = invocation.settings;
  TRY_ASSIGN(const LogLevel level, parse_log_level(settings.log_level));
  configure_logging({.level = level, .json = settings.log_format == "json", .sink = {}});
  TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, open_store(settings));
  if (command.name == "backups") return list(*store);
  CommitClock commit_clock(system_clock());
  const std::unique_ptr<Executor> executor = make_thread_pool(kWorkers);
  const Environment environment{.files = &posix_files(),
                                .executor = executor.get(),
                                .clock = &system_clock(),
                                .commit_clock = &commit_clock};
  TRY_ASSIGN(const std::shared_ptr<Database> db, open_database(environment, settings));
  Status done = command.name == "backup" ? make(*db, *store, command.incremental)
                                         : bring_back(*db, *store, command.restore);
  const Status closed = db->close();
  return done.ok() ? closed.clone() : std::move(done);
}

}  // namespace

bool is_backup_command(const SettingSources& sources) {
  if (sources.arguments.empty()) return false;
  const std::string& name = sources.arguments.front();
  return name == "backup" || name == "backups" || name == "restore-backup";
}

int run_backup_command(const SettingSources& sources) {
  // Ctrl-C ends it at once: what is half done is not there yet.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  const Result<Command> command = parse(sources.arguments);
  if (command.ok() && command->help) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  const Status status = command.ok() ? run(*command, sources) : command.error().clone();
  if (status.ok()) return 0;
  std::fprintf(stderr, "ferresdb: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace ferres
