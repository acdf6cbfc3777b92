// The program's commands besides serving, in one table: `ferresdb NAME ...`. A command reads its
// arguments itself, prints, and answers the exit status. Main thread only.
#pragma once
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ferres {

struct CommandLine {
  std::vector<std::string> arguments;  // behind the command's name
  std::map<std::string, std::string> environment;
};

struct Command {
  std::string_view name;
  std::string_view help;  // one line
  int (*run)(const CommandLine& line);
};

std::span<const Command> commands();
/// Null when there is none of that name.
const Command* find_command(std::string_view name);

// A file each, and one for backups.
int run_backup_command(const CommandLine& line);
int run_backups_command(const CommandLine& line);
int run_restore_backup_command(const CommandLine& line);
int run_check_command(const CommandLine& line);
int run_export_command(const CommandLine& line);
int run_import_command(const CommandLine& line);
int run_insert_command(const CommandLine& line);

}  // namespace ferres
