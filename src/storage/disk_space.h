// What is done before the disk is full: some of it is kept in a reserve file. When less than that
// is free, or less than the next checkpoints will write, the file is removed and writes are
// refused, so that reads, deletes, checkpoints and clean-up can go on. When there is room again,
// the file is made anew and writes are admitted: nobody has to start anything again. A disk that
// fills up between two looks refuses writes by itself (storage/log.h).
//
// One process a folder. admit() may be called by any thread, look() by one at a time.
#pragma once
#include <atomic>
#include <cstdint>
#include <string>

#include "base/files.h"
#include "base/status.h"

namespace ferres {

class DiskSpace {
 public:
  /// `reserve_bytes` 0: nothing is reserved, and nothing refused.
  DiskSpace(FileSystem& files, std::string dir, uint64_t reserve_bytes)
      : files_(files), dir_(std::move(dir)), reserve_bytes_(reserve_bytes) {}

  /// Now and then, and at the start before anything is written; so much waits to be written.
  void look(uint64_t unsaved_bytes);
  /// Between two looks: so much waits to be written now. Any thread.
  void expect(uint64_t unsaved_bytes) const;
  /// Whether something that needs space may be written: kNoSpace, with what to do, if not.
  Status admit() const;

 private:
  std::string path() const { return dir_ + "/RESERVE"; }
  void release(uint64_t free_bytes);
  void reserve();
  bool is_reserved() const;

  FileSystem& files_;
  const std::string dir_;
  const uint64_t reserve_bytes_;
  mutable std::atomic<bool> full_{false};
  std::atomic<uint64_t> wanted_bytes_{0};  // free, before writes are admitted again
  bool reserved_ = false;
};

}  // namespace ferres
