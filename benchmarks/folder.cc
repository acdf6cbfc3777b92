// See folder.h.
#include "folder.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "base/files.h"

namespace ferres::bench {
namespace fs = std::filesystem;

Result<Folder> Folder::open(const std::string& wanted, AtEnd at_end) {
  std::string path = wanted;
  if (wanted.empty()) {
    static int number = 0;
    path = fs::temp_directory_path() / fmt::format("ferresdb-bench-{}-{}", getpid(), number++);
    at_end = AtEnd::kRemove;
  }
  std::error_code error;
  const bool made = fs::create_directory(path, error);
  if (error) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: cannot be made: {}", path, error.message()));
  }
  const bool empty = fs::is_empty(path, error);
  if (error || !empty) {
    return Status(
        Code::kInvalidArgument,
        path + ": exists and is not empty; name an empty folder or one that is not there");
  }
  return Folder(std::move(path), made, at_end);
}

Folder::Folder(Folder&& other) noexcept
    : path_(std::exchange(other.path_, {})), made_(other.made_), at_end_(other.at_end_) {}

Folder::~Folder() {
  if (path_.empty() || at_end_ == AtEnd::kKeep) return;
  const auto remove = [](const std::string& path) {
    if (const Status status = posix_files().remove_tree(path); !status.ok()) {
      fmt::print(stderr, "left behind: {}\n", status.message());
    }
  };
  if (made_) {
    remove(path_);
    return;
  }
  std::error_code error;
  for (fs::directory_iterator entry(path_, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    remove(entry->path().string());
  }
}

}  // namespace ferres::bench
