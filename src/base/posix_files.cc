// The real disk: FileSystem over POSIX calls. The only file (with sim_files) that names them. Every
// message says which call failed on which path and why. Thread-safe as files.h says.
//
// A write that fails with kNoSpace may have written a part of its data and left the file longer:
// the caller truncates or overwrites. A failed sync is reported once by Linux, which then marks the
// unwritten pages clean (Rebello et al., "Can Applications Recover from fsync Failures?", ATC '20):
// there is no retry here, and there must be none above.
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/files.h"

namespace ferres {
namespace {

Code code_of(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return Code::kNoSpace;
    case ENOENT:
      return Code::kNotFound;
    case EEXIST:
      return Code::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::kForbidden;
    default:
      return Code::kIo;
  }
}

Status failure(const char* call, const std::string& path, int error) {
  return {code_of(error),
          path + ": " + call + ": " + std::error_code(error, std::generic_category()).message()};
}

/// Owns a descriptor. Nothing depends on close: what must last was synced before.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

Result<Descriptor> open_descriptor(const std::string& path, int flags, mode_t mode = 0644) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return failure("open", path, errno);
  return Descriptor(fd);
}

/// Waits for nobody at the other end, as the opening of a pipe does otherwise; nothing else is
/// changed for a regular file by O_NONBLOCK.
Result<Descriptor> open_regular(const std::string& path, int flags, mode_t mode = 0644) {
  TRY_ASSIGN(Descriptor fd, open_descriptor(path, flags | O_NONBLOCK | O_NOCTTY, mode));
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return failure("fstat", path, errno);
  if (S_ISREG(info.st_mode)) return fd;
  return Status(Code::kCorruption,
                path + ": a folder, a pipe or a device lies in the place of a file: move it away");
}

class PosixFile : public File {
 public:
  PosixFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<size_t> read(uint64_t offset, MutableBytes into) const override {
    size_t done = 0;
    while (done < into.size()) {
      const ssize_t n = ::pread(fd_.get(), into.data() + done, into.size() - done,
                                static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return failure("pread", path_, errno);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  Status write(uint64_t offset, Bytes data) override {
    size_t done = 0;
    while (done < data.size()) {
      const ssize_t n = ::pwrite(fd_.get(), data.data() + done, data.size() - done,
                                 static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return failure("pwrite", path_, errno);
      // POSIX lets a full disk answer 0; asking again would spin.
      if (n == 0) return failure("pwrite", path_, ENOSPC);
      done += static_cast<size_t>(n);
    }
    return {};
  }

  Status sync() override {
    if (::fdatasync(fd_.get()) != 0) return failure("fdatasync", path_, errno);
    return {};
  }

  Status truncate(uint64_t size) override {
    int result = -1;
    do {
      result = ::ftruncate(fd_.get(), static_cast<off_t>(size));
    } while (result != 0 && errno == EINTR);
    if (result != 0) return failure("ftruncate", path_, errno);
    return {};
  }

  Result<uint64_t> size() const override {
    struct stat info{};
    if (::fstat(fd_.get(), &info) != 0) return failure("fstat", path_, errno);
    return static_cast<uint64_t>(info.st_size);
  }

  Status map(uint64_t offset, MutableBytes at) const override {
    if (at.empty()) return {};
    void* const where = ::mmap(at.data(), at.size(), PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_FIXED, fd_.get(), static_cast<off_t>(offset));
    if (where == MAP_FAILED) return failure("mmap", path_, errno);
    return {};
  }

 private:
  const Descriptor fd_;
  const std::string path_;
};

/// flock belongs to the open file, so a second open in this process is refused as well.
class PosixLock : public FileLock {
 public:
  explicit PosixLock(Descriptor fd) : fd_(std::move(fd)) {}

 private:
  const Descriptor fd_;
};

Status sync_directory(const std::string& dir) {
  TRY_ASSIGN(const Descriptor fd, open_descriptor(dir, O_RDONLY | O_DIRECTORY));
  if (::fsync(fd.get()) != 0) return failure("fsync", dir, errno);
  return {};
}

class PosixFiles : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    const bool secret = mode == OpenMode::kSecret;
    TRY_ASSIGN(Descriptor fd, open_regular(path, flags_of(mode), secret ? 0600 : 0644));
    // The file may have been there before, open to others.
    if (secret && ::fchmod(fd.get(), 0600) != 0) return failure("fchmod", path, errno);
    return std::unique_ptr<File>(std::make_unique<PosixFile>(std::move(fd), path));
  }

  bool exists(const std::string& path) override { return ::access(path.c_str(), F_OK) == 0; }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return failure("rename", from, errno);
    return {};
  }

  Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return failure("unlink", path, errno);
    return {};
  }

  Status make_dirs(const std::string& path) override {
    if (path.empty() || is_directory(path)) return {};
    const std::string parent = std::filesystem::path(path).parent_path().string();
    if (parent != path) TRY(make_dirs(parent));
    if (::mkdir(path.c_str(), 0755) != 0) {
      // "a/b/" names a/b twice, and another thread may have been faster.
      if (errno == EEXIST && is_directory(path)) return {};
      return failure("mkdir", path, errno);
    }
    return sync_directory(parent.empty() ? "." : parent);
  }

  Status remove_tree(const std::string& path) override {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error && error.value() != ENOENT) return failure("remove", path, error.value());
    return {};
  }

  Result<std::vector<std::string>> list(const std::string& dir) override {
    std::vector<std::string> names;
    std::error_code error;
    std::filesystem::directory_iterator entry(dir, error);
    while (!error && entry != std::filesystem::directory_iterator()) {
      names.push_back(entry->path().filename().string());
      entry.increment(error);
    }
    if (error) return failure("readdir", dir, error.value());
    std::sort(names.begin(), names.end());
    return names;
  }

  Status sync_dir(const std::string& dir) override { return sync_directory(dir); }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    TRY_ASSIGN(Descriptor fd, is_directory(path) ? open_descriptor(path, O_RDONLY | O_DIRECTORY)
                                                 : open_regular(path, O_RDWR | O_CREAT));
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) {
        return Status(Code::kConflict, path + ": flock: held by another process or object");
      }
      return failure("flock", path, errno);
    }
    return std::unique_ptr<FileLock>(std::make_unique<PosixLock>(std::move(fd)));
  }

  Result<uint64_t> free_bytes(const std::string& path) override {
    struct statvfs info{};
    if (::statvfs(path.c_str(), &info) != 0) return failure("statvfs", path, errno);
    return uint64_t{info.f_bavail} * info.f_frsize;
  }

 private:
  static bool is_directory(const std::string& path) {
    struct stat info{};
    return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
  }

  static int flags_of(OpenMode mode) {
    switch (mode) {
      case OpenMode::kRead:
        return O_RDONLY;
      case OpenMode::kReadWrite:
        return O_RDWR;
      case OpenMode::kCreate:
        return O_RDWR | O_CREAT | O_EXCL;
      case OpenMode::kTruncate:
      case OpenMode::kSecret:
        return O_RDWR | O_CREAT | O_TRUNC;
    }
    return O_RDONLY;
  }
};

}  // namespace

FileSystem& posix_files() {
  static PosixFiles files;
  return files;
}

Result<bool> is_regular_file(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) return failure("stat", path, errno);
  return S_ISREG(found.st_mode);
}

}  // namespace ferres
