// Whole-file helpers over any FileSystem. Any thread; one writer a path at a time.
#include "base/files.h"

namespace ferres {
namespace {

std::string parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status write_synced(FileSystem& files, const std::string& path, OpenMode mode, Bytes content) {
  TRY_ASSIGN(const std::unique_ptr<File> file, files.open(path, mode));
  TRY(file->write(0, content));
  return file->sync();
}

Status publish(FileSystem& files, const std::string& path, OpenMode mode, Bytes content) {
  const std::string temporary = path + ".tmp";
  Status status = write_synced(files, temporary, mode, content);
  if (status.ok()) status = files.rename(temporary, path);
  if (!status.ok()) {
    // A leftover is overwritten by the next attempt; the first failure is what counts.
    files.remove(temporary).ignore();
    return status;
  }
  return files.sync_dir(parent_of(path));
}

}  // namespace

Result<std::string> read_file(FileSystem& files, const std::string& path, uint64_t max_bytes) {
  TRY_ASSIGN(const std::unique_ptr<File> file, files.open(path, OpenMode::kRead));
  TRY_ASSIGN(const uint64_t size, file->size());
  if (size > max_bytes) {
    return Status(Code::kTooLarge, path + ": " + std::to_string(size) + " bytes, more than " +
                                       std::to_string(max_bytes));
  }
  std::string content(static_cast<size_t>(size), '\0');
  TRY_ASSIGN(const size_t got,
             file->read(0, std::as_writable_bytes(std::span(content.data(), content.size()))));
  content.resize(got);
  return content;
}

Status write_file_atomic(FileSystem& files, const std::string& path, Bytes content) {
  return publish(files, path, OpenMode::kTruncate, content);
}

Status write_secret_file_atomic(FileSystem& files, const std::string& path, Bytes content) {
  return publish(files, path, OpenMode::kSecret, content);
}

}  // namespace ferres
