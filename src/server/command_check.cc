// ferresdb check: what is damaged in a data folder, for people or as JSON. Exit status 0: sound, 1:
// damaged, 2: the folder could not be checked.
#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "auth/audit_log.h"
#include "base/logging.h"
#include "db/check.h"
#include "json/writer.h"
#include "server/commands.h"
#include "server/progress_line.h"
#include "server/serve.h"
#include "server/settings.h"

namespace ferres {
namespace {

constexpr int kSound = 0;
constexpr int kDamaged = 1;
constexpr int kNotChecked = 2;

struct CheckArguments {
  CheckOptions check;
  bool json = false;
  bool helped = false;  // the help was asked for and printed
};

int refuse(std::string_view why) {
  fmt::print(stderr, "ferresdb check: {}\n", why);
  return kNotChecked;
}

Result<CheckArguments> parse(const CommandLine& line) {
  CheckArguments arguments;
  CLI::App app("Look for damage in a data folder that no server has open", "ferresdb check");
  app.add_option("--data", arguments.check.dir, "The data folder; else that of the settings");
  app.add_flag("--repair", arguments.check.repair,
               "Remove left-overs and damaged index files (the next start makes the index anew), "
               "and write damaged config.json files as the catalog has them. Never drops points");
  app.add_flag("--json", arguments.json, "Print one JSON object");
  std::vector<std::string> reversed(line.arguments.rbegin(), line.arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}Exit status: 0 sound, 1 damaged, 2 not checked.\n", app.help());
    arguments.helped = true;
    return arguments;
  } catch (const CLI::ParseError& error) {
    return Status(Code::kInvalidArgument,
                  std::string(error.what()) + " (see ferresdb check --help)");
  }
  if (arguments.check.dir.empty()) {
    TRY_ASSIGN(const Invocation invocation, read_settings({.arguments = {},
                                                           .environment = line.environment,
                                                           .files = &posix_files(),
                                                           .version = std::string(kVersion)}));
    arguments.check.dir = invocation.settings.storage_path;
  }
  while (arguments.check.dir.size() > 1 && arguments.check.dir.ends_with('/'))
    arguments.check.dir.pop_back();
  return arguments;
}

std::string as_json(const CheckReport& report) {
  JsonWriter json;
  json.begin_object().field("sound", report.sound()).key("collections").begin_array();
  for (const CheckReport::Collection& one : report.collections) {
    json.begin_object()
        .field("name", one.name)
        .field("folder", one.dir)
        .field("dropped", one.dropped)
        .field("whole", one.whole)
        .field("points", one.points)
        .field("lsn", one.lsn)
        .end_object();
  }
  json.end_array().key("findings").begin_array();
  for (const Finding& finding : report.findings) {
    json.begin_object().field("kind", finding_name(finding.kind)).key("collection");
    finding.collection.empty() ? json.null() : json.string(finding.collection);
    json.field("file", finding.where.file)
        .field("offset", finding.where.offset)
        .field("what", finding.where.what)
        .field("advice", finding.advice)
        .field("repaired", finding.repaired)
        .end_object();
  }
  return json.end_array().end_object().take();
}

void print_for_people(const CheckReport& report) {
  for (const Finding& finding : report.findings) {
    fmt::print("{}: {}: byte {}: {}\n", finding_name(finding.kind), finding.where.file,
               finding.where.offset, finding.where.what);
    if (!finding.collection.empty()) fmt::print("  Collection '{}'. ", finding.collection);
    fmt::print("{}{}{}\n", finding.collection.empty() ? "  " : "", finding.advice,
               finding.repaired ? " Repaired." : "");
  }
  for (const CheckReport::Collection& one : report.collections) {
    fmt::print("{} '{}': {}\n", one.dropped ? "dropped collection" : "collection", one.name,
               one.whole ? fmt::format("{} points at LSN {}", one.points, one.lsn)
                         : std::string("its newest state is not whole"));
  }
  fmt::print("{}\n", report.sound() ? "sound" : "damaged");
}

}  // namespace

int run_check_command(const CommandLine& line) {
  configure_logging({.level = LogLevel::kOff, .json = false, .sink = {}});
  Result<CheckArguments> arguments = parse(line);
  if (!arguments.ok()) return refuse(arguments.error().message());
  if (arguments->helped) return kSound;
  ProgressLine progress("checked");
  arguments->check.progress = [&progress](uint64_t done, uint64_t total) {
    progress.show(done, total);
  };
  Result<CheckReport> report = check_database(posix_files(), arguments->check);
  progress.clear();
  if (!report.ok()) return refuse(report.error().message());
  const auto audited = check_audit_log(posix_files(), arguments->check.dir + "/logs");
  if (!audited.ok()) return refuse(audited.error().message());
  if (!audited->broken.empty()) {
    report->findings.push_back({.where = {.file = "logs", .what = audited->broken},
                                .advice = "The audit log was changed by somebody else."});
  }
  if (arguments->json) {
    fmt::print("{}\n", as_json(*report));
  } else {
    print_for_people(*report);
  }
  return report->sound() ? kSound : kDamaged;
}

}  // namespace ferres
