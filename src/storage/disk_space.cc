// See disk_space.h.
#include "storage/disk_space.h"

#include <algorithm>
#include <vector>

#include "base/logging.h"

namespace ferres {
namespace {

constexpr uint64_t kChunkBytes = 1 << 20;

}  // namespace

Status DiskSpace::admit() const {
  if (!full_.load(std::memory_order_relaxed)) return {};
  return {Code::kNoSpace,
          "the disk of the data folder is full: writes are refused until about " +
              std::to_string(wanted_bytes_ >> 20) +
              " MiB are free; deletes and reads go on. Free space on that disk, drop a collection "
              "with ?purge=true, or lower retention_days. Deleted points alone give nothing back "
              "until most of a collection is gone and its history no longer needs them"};
}

void DiskSpace::expect(uint64_t unsaved_bytes) const {
  if (reserve_bytes_ == 0 || full_.load(std::memory_order_relaxed)) return;
  const Result<uint64_t> free_bytes = files_.free_bytes(dir_);
  if (free_bytes.ok() && unsaved_bytes > *free_bytes) full_ = true;
}

void DiskSpace::look(uint64_t unsaved_bytes) {
  if (reserve_bytes_ == 0) return;
  if (!reserved_ && !full_) reserved_ = is_reserved();  // by an earlier start
  const Result<uint64_t> free_bytes = files_.free_bytes(dir_);
  if (!free_bytes.ok()) return;
  const uint64_t least = std::max(reserve_bytes_, unsaved_bytes);
  wanted_bytes_ = least + 2 * reserve_bytes_;
  const bool full = full_;
  if (full ? *free_bytes >= wanted_bytes_ : !reserved_ && *free_bytes >= least + reserve_bytes_) {
    reserve();
  } else if (full ? reserved_ : *free_bytes < least) {
    release(*free_bytes);  // for the checkpoint that what waits needs
  }
}

void DiskSpace::release(uint64_t free_bytes) {
  full_ = true;
  log_error("disk.full", {{"dir", dir_}, {"free_bytes", free_bytes}});
  if (files_.exists(path())) files_.remove(path()).ignore();  // the next look tries again
  reserved_ = files_.exists(path());
}

bool DiskSpace::is_reserved() const {
  const auto file = files_.open(path(), OpenMode::kRead);
  if (!file.ok()) return false;
  const Result<uint64_t> size = (*file)->size();
  return size.ok() && *size == reserve_bytes_;
}

/// Written, not only promised by the file system.
void DiskSpace::reserve() {
  const auto write = [this]() -> Status {
    TRY_ASSIGN(const auto file, files_.open(path(), OpenMode::kTruncate));
    const std::vector<std::byte> zeros(std::min(kChunkBytes, reserve_bytes_));
    for (uint64_t at = 0; at < reserve_bytes_; at += zeros.size()) {
      TRY(file->write(at,
                      Bytes(zeros).first(std::min<uint64_t>(zeros.size(), reserve_bytes_ - at))));
    }
    return file->sync();
  };
  if (const Status status = write(); !status.ok()) {
    log_warning("disk.reserve", {{"dir", dir_}, {"reason", std::string(status.message())}});
    files_.remove(path()).ignore();
    return;
  }
  reserved_ = true;
  if (full_.exchange(false)) log_info("disk.free_again", {{"dir", dir_}});
}

}  // namespace ferres
