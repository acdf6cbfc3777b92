// Backups from the command line, for a data folder that no server has open:
//   ferresdb backup [--incremental]
//   ferresdb backups
//   ferresdb restore-backup KEY [--collection NAME [--target-collection NAME]]
// with the settings of the server, from where the server takes them. Ctrl-C ends one at once: what
// is half done is not there yet.
#include <csignal>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "backup/s3_client.h"
#include "base/executor.h"
#include "base/logging.h"
#include "db/backup.h"
#include "server/commands.h"
#include "server/progress_line.h"
#include "server/serve.h"
#include "server/settings.h"

namespace ferres {
namespace {

constexpr size_t kWorkers = 2;

/// What the commands share: their own flags are added to `app`, and all others are the server's.
struct BackupCommand {
  BackupCommand(const char* help, const std::string& name) : app(help, "ferresdb " + name) {
    app.allow_extras();
    app.footer(
        "Further flags are settings of the server (ferresdb --help), above all --storage-path. The "
        "data folder must not be open in a server, which does the same by /api/v1/admin/backup.");
  }

  /// `work` with the settings, unless help was asked for; the exit status.
  int run(const CommandLine& line, const std::function<Status(const Settings&)>& work) {
    std::signal(SIGPIPE, SIG_IGN);  // a connection that ends is an error of that connection
    std::vector<std::string> reversed(line.arguments.rbegin(), line.arguments.rend());
    try {
      app.parse(reversed);
    } catch (const CLI::CallForHelp&) {
      fmt::print("{}", app.help());
      return 0;
    } catch (const CLI::ParseError& error) {
      return refuse(std::string(error.what()) + " (see " + app.get_name() + " --help)");
    }
    const Status status = with_settings(line, work);
    return status.ok() ? 0 : refuse(status.message());
  }

  CLI::App app;

 private:
  int refuse(std::string_view why) const {
    fmt::print(stderr, "{}: {}\n", app.get_name(), why);
    return 1;
  }

  Status with_settings(const CommandLine& line,
                       const std::function<Status(const Settings&)>& work) {
    TRY_ASSIGN(const Invocation invocation, read_settings({.arguments = app.remaining(),
                                                           .environment = line.environment,
                                                           .files = &posix_files(),
                                                           .version = std::string(kVersion)}));
    TRY_ASSIGN(const LogLevel level, parse_log_level(invocation.settings.log_level));
    configure_logging(
        {.level = level, .json = invocation.settings.log_format == "json", .sink = {}});
    return work(invocation.settings);
  }
};

Result<std::unique_ptr<ObjectStore>> open_store(const Settings& settings) {
  const S3Settings s3 = s3_settings(settings);
  CloudSettings cloud(posix_files(), settings.storage_path + "/system/cloud.json", s3);
  TRY_ASSIGN(const S3Target target, cloud.target());
  return open_s3(target, {});
}

Status with_database(const Settings& settings,
                     const std::function<Status(Database&, ObjectStore&)>& work) {
  TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, open_store(settings));
  CommitClock commit_clock(system_clock());
  const std::unique_ptr<Executor> executor = make_thread_pool(kWorkers);
  const Environment environment{.files = &posix_files(),
                                .executor = executor.get(),
                                .clock = &system_clock(),
                                .commit_clock = &commit_clock};
  TRY_ASSIGN(const std::shared_ptr<Database> db, open_database(environment, settings, false));
  Status done = work(*db, *store);
  const Status closed = db->close();
  return done.ok() ? closed.clone() : std::move(done);
}

BackupProgress shown_on(ProgressLine& line) {
  return [&line](uint64_t done, uint64_t total) -> Status {
    line.show(done, total);
    return {};
  };
}

Status make(Database& db, ObjectStore& store, bool incremental) {
  ProgressLine line("backed up");
  const BackupRequest request{std::string(kVersion), system_clock().unix_micros(), incremental};
  TRY_ASSIGN(const BackupOutcome outcome,
             back_up(db, posix_files(), store, request, shown_on(line)));
  line.clear();
  fmt::print("{}  {} bytes uploaded\n", outcome.key, outcome.size_bytes);
  if (outcome.skipped.empty()) return {};
  const auto& [name, why] = outcome.skipped.front();
  return {why.code(),
          fmt::format("left out, {} in all: {}: {}", outcome.skipped.size(), name, why.message())};
}

Status list(const Settings& settings) {
  TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, open_store(settings));
  TRY_ASSIGN(const std::vector<BackupEntry> entries, list_backups(*store));
  for (const BackupEntry& entry : entries) {
    fmt::print("{}  {} bytes{}\n", entry.key, entry.size_bytes,
               entry.incremental ? " (its manifest)" : "");
  }
  return {};
}

Status bring_back(Database& db, ObjectStore& store, const BackupRestoreRequest& request) {
  ProgressLine line("restored");
  TRY_ASSIGN(const std::vector<RestoredCollection> restored,
             restore_backup(db, posix_files(), store, request, shown_on(line)));
  line.clear();
  for (const RestoredCollection& collection : restored)
    fmt::print("{}  {} points\n", collection.name, collection.points);
  return {};
}

}  // namespace

int run_backup_command(const CommandLine& line) {
  BackupCommand command("Back a data folder up to S3", "backup");
  bool incremental = false;
  command.app.add_flag("--incremental", incremental, "Upload only what the bucket lacks");
  return command.run(line, [&](const Settings& settings) -> Status {
    // Opening it would make one, and the backup would be of nothing.
    if (!posix_files().exists(settings.storage_path + "/system/wal")) {
      return {Code::kNotFound, "'" + settings.storage_path + "' is not a data folder of FerresDB"};
    }
    return with_database(
        settings, [&](Database& db, ObjectStore& store) { return make(db, store, incremental); });
  });
}

int run_backups_command(const CommandLine& line) {
  return BackupCommand("List the backups of the bucket", "backups").run(line, list);
}

int run_restore_backup_command(const CommandLine& line) {
  BackupCommand command("Bring collections back from a backup", "restore-backup KEY");
  BackupRestoreRequest request;
  CommandLine flags = line;
  // Taken off here: among the server's settings nobody could tell it from the value of one.
  if (!flags.arguments.empty() && !flags.arguments.front().starts_with('-')) {
    request.key = flags.arguments.front();
    flags.arguments.erase(flags.arguments.begin());
  }
  auto* const one = command.app.add_option("--collection", request.collection, "Only this one");
  command.app
      .add_option("--target-collection", request.as, "The name that it is to have from now on")
      ->needs(one);
  return command.run(flags, [&](const Settings& settings) -> Status {
    if (request.key.empty()) {
      return {Code::kInvalidArgument,
              "which backup? ferresdb restore-backup KEY; ferresdb backups lists them"};
    }
    return with_database(
        settings, [&](Database& db, ObjectStore& store) { return bring_back(db, store, request); });
  });
}

}  // namespace ferres
