// The one door to the disk. Everything above base opens, reads, writes, maps, renames and syncs
// through FileSystem, so that tests can replace the disk by one that forgets, tears, reorders and
// fails (base/sim_files.h). Paths are UTF-8 and built by FerresDB, never taken from a request.
// FileSystem is thread-safe; a File may be read by many threads while at most one writes.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/types.h"

namespace ferres {

class File {
 public:
  virtual ~File() = default;
  /// Reads into.size() bytes at offset; fewer only when the file ends there. Returns the count.
  virtual Result<size_t> read(uint64_t offset, MutableBytes into) const = 0;
  /// Writes all of data at offset, or fails (kNoSpace when the disk is full), which may leave a
  /// part of data written and the file longer. Not durable before sync(). Writing past the end
  /// grows the file; a gap reads as zeros.
  virtual Status write(uint64_t offset, Bytes data) = 0;
  /// Makes the content and size durable (fdatasync). After a failure nothing is known about what
  /// was written since the last good sync: the caller must not simply retry.
  virtual Status sync() = 0;
  virtual Status truncate(uint64_t size) = 0;
  virtual Result<uint64_t> size() const = 0;
  /// Maps [offset, offset + at.size()) privately over `at`, an address range that the caller
  /// reserved (MAP_PRIVATE | MAP_FIXED): later writes to the memory never reach the file. offset,
  /// at.data() and at.size() are multiples of 4 KiB; the range may end past the file's end only
  /// within its last 4 KiB page. The mapping outlives the File.
  virtual Status map(uint64_t offset, MutableBytes at) const = 0;
};

/// Held while the object lives; a second holder, also of another process, is refused.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode : uint8_t {
  kRead,       // must exist
  kReadWrite,  // must exist
  kCreate,     // must not exist; read and write
  kTruncate,   // created or emptied; read and write
  kSecret,     // the same, for this user's eyes alone (mode 0600)
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  /// kCorruption, and at once, for what is there and no regular file.
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual bool exists(const std::string& path) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  /// Creates the directory and its parents, durably; ok when it exists.
  virtual Status make_dirs(const std::string& path) = 0;
  /// Removes a directory and everything in it; ok when it is not there.
  virtual Status remove_tree(const std::string& path) = 0;
  /// Names (not paths) of the entries, sorted.
  virtual Result<std::vector<std::string>> list(const std::string& dir) = 0;
  /// Makes creations, renames and removals inside dir durable.
  virtual Status sync_dir(const std::string& dir) = 0;
  /// A file, which is created, or a folder. kConflict when another process or object holds it.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
  /// Bytes a non-privileged writer may still use on the disk that holds path.
  virtual Result<uint64_t> free_bytes(const std::string& path) = 0;
};

/// The real disk.
FileSystem& posix_files();
/// On it. False for what can only be read or written from one end to the other, as a pipe or a
/// device, and for folders.
Result<bool> is_regular_file(const std::string& path);

/// Whole content of a file; kTooLarge above max_bytes.
Result<std::string> read_file(FileSystem& files, const std::string& path, uint64_t max_bytes);
/// Publishes content at path: temporary file "<path>.tmp", sync, rename, sync of the directory.
/// After a crash path holds the old content or the new, whole (so too after a failure of the last
/// sync). One writer a path at a time.
Status write_file_atomic(FileSystem& files, const std::string& path, Bytes content);
/// The same for what nobody but this user may read.
Status write_secret_file_atomic(FileSystem& files, const std::string& path, Bytes content);

}  // namespace ferres
