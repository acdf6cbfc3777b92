// See commands.h.
#include "server/commands.h"

#include <algorithm>
#include <array>

namespace ferres {
namespace {

constexpr std::array kCommands = {
    Command{"backup", "Back a data folder up to S3 that no server has open", run_backup_command},
    Command{"backups", "List the backups of the bucket", run_backups_command},
    Command{"restore-backup", "Bring collections back from a backup", run_restore_backup_command},
    Command{"check", "Look for damage in a data folder that no server has open", run_check_command},
    Command{"export", "Write the points of a running server's collection as JSON lines",
            run_export_command},
    Command{"import", "Send points from a file of JSON lines to a running server",
            run_import_command},
    Command{"insert", "The same as import, with --from-file", run_insert_command},
};

}  // namespace

std::span<const Command> commands() {
  return kCommands;
}

const Command* find_command(std::string_view name) {
  const auto* const found = std::find_if(kCommands.begin(), kCommands.end(),
                                         [name](const Command& one) { return one.name == name; });
  return found == kCommands.end() ? nullptr : found;
}

}  // namespace ferres
