// The points of a collection: one partition, or one for each namespace, which then has page files
// of its own and is opened when it is first needed. Log and LSNs are the collection's: the lane
// applies a record to the partitions that it concerns and publishes its LSN.
//
// Partitions that are open and in the newest checkpoint as they are may be closed again; their
// number is bounded by that. A reader opens what it needs, without a guard, and then looks at it
// under one: with_partition() of collection/impl.h is that way.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"
#include "base/types.h"
#include "collection/operations.h"
#include "collection/partition.h"
#include "storage/manifest.h"

namespace ferres {

/// One partition, and what is known of it while it is closed.
struct Part {
  using Stores = std::vector<StoreManifest>;

  explicit Part(Partition::Place where) : place(std::move(where)) {}
  ~Part() { delete partition.load(); }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  const Partition::Place place;
  /// Null: closed. Loaded under an EpochGuard, or by the lane.
  std::atomic<Partition*> partition{nullptr};
  std::atomic<uint64_t> used{0};  // the greater, the later
  // Exact while it is closed.
  std::atomic<uint64_t> points{0};
  std::atomic<uint64_t> ttl_points{0};
  std::atomic<uint64_t> expiry_micros{~uint64_t{0}};
  std::atomic<int64_t> unreachable{-1};     // points, of the last audit; below 0: none yet
  std::atomic<uint64_t> wasteful_since{0};  // most slots are empty; 0: they are not

  Mutex mutex;                                             // while it is opened or closed
  std::shared_ptr<const Stores> stores GUARDED_BY(mutex);  // of the newest checkpoint; null: none

  std::atomic<bool> damaged{false};  // it could not be opened: its points may be in older files
  std::atomic<bool> behind{false};   // and the log has writes to it that were not applied
  std::atomic<bool> listed{false};   // among the collection's, under whose mutex it changes

  // the lane only
  bool changed = false;   // since the newest checkpoint began
  bool unsealed = false;  // written to since seal_dying()
  bool scrubbing = true;
  bool auditing = true;  // whether something leads to each point: after opening and checkpoints
  Slot audit_next = 0;
  int64_t audit_found = 0;
  uint64_t moves = 0;  // of vectors between tiers: which of the collection's moves it was part of
};

class Partitions {
 public:
  /// As the manifest says, or empty ones of a new collection, isolated or not.
  static Result<std::shared_ptr<Partitions>> open(PartitionSetup setup, const Manifest* manifest,
                                                  bool isolated);

  // ---- any thread
  bool isolated() const { return whole_ == nullptr; }
  /// The newest LSN that reads answer from. Read before the partition is: what is born later is not
  /// there.
  Lsn visible_lsn() const { return visible_lsn_.load(std::memory_order_acquire); }
  uint64_t last_write_micros() const { return last_write_.load(std::memory_order_relaxed); }
  /// Not isolated: the one part, which is always open.
  const Part& whole() const { return *whole_; }
  /// Where points of that namespace are; null when it has none.
  std::shared_ptr<Part> find(std::string_view ns) const;
  /// In order of creation.
  std::vector<std::shared_ptr<Part>> all() const;
  size_t open_count() const;
  /// Whether `is` says so of any that is open. It is called under a guard and the list's lock.
  bool any_open(const std::function<bool(const Part&, const Partition&)>& is) const;
  /// Opens the part if it is closed; what it returns may be closed again. Not under a guard.
  Status reach(Part& part) const;
  /// As it is in the newest checkpoint, for this caller alone; null when the part is open.
  Result<std::unique_ptr<Partition>> peek(Part& part) const;
  uint64_t points() const;
  /// One that was found damaged and neither restored nor dropped since; null: none.
  std::shared_ptr<Part> damaged() const;

