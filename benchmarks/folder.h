// A folder that a benchmark fills. It is never one that holds anything already: a benchmark removes
// its folder at the end, and a wrong argument must not cost somebody their data.
#pragma once
#include <cstdint>
#include <string>
#include <utility>

#include "base/status.h"

namespace ferres::bench {

class Folder {
 public:
  enum class AtEnd : uint8_t { kRemove, kKeep };

  /// A new folder under the system's one for temporary files when `wanted` is empty: removed at the
  /// end. Else `wanted`, which must be empty or not there (its parent must be); kInvalidArgument
  /// when it holds something. kRemove removes what was put into it, and itself when it was made
  /// here.
  static Result<Folder> open(const std::string& wanted, AtEnd at_end);
  ~Folder();
  Folder(Folder&& other) noexcept;
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  Folder(std::string path, bool made, AtEnd at_end)
      : path_(std::move(path)), made_(made), at_end_(at_end) {}

  std::string path_;  // empty: moved from
  bool made_;
  AtEnd at_end_;
};

}  // namespace ferres::bench
