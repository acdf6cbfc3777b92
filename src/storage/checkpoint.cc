// See checkpoint.h.
#include "storage/checkpoint.h"

#include <cstring>

#include <sys/mman.h>

#include "base/crc32c.h"
#include "storage/page_file.h"
#include "storage/store_state.h"

namespace ferres {
namespace {

constexpr size_t kCapturedMax = (64 << 20) / kPageBytes;
constexpr size_t kDrainMax = 16;
constexpr size_t kSpareMax = 64;
constexpr size_t kBatchBytes = 1 << 20;
// Dirty pages that pile up make the log's next sync wait for them.
constexpr uint64_t kSyncBytes = 4 << 20;

}  // namespace

/// Batches neighbouring pages into large writes, and syncs as it goes.
class Checkpoint::Output {
 public:
  Output(File& file, std::vector<Page>& pages) : file_(file), pages_(pages) {
    batch_.resize(kBatchBytes);
  }

  size_t written() const { return written_; }
  /// Where the next page of the batch is to be copied.
  std::byte* room() { return batch_.data() + used_; }

  /// The page was copied to room().
  Status add(size_t index) {
    Page& page = pages_[index];
    if (used_ == 0) batch_offset_ = page.offset;
    TRY(check(page, Bytes(room(), page.length)));
    used_ += page.length;
    const bool joined = index + 1 < pages_.size() && used_ + kPageBytes <= kBatchBytes;
    return joined ? Status() : flush();
  }
  Status add_captured(size_t index, const std::byte* content) {
    Page& page = pages_[index];
    const Bytes bytes(content, page.length);
    TRY(check(page, bytes));
    TRY(file_.write(page.offset, bytes));
    return written_bytes(page.length);
  }
  /// The next page will not follow the last one.
  Status flush() {
    if (used_ == 0) return {};
    const size_t length = std::exchange(used_, 0);
    TRY(file_.write(batch_offset_, Bytes(batch_.data(), length)));
    return written_bytes(length);
  }

 private:
  Status check(Page& page, Bytes content) {
    ++written_;
    const uint32_t crc = crc32c(content);
    // An unchanged page carries its old checksum on: damage must not be given a fresh one.
    if (page.unchanged && page.crc != crc) {
      return {Code::kCorruption, "page " + std::to_string(page.page) + " of arena number " +
                                     std::to_string(page.arena) +
                                     " was damaged in its page file or in memory"};
    }
    page.crc = crc;
    return {};
  }
  Status written_bytes(uint64_t bytes) {
    unsynced_ += bytes;
    if (unsynced_ < kSyncBytes) return {};
    unsynced_ = 0;
    return file_.sync();
  }