  // ---- the lane only
  /// Applies one record to all views; visible once its LSN is published. Returns how many points
  /// were written or removed. Not full restore records: see collection/history.h.
  Result<uint64_t> apply(const LogRecord& record);
  /// Opens what apply() will write to. When it fails the record is not to be written: what cannot
  /// be opened now may be opened later, and does not concern other namespaces.
  Status prepare(const LogRecord& record) const;
  /// The same for a state that nobody reads yet: the dead are freed before they are many, so a long
  /// log of the same points takes no more memory than those.
  Status replay(const LogRecord& record);
  /// From now on, or no longer: of a namespace that cannot be opened, replay() leaves out what was
  /// written to it. No checkpoint is written until such a one is restored or dropped, for the log
  /// goes on being needed.
  void set_aside_damaged(bool set_aside) { set_aside_ = set_aside; }
  /// The points of a namespace become those that `from` has of it, born anew with the record, with
  /// the links between them. How many.
  Result<uint64_t> restore_namespace(std::string_view ns, Partitions& from,
                                     const LogRecord& record);
  /// Copies the living ones among those slots of another partition, all of that namespace, with the
  /// links between them; `elsewhere`: with their halves of links to other namespaces, too.
  Status adopt(std::string_view ns, const Partition& from, std::span<const Slot> slots,
               bool elsewhere);
  /// Writes the page files of what was adopted and closes it: that is in no checkpoint yet.
  Status save_adopted();
  void publish(Lsn lsn) { visible_lsn_.store(lsn, std::memory_order_release); }
  /// This state is what a restore at that LSN and time led to.
  void publish_restored(Lsn lsn, uint64_t unix_micros) {
    last_write_.store(unix_micros, std::memory_order_relaxed);
    publish(lsn);
  }
  /// Of those that are open, and of those written to since seal_dying(): PageStore::lost().
  Status lost() const;
  Status written_lost() const;
  /// Starts the reclamation clock of the points that died since the last call: after their LSN was
  /// published.
  void seal_dying();
  /// Those that are open.
  std::vector<Part*> open_parts() const;
  /// The configuration of partitions that are opened from now on; those that are open follow it.
  Status configure(const CollectionConfig& config);
  /// One without points for the same place, whose files will have numbers that none has.
  Result<std::unique_ptr<Partition>> empty_copy(Part& part) const;
  /// Another partition, with the same points, takes the part's place; no checkpoint runs.
  void replace(Part& part, std::unique_ptr<Partition> next);
  /// Closes those that were used longest ago and that a checkpoint holds, until no more than `keep`
  /// are open; no checkpoint runs.
  void close_some(size_t keep);

  /// Freezes what changed for a checkpoint.
  Status begin_checkpoint(Tidy tidy = Tidy::kMostlyGarbage);
  /// Any thread: writes it, and says in the manifest what all parts consist of.
  Status write_checkpoint(Manifest& manifest);
  void commit_checkpoint();
  void abort_checkpoint();
  /// Of the files of the newest checkpoint.
  uint64_t disk_bytes() const;

 private:
  struct Captured {
    std::shared_ptr<Part> part;
    std::shared_ptr<const Part::Stores> stores;  // as they were, or as they were written
    NamespaceEntry entry;
    bool changed = false;
  };

  explicit Partitions(PartitionSetup setup)
      : files_(setup.files), dir_(setup.dir), setup_(std::move(setup)) {}
  Status take_over(const Manifest& manifest);
  std::shared_ptr<Part> add_part(std::string_view ns);
  void remove_part(const std::shared_ptr<Part>& part);
  void insert(const std::shared_ptr<Part>& part);
  Result<Partition*> partition_of(std::string_view ns, bool make, const LogRecord& record);
  Result<uint64_t> remove_namespace(std::string_view ns, const LogRecord& record);
  void touch(Part& part, Partition& partition, const LogRecord& record);
  void end_halves(const LogRecord& record);
  void end_halves(std::span<const Partition::HalfLink> ended, const LogRecord& record);
  static void count(Part& part, const Partition& partition);
  Status write_parts(Manifest& manifest);
  Result<std::unique_ptr<Partition>> open_stores(
      const Part& part, const std::shared_ptr<const Part::Stores>& stores) const;

  FileSystem* const files_;
  const std::string dir_;
  std::shared_ptr<Part> whole_;  // null: isolated
  std::atomic<Lsn> visible_lsn_{0};
  std::atomic<uint64_t> last_write_{0};
  mutable std::atomic<uint64_t> uses_{0};

  mutable Mutex mutex_;
  PartitionSetup setup_ GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Part>> parts_ GUARDED_BY(mutex_);
  std::unordered_map<std::string, std::shared_ptr<Part>> by_namespace_ GUARDED_BY(mutex_);
  mutable std::vector<Part*> open_ GUARDED_BY(mutex_);

  // the lane only, and whoever writes a checkpoint for it
  bool set_aside_ = false;
  std::vector<Part*> unsealed_;
  std::vector<Captured> captured_;
};

/// Where the points of a namespace go; null: nowhere. `make`: there will be one.
using Route = std::function<Result<Partition*>(std::string_view ns, bool make)>;
/// Applies a record that changes points to the partitions it is led to, and returns how many points
/// it wrote or removed.
Result<uint64_t> apply_record(const LogRecord& record, const Route& route);

/// The folder of a namespace's page files within the collection's: with a slash at its end, free of
/// what file systems cannot take, and of no other namespace.
std::string folder_of_namespace(std::string_view ns);

}  // namespace ferres
