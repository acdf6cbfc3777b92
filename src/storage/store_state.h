// What the files of the page store share: the private parts of Arena and PageStore. Included by
// arena.cc, page_store.cc, page_store_open.cc, page_store_scrub.cc and checkpoint.cc alone.
//
// Threads: members are the lane's unless a comment says otherwise. `placed` and `files` change only
// in commit_checkpoint(), so the checkpoint writer may read them between begin and commit.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "storage/arena.h"
#include "storage/checkpoint.h"
#include "storage/page_store.h"
#include "storage/reservation.h"

namespace ferres {

inline constexpr uint64_t kDiskPageBytes = 4096;
// From here an arena asks for huge pages: below, a thousand collections would take 2 MiB each.
inline constexpr uint64_t kHugeArenaBytes = 4 << 20;

/// Bytes to 4 KiB, the unit of offsets and lengths in page files.
inline uint64_t round_to_disk_page(uint64_t bytes) {
  return (bytes + kDiskPageBytes - 1) / kDiskPageBytes * kDiskPageBytes;
}
inline uint64_t pages_of(uint64_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes;
}
/// What a page file holds of page `index` of an arena of `bytes`.
inline uint64_t page_length(uint64_t index, uint64_t bytes) {
  return std::min(kPageBytes, round_to_disk_page(bytes - index * kPageBytes));
}

/// Where the newest version of a page is on disk.
struct Placed {
  uint32_t file = 0;  // its number; 0: in none, the page reads as zeros
  uint32_t crc = 0;
  uint32_t offset_units = 0;  // of 4 KiB
  uint32_t length = 0;

  uint64_t offset() const { return offset_units * kDiskPageBytes; }
};

/// True when `next`, the page after `before`, does not continue a mapping of it.
inline bool starts_run(const Placed& before, const Placed& next) {
  return before.file != next.file || before.length != kPageBytes ||
         before.offset_units + before.length / kDiskPageBytes != next.offset_units;
}
/// Mappings that an open needs for the pages of an arena.
uint64_t count_runs(const std::vector<Placed>& placed);

/// A page file listed by the newest manifest.
struct LiveFile {
  PageFileEntry entry;
  uint32_t number = 0;
  uint64_t page_bytes = 0;  // of all its pages
  uint64_t live_bytes = 0;  // of those that are the newest version
};

struct Arena::State {
  PageStore::State* store = nullptr;
  ArenaSpec spec;
  std::string name;
  uint32_t index = 0;  // in the store's arenas, and so in a checkpoint's sources
  bool attached = false;
  std::unique_ptr<Reservation> reservation;  // what now_ points to
  bool huge_advised = false;

  std::vector<Placed> placed;
  /// As opened; what readers verify against. Constant after opening.
  std::vector<Placed> opened;
  /// Taken to confirm a mismatch, and by the lane before it changes an unverified page: under it an
  /// unverified page does not change.
  Mutex verify_mutex;
  /// Held by the checkpoint writer while it reads the arena, and by the lane while it moves it.
  Mutex move_mutex;

  std::atomic<uint64_t> changed_pages{0};  // read by any thread
  std::atomic<uint64_t> touched_pages{0};  // read by any thread
  uint64_t runs = 0;                       // mappings that an open would need, when last counted
  uint64_t scrub_page = 0;                 // the scrub's cursor
  std::unique_ptr<Staging> staging;
  std::vector<Tier> wanted_tiers;  // by page, while there are moves
  uint64_t next_move = 0;          // the first page that was not looked at
};

struct PageStore::State {
  std::atomic<bool> lost{false};  // read by any thread; before the arenas, which tell it
  FileSystem* disk = nullptr;
  std::string dir;
  std::string family;
  uint64_t next_file = 1;
  std::vector<LiveFile> files;                 // oldest first
  std::vector<std::unique_ptr<Arena>> arenas;  // ascending ids
  std::unique_ptr<Checkpoint> checkpoint;
  std::vector<uint32_t> leaving;  // numbers of files that the running checkpoint makes obsolete
  /// Address ranges that readers may still use, each with its epoch ticket.
  std::vector<std::pair<uint64_t, std::unique_ptr<Reservation>>> retired;

  std::atomic<uint64_t> disk_bytes{0};  // read by any thread
  std::atomic<bool> damaged{false};     // set once damage_status is
  mutable Mutex damage_mutex;
  Status damage_status GUARDED_BY(damage_mutex);

  // Any thread.
  std::string path_of(const std::string& name) const { return dir + "/" + name; }
  LiveFile* find_file(uint32_t number);
  Arena* find_arena(uint32_t id);
  bool leaves(uint32_t number) const;
  void drop_files(const std::vector<uint32_t>& numbers);
  uint64_t listed_bytes() const;
  void take_pages(Arena& arena, const std::function<bool(const Placed&)>& again,
                  std::vector<Checkpoint::Page>& chosen);
  /// Keeps the first damage and returns the given one.
  Status report_damage(Status damage);
  void free_retired();

  /// Lane: maps pages [first, last) of an arena, neighbours in one file as of `placed`, over `at`.
  Status map_run(const Arena& arena, const Reservation& at, uint64_t first, uint64_t last) const;
  /// Lane, when a checkpoint was committed: pages that it wrote leave memory where their arena
  /// wants that, and pages mapped from files that go are mapped from the new one.
  void map_written(const Checkpoint& done) const;
  static bool leaves_memory(const Arena& arena, const Checkpoint::Page& page);
};

}  // namespace ferres
