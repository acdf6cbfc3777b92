// A disk in memory that forgets, tears, reorders and fails: FileSystem for crash and fault tests.
// Deterministic from its seed as long as the calls come in the same order; thread-safe.
//
// Power cuts. Every write is visible to reads at once and durable only after sync() of its file;
// creations, renames and removals are durable only after sync_dir() of a directory they touch
// (make_dirs syncs what it creates; a file's sync() says nothing about its name). crash() leaves
// what was durable plus a part of the rest:
//   kDropUnsynced  nothing of it: the cache was lost whole.
//   kReorder       any subset, by sector of 512 bytes or by write, some sectors torn in the middle;
//                  sizes may grow without the data (zeros, or stale bytes); names likewise, but
//                  operations on one name keep their order and a rename is atomic.
//   kPrefix        everything in the order issued up to a random point over the whole disk, the
//                  last write torn.
// This covers the persistence properties that Pillai et al. found file systems to break ("All File
// Systems Are Not Created Equal", OSDI '14): content and size of appends and overwrites not atomic,
// writes reordered between files and against directory operations. It is a superset of what one
// file system does. It leaves out: rename torn into two names, damage to synced data (flip_bit is
// for that), and lying drives.
//
// Failed syncs follow Rebello et al. ("Can Applications Recover from fsync Failures?", ATC '20):
// the unsynced pages are marked clean. Each either reached the disk or never will, even if a later
// sync succeeds, unless it is written again; reads show the new content or the old.
//
// Faults. fail_at(n, kind) fails the n-th call from now that the kind can hit:
//   kEio         any mutating call; a write leaves a random prefix, a sync fails as above
//   kEnospc      creations, writes, renames, make_dirs, lock: nothing happens, kNoSpace
//   kShortWrite  writes: a random prefix is written, then kNoSpace
//   kFailedSync  sync and sync_dir
//   kReadEio     opens of existing files, reads, maps, lists
// A test loops n = 1, 2, .. with a fresh disk until a run ends with fault_fired() false.
//
// Two ways to cut power at every index: cut_power_at(n), let the program fail, destroy it, crash();
// or one run with on_operation and after_crash(), which copies the disk (cheaply, pages are shared)
// as a power cut at this moment would leave it.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"

namespace ferres {

enum class TearMode : uint8_t { kDropUnsynced, kReorder, kPrefix };
enum class FaultKind : uint8_t { kEio, kEnospc, kShortWrite, kFailedSync, kReadEio };

class SimFiles : public FileSystem {
 public:
  explicit SimFiles(uint64_t seed);
  ~SimFiles() override;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  bool exists(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status make_dirs(const std::string& path) override;
  Status remove_tree(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& dir) override;
  Status sync_dir(const std::string& dir) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
  Result<uint64_t> free_bytes(const std::string& path) override;

  /// n = 1 is the next call that kind can hit. sticky: all such calls from then on fail. Replaces
  /// the fault set before.
  void fail_at(uint64_t n, FaultKind kind, bool sticky = false);
  void clear_fault();
  bool fault_fired() const;
  /// Calls so far that kind could hit; for kEio all mutating calls.
  uint64_t operation_count(FaultKind kind = FaultKind::kEio) const;
  /// Called before each mutating call, outside the disk's mutex, with its number (from 1). The hook
  /// may use the disk, except for mutating it.
  void on_operation(std::function<void(uint64_t index)> hook);

  /// From the n-th mutating call on (1: the next; it may or may not reach the disk) every call
  /// fails with kIo until crash().
  void cut_power_at(uint64_t n);
  void cut_power();
  /// What is left after a power cut now, with the power back. Files and locks that were open are
  /// dead. Faults and power cuts set before are cleared, capacity and hook stay.
  void crash(TearMode mode);
  /// The same on a copy; this disk goes on. The copy has no hook.
  std::unique_ptr<SimFiles> after_crash(TearMode mode, uint64_t seed) const;

  /// Writes fail with kNoSpace (and leave a prefix) when the files would take more.
  void set_capacity(uint64_t bytes);
  uint64_t used_bytes() const;
  /// Damages the file at rest: bit 0 is the lowest of the first byte.
  Status flip_bit(const std::string& path, uint64_t bit);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ferres
