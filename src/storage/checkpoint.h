// One running checkpoint of a page store: the set of pages to write, and how lane and writer share
// them. Private to the page store.
//
// Every pending page is taken exactly once, by clearing its kPending bit: by the writer, which
// copies it under kCopying, or by the lane, which hands its old content over before it changes the
// page. The positions in the file are known from the start, so pages handed over are written as
// they come and the rest in order. The lane waits only while the writer copies that same page
// (64 KiB), or while the handed-over pages exceed their bound and the writer is at work on them.
//
// Threads: capture() is the lane's, write() any one thread's, everything else the lane's while no
// write() runs.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/mutex.h"
#include "storage/page_store.h"

namespace ferres {

class Checkpoint {
 public:
  struct Page {
    uint32_t arena = 0;  // index into arenas()
    uint32_t page = 0;
    uint32_t length = 0;
    uint32_t crc = 0;        // filled by the writer; expected before when `unchanged`
    uint64_t offset = 0;     // in the file
    bool unchanged = false;  // written again only so that its old file can go
  };
  struct Source {
    Arena* arena = nullptr;
    uint32_t id = 0;
    uint64_t bytes = 0;  // at begin_checkpoint
  };

  /// pages ascend by (arena, page).
  Checkpoint(std::vector<Source> sources, std::vector<Page> pages);

  /// Lane: hands the content of a page over if the checkpoint still needs it, and returns when the
  /// page may be changed.
  void capture(const Reservation& now, uint32_t source, uint64_t page);

  /// Writes and syncs the page file of that number. On failure the file is removed.
  Status write(FileSystem& disk, const std::string& dir, const std::string& family,
               uint64_t number);

  const std::vector<Source>& sources() const { return sources_; }
  const std::vector<Page>& pages() const { return pages_; }
  const PageFileEntry& entry() const { return entry_; }
  /// Of the file that write() made or tried to make; 0 before.
  uint64_t number() const { return number_; }

 private:
  /// A page of the system's own: those that come and go with a checkpoint, up to 64 MiB, would stay
  /// with the heap.
  struct PageDeleter {
    void operator()(std::byte* page) const;
  };
  using PageCopy = std::unique_ptr<std::byte, PageDeleter>;
  struct Captured {
    uint32_t source = 0;
    uint64_t page = 0;
    PageCopy content;
  };
  class Output;

  static PageCopy new_page();
  void wait_for_copy(std::atomic<uint8_t>& state);
  bool wait_for_room();
  Status write_file(File& file, const std::string& family, uint64_t number);
  Status write_pages(Output& out);
  /// Writes what the lane has handed over so far; waits for at least one page first if asked.
  Status write_captured(Output& out, bool wait);
  bool copy_pending(const Page& page, std::byte* into);

  const std::vector<Source> sources_;
  std::vector<Page> pages_;
  PageFileEntry entry_;
  uint64_t number_ = 0;

  Mutex mutex_;
  CondVar changed_;
  std::vector<Captured> captured_ GUARDED_BY(mutex_);
  std::vector<PageCopy> spare_ GUARDED_BY(mutex_);
  bool writing_ GUARDED_BY(mutex_) = false;
  size_t room_ GUARDED_BY(mutex_) = 0;  // for captured pages, once it is writing
  bool failed_ GUARDED_BY(mutex_) = false;
  std::atomic<bool> lane_waits_{false};
};

}  // namespace ferres
