// Backups from the command line, for a data folder that no server has open:
//   ferresdb backup [--incremental]
//   ferresdb backups
//   ferresdb restore-backup KEY [--collection NAME [--target-collection NAME]]
// with the settings of the server, from where the server takes them. Main thread only.
#pragma once
#include "server/settings.h"

namespace ferres {

bool is_backup_command(const SettingSources& sources);
/// The exit status of the process; prints the outcome, or on stderr what went wrong.
int run_backup_command(const SettingSources& sources);

}  // namespace ferres