  File& file_;
  std::vector<Page>& pages_;
  std::vector<std::byte> batch_;
  size_t used_ = 0;
  uint64_t batch_offset_ = 0;
  uint64_t unsynced_ = 0;
  size_t written_ = 0;
};

Checkpoint::Checkpoint(std::vector<Source> sources, std::vector<Page> pages)
    : sources_(std::move(sources)), pages_(std::move(pages)) {
  uint64_t offset = 0;
  for (Page& page : pages_) {
    page.offset = offset;
    offset += page.length;
  }
}

Checkpoint::PageCopy Checkpoint::new_page() {
  void* const page =
      mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(page != MAP_FAILED);  // no memory: as when new fails
  return PageCopy(static_cast<std::byte*>(page));
}

void Checkpoint::PageDeleter::operator()(std::byte* page) const {
  munmap(page, kPageBytes);
}

void Checkpoint::capture(const Reservation& now, uint32_t source, uint64_t page) {
  std::atomic<uint8_t>& state = now.state(page);
  wait_for_copy(state);
  if ((state.load(std::memory_order_acquire) & page_state::kPending) == 0) return;
  const bool needed = wait_for_room();
  const auto clear = static_cast<uint8_t>(~page_state::kPending);
  if ((state.fetch_and(clear, std::memory_order_acq_rel) & page_state::kPending) == 0) {
    wait_for_copy(state);  // the writer took it while we waited for room
    return;
  }
  if (!needed) return;
  Captured captured{source, page, nullptr};
  {
    const MutexLock lock(mutex_);
    if (!spare_.empty()) {
      captured.content = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  if (captured.content == nullptr) captured.content = new_page();
  std::memcpy(captured.content.get(), now.page(page), kPageBytes);
  const MutexLock lock(mutex_);
  captured_.push_back(std::move(captured));
  changed_.signal_all();
}

void Checkpoint::wait_for_copy(std::atomic<uint8_t>& state) {
  if ((state.load(std::memory_order_acquire) & page_state::kCopying) == 0) return;
  // The flag before the state, here; the state before the flag, in the writer: one sees the other.
  lane_waits_.store(true);
  const MutexLock lock(mutex_);
  while ((state.load() & page_state::kCopying) != 0)
    changed_.wait(mutex_);
  lane_waits_.store(false);
}

bool Checkpoint::wait_for_room() {
  const MutexLock lock(mutex_);
  // Before the writer has started nobody would make room, and it may be queued behind the lane.
  while (writing_ && !failed_ && captured_.size() >= room_)
    changed_.wait(mutex_);
  return !failed_;
}

bool Checkpoint::copy_pending(const Page& page, std::byte* into) {
  Arena& arena = *sources_[page.arena].arena;
  const MutexLock lock(arena.state_->move_mutex);
  const Reservation& now = *arena.now_.load(std::memory_order_acquire);
  std::atomic<uint8_t>& state = now.state(page.page);
  uint8_t bits = state.load(std::memory_order_acquire);
  uint8_t taken = 0;
  do {
    if ((bits & page_state::kPending) == 0) return false;
    taken = static_cast<uint8_t>((bits & ~page_state::kPending) | page_state::kCopying);
  } while (!state.compare_exchange_weak(bits, taken, std::memory_order_acq_rel));
  std::memcpy(into, now.page(page.page), page.length);
  state.fetch_and(static_cast<uint8_t>(~page_state::kCopying));
  if (lane_waits_.load()) {
    const MutexLock waiting(mutex_);
    changed_.signal_all();
  }
  return true;
}

Status Checkpoint::write(FileSystem& disk, const std::string& dir, const std::string& family,
                         uint64_t number) {
  {
    const MutexLock lock(mutex_);
    // What was captured before is not to be waited for as a whole.
    room_ = std::max(kCapturedMax, captured_.size());
    writing_ = true;
  }
  number_ = number;
  entry_.name = page_file_name(family, number);
  const std::string path = dir + "/" + entry_.name;
  Status status;
  {
    Result<std::unique_ptr<File>> file = disk.open(path, OpenMode::kTruncate);
    status = file.ok() ? write_file(**file, family, number) : std::move(file).error();
  }
  if (status.ok()) status = disk.sync_dir(path.substr(0, path.rfind('/')));
  if (!status.ok()) disk.remove(path).ignore();  // else the next garbage collection removes it
  const MutexLock lock(mutex_);
  writing_ = false;
  failed_ = !status.ok();
  captured_.clear();
  spare_.clear();
  changed_.signal_all();
  return status;
}

Status Checkpoint::write_file(File& file, const std::string& family, uint64_t number) {
  Output out(file, pages_);
  TRY(write_pages(out));
  std::vector<PageRow> rows;
  rows.reserve(pages_.size());
  for (const Page& page : pages_)
    rows.push_back({sources_[page.arena].id, page.page, page.offset, page.length, page.crc});
  const uint64_t table_offset = pages_.empty() ? 0 : pages_.back().offset + pages_.back().length;
  const std::string table = encode_page_table(family, number, table_offset, rows);
  TRY(file.write(table_offset, as_bytes(table)));
  entry_.bytes = table_offset + table.size();
  entry_.table_crc = crc32c(as_bytes(table));
  return file.sync();
}

Status Checkpoint::write_pages(Output& out) {
  for (size_t i = 0; i < pages_.size(); ++i) {
    TRY(write_captured(out, false));
    if (copy_pending(pages_[i], out.room())) {
      TRY(out.add(i));
    } else {
      TRY(out.flush());
    }
  }
  TRY(out.flush());
  while (out.written() < pages_.size())
    TRY(write_captured(out, true));
  return {};
}

Status Checkpoint::write_captured(Output& out, bool wait) {
  std::vector<Captured> batch;
  {
    const MutexLock lock(mutex_);
    while (wait && captured_.empty())
      changed_.wait(mutex_);
    const size_t taken = std::min(captured_.size(), kDrainMax);
    std::move(captured_.end() - static_cast<ptrdiff_t>(taken), captured_.end(),
              std::back_inserter(batch));
    captured_.resize(captured_.size() - taken);
    if (taken != 0) changed_.signal_all();
  }
  for (Captured& captured : batch) {
    const auto at = std::lower_bound(
        pages_.begin(), pages_.end(), captured, [](const Page& page, const Captured& wanted) {
          return std::pair(page.arena, uint64_t{page.page}) < std::pair(wanted.source, wanted.page);
        });
    TRY(out.add_captured(static_cast<size_t>(at - pages_.begin()), captured.content.get()));
    const MutexLock lock(mutex_);
    if (spare_.size() < kSpareMax) spare_.push_back(std::move(captured.content));
  }
  return {};
}

}  // namespace ferres
