// A page store: a family of arenas that are checkpointed together into immutable page files
// "<family>-<number>.bin"; the family may begin with folders. A partition has two: "points" (the
// truth: slots, records, vectors) and "index" (derived: links, id map; rebuilt from the points when
// damaged).
//
// A page file holds the pages that changed since the checkpoint before, at 4 KiB-aligned offsets,
// and ends with a table {arena, page, offset, length, crc32c} of its pages. The content of an arena
// is the newest version of each page over the files that a manifest lists, in order; opening maps
// runs of pages privately over the arena's address range and reads only the tables. A file whose
// live pages fall below half has them rewritten by the next checkpoint (as has everything when a
// store would need too many mappings), and leaves the list. Files are never appended to, truncated
// or rewritten.
//
// Cost of a checkpoint to the lane: begin_checkpoint swaps bitmaps; afterwards the first change of
// a page that is not written yet copies 64 KiB.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/status.h"
#include "storage/arena.h"

namespace ferres {

/// What a manifest says of one page file.
struct PageFileEntry {
  std::string name;  // within the collection's folder
  uint64_t bytes = 0;
  uint32_t table_crc = 0;  // CRC32C of the page table
};

struct ArenaEntry {
  uint32_t id = 0;
  uint64_t bytes = 0;  // grown size at the checkpoint
};

/// What a manifest says of one store.
struct StoreManifest {
  std::string family;  // "points", "namespaces/<ns>/index", ...
  uint64_t next_file = 1;
  std::vector<PageFileEntry> files = {};  // oldest first: a later file's page wins
  std::vector<ArenaEntry> arenas = {};
};

/// Where the pages of an arena are between checkpoints.
///   kMemory  in memory, and after opening in the mapped files until the scrub has been there
///   kMapped  a page is in memory from its first change to the next checkpoint, else mapped from
///   its
///            page file: the system keeps what is used and takes it back when memory is short
///   kDisk    as kMapped, without reading ahead; will_need() asks for what is wanted, and
///            release_mapped() lets go of what was read
///   kTiered  a page is where its last use says (storage/tiers.h): Arena::begin_moves(). From its
///            checkpoint to the next moves it is mapped
enum class Residency : uint8_t { kMemory, kMapped, kDisk, kTiered };

struct ArenaSpec {
  uint32_t id = 0;        // stable on disk, unique within the store
  const char* name = "";  // for messages
  uint64_t bytes_max = 256ull << 30;
  // Ask for transparent huge pages: arenas that a search reads at random. kMemory alone.
  bool huge_pages = false;
  Residency residency = Residency::kMemory;
};

/// Which pages that did not change a checkpoint writes again, so that older files can go. It takes
/// room before it makes any.
enum class Tidy : uint8_t { kNone, kMostlyGarbage, kAll };

class PageStore {
 public:
  /// An empty store, or the one that the manifest describes. kCorruption when a file is missing,
  /// has another length, or its table does not match; page contents are checked later (scrub,
  /// verify).
  static Result<std::unique_ptr<PageStore>> open(FileSystem& files, std::string dir,
                                                 const StoreManifest& manifest);
  ~PageStore();

  /// Creates the arena, or attaches the spec to the one that was opened. Once per id, before any
  /// thread reads. The arena lives as long as the store.
  Result<Arena*> arena(const ArenaSpec& spec);

  // ---- checkpoints
  /// Lane: the content of all arenas as of now is the checkpoint's. One checkpoint at a time.
  void begin_checkpoint(Tidy tidy = Tidy::kMostlyGarbage);
  /// Any one thread, beside the lane: writes and syncs the changed pages (no file when nothing
  /// changed) and returns the store's manifest as of begin_checkpoint().
  Result<StoreManifest> write_checkpoint();
  /// The same thread, when no manifest will list it: removes the file that was written or begun.
  void discard_checkpoint();
  /// Lane: the manifest was published / the checkpoint failed and its pages are changed again.
  void commit_checkpoint();
  void abort_checkpoint();
  /// Bytes that the next checkpoint would write.
  uint64_t changed_bytes() const;

  // ---- after opening
  /// Lane: verifies up to about max_bytes of mapped pages and moves arenas with huge_pages to
  /// anonymous huge pages. True while there is more to do.
  bool scrub(uint64_t max_bytes);
  bool all_verified() const;

  /// Lane: takes what kDisk and kTiered arenas have read, but for hot pages, out of this process's
  /// memory.
  void release_mapped();

  /// Any thread: the first damage found (kCorruption), or that a page is lost; or ok.
  Status damage() const;
  /// Any thread, after reading and before using what was read: kIo when some mapped page could not
  /// be read and zeros stand in its place (storage/lost_pages.h). Stays so.
  Status lost() const;

  uint64_t memory_bytes() const;
  uint64_t disk_bytes() const;  // of the files listed by the newest manifest

 private:
  friend class Arena;
  friend class Checkpoint;
  struct State;
  class Opening;
  explicit PageStore(std::unique_ptr<State> state);
  Result<Arena*> add_arena(const ArenaSpec& spec, uint64_t bytes);
  Status load(const StoreManifest& manifest);
  std::unique_ptr<State> state_;
};

}  // namespace ferres
