// ferresdb [serve]: the program. Reads its settings and serves until it is told to stop; or does
// what another command says (server/commands.h).
#include <csignal>
#include <cstdio>

#include <unistd.h>

#include "base/files.h"
#include "base/logging.h"
#include "server/commands.h"
#include "server/serve.h"
#include "server/settings.h"

namespace ferres {
namespace {

std::map<std::string, std::string> environment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

int fail(const Status& status) {
  std::fprintf(stderr, "ferresdb: %s\n", std::string(status.message()).c_str());
  return 1;
}

int run(int argc, char** argv) {
  const SettingSources sources{.arguments = {argv + 1, argv + argc},
                               .environment = environment(),
                               .files = &posix_files(),
                               .version = std::string(kVersion)};
  const Result<Invocation> invocation = read_settings(sources);
  if (!invocation.ok()) return fail(invocation.error());
  if (invocation->action == Invocation::Action::kPrintAndExit) {
    std::fputs(invocation->print.c_str(), stdout);
    return 0;
  }
  const Settings& settings = invocation->settings;
  const Result<LogLevel> level = parse_log_level(settings.log_level);
  if (!level.ok()) return fail(level.error());
  configure_logging({.level = *level, .json = settings.log_format == "json", .sink = {}});
  for (const std::string& warning : invocation->warnings) {
    log_warning("setting_ignored", {{"setting", warning}});
  }
  const Status status = serve(settings);
  return status.ok() ? 0 : fail(status);
}

}  // namespace
}  // namespace ferres

int main(int argc, char** argv) {
  const ferres::Command* const command = argc > 1 ? ferres::find_command(argv[1]) : nullptr;
  if (command != nullptr) return command->run({{argv + 2, argv + argc}, ferres::environment()});
  // Blocked before any thread starts: serve() waits for them with sigwait.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file size limit is an error of the write that meets it
  return ferres::run(argc, argv);
}
