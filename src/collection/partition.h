// A partition: one slot space with its points, vectors and index; the unit that is checkpointed,
// opened and dropped. A collection has one, or one for each namespace (collection/partitions.h). It
// answers questions about single slots; queues, LSN assignment and acknowledgement are the lane's.
//
// Two stores (storage/page_store.h): "points" is the truth, "index" is derived from it and is
// rebuilt when it is damaged. Derived state hangs behind one pointer, so a rebuilt one replaces it
// under readers. One lane mutates; readers hold an EpochGuard.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/files.h"
#include "base/status.h"
#include "collection/config.h"
#include "collection/id_map.h"
#include "collection/operations.h"
#include "collection/record_heap.h"
#include "collection/relations.h"
#include "collection/slot_table.h"
#include "collection/tail.h"
#include "index/ann_index.h"
#include "index/vector_store.h"
#include "payload/payload_index.h"
#include "storage/log.h"
#include "storage/manifest.h"
#include "storage/page_store.h"

namespace ferres {

/// Bits of a namespace's hash (SlotTraits), never 0; 0 for no namespace. Kept in slots: what has an
/// equal tag is then looked up in the payload index or on the record.
uint32_t namespace_tag(std::string_view ns);

/// Whether a store of that family, of a collection or a namespace, is made anew when it is damaged.
bool is_index(std::string_view family);

/// What the partitions of a collection have in common.
struct PartitionSetup {
  FileSystem* files = nullptr;
  std::string dir;  // of the collection
  CollectionConfig config;
  uint64_t payload_bytes_max = 0;  // see CollectionOptions
};

class Partition {
 public:
  /// What can be rebuilt from the points.
  struct Derived {
    IndexConfig config;           // of `index`
    uint64_t trained_points = 0;  // so many there were when the index learnt from them; 0: not yet
    Slot known = kNoSlot;  // slots below it are in the views; all, but while it is being built
    std::unique_ptr<PageStore> store;
    Arena* header_arena = nullptr;
    Arena* tail_arena = nullptr;
    std::unique_ptr<IdMap> ids;
    std::unique_ptr<ANNIndex> index;
    std::unique_ptr<PayloadIndex> payload;
    Tail tail;
  };

  /// Where a partition's page files are within the collection's folder, and whose points it has.
  struct Place {
    std::string folder;             // empty, or with a slash at its end
    std::optional<std::string> ns;  // all its points have this namespace; nothing: any
  };

  /// Opens the stores of that folder among those listed, or empty ones.
  static Result<std::unique_ptr<Partition>> open(const PartitionSetup& setup, Place place,
                                                 std::span<const StoreManifest> stores);
  ~Partition();

  const Place& place() const { return place_; }

  // ---- readers, under an EpochGuard
  const SlotTable& slots() const { return *slots_; }
  const RecordHeap& heap() const { return *heap_; }
  const VectorStore& vectors() const { return *vectors_; }
  const Relations& relations() const { return *relations_; }
  const Derived& derived() const { return *derived_.load(std::memory_order_acquire); }
  /// The slot of (ns, id) that is visible at `pinned`, expired or not.
  Result<std::optional<Slot>> find(std::string_view ns, std::string_view id, Lsn pinned) const;
  /// The slots of a namespace's living points, ascending.
  Result<std::vector<Slot>> living_of(std::string_view ns) const;
  /// Storage ids of points whose time is over, at most max.
  Result<std::vector<std::string>> expired(uint64_t now_micros, size_t max) const;
  uint64_t live_points() const { return live_.load(std::memory_order_relaxed); }
  /// Without those whose time is over.
  Result<uint64_t> points_at(uint64_t now_micros) const;
  uint64_t ttl_points() const { return ttl_points_.load(std::memory_order_relaxed); }
  uint64_t dying_points() const { return dying_count_.load(std::memory_order_relaxed); }
  /// Since it was opened.
  uint64_t reclaimed_points() const { return reclaimed_.load(std::memory_order_relaxed); }
  uint64_t last_write_micros() const { return last_write_.load(std::memory_order_relaxed); }
  /// No point is over before, as far as it is known: 0 until the first look.
  uint64_t expiry_micros() const { return expiry_.load(std::memory_order_relaxed); }
  /// It lacks what had died by then: not for reads of an older LSN.
  Lsn complete_from() const { return complete_from_; }

  // ---- the lane only
  /// Before the first change that a record makes.
  void begin_record(const LogRecord& record);
  /// Changes of a record, in all views; visible once its LSN is published.
  Status put_point(const PointRecord& point, std::span<const float> vector,
                   const LogRecord& record);
  /// Whether there was such a point: of an expire record, one that is over.
  Result<bool> remove_point(std::string_view storage_id, const LogRecord& record);
  /// All points of a namespace; how many, without those that were over.
  Result<uint64_t> remove_namespace(std::string_view ns, const LogRecord& record);
  /// Takes over a living point of another partition of the same collection; nothing for other
  /// slots. `from` may be changing: what was written since is applied afterwards. Born when it was
  /// there, or at `born`.
  Status copy_point(const Partition& from, Slot slot, Lsn born = 0);
  /// The slot of a point that is there at that time.
  Result<std::optional<Slot>> present(std::string_view storage_id, uint64_t unix_micros) const;
  /// A link of the point in `slot` and one of this partition, or of another; whether it is new.
  Result<bool> link_points(Slot slot, std::string_view other);
  /// Whether it was there.
  Result<bool> unlink_points(Slot slot, std::string_view other);
  /// Half of a link to a point of another partition: one that died there.
  struct HalfLink {
    std::string elsewhere;  // storage ids
    std::string own;
  };
  /// Those that ended here since the last call.
  std::vector<HalfLink> take_ended() { return std::exchange(ended_, {}); }
  /// All that it has, as seen from there.
  Result<std::vector<HalfLink>> half_links() const;
  /// Ends such a half; nothing when it is not there.
  Status end_half(const HalfLink& half);
  /// Takes over the links that `slots` of another partition have, all of whose points that are to
  /// be here are; with `elsewhere` also those to points that are not.
  Status copy_relations(const Partition& from, std::span<const Slot> slots, bool elsewhere);
  /// What was copied: see complete_from() and last_write_micros().
  void complete_copy(Lsn from, uint64_t last_write_micros) {
    complete_from_ = from;
    last_write_ = last_write_micros;
  }
  /// Starts the reclamation clock of the points that died since the last call: after the collection
  /// published their LSN.
  void seal_dying();
  /// The index that shall be in force. When another one is, a new derived state is built beside it,
  /// and the switch is sudden for readers.
  Status want_index(const IndexConfig& wanted);
  bool building() const { return building_ != nullptr; }
  /// The same index anew, beside the one in force, unless one is being built already.
  Status build_anew() { return building_ != nullptr ? Status() : start_building(); }
  /// How many derived states took over since it was opened.
  uint64_t builds_ended() const { return builds_ended_; }
  /// Slots ever given out: their memory stays, whatever died.
  Slot slots_given() const { return slots_->header().slots; }
  /// A share of the building: knows up to kKnownAtOnce more slots, or links up to `max` points
  /// (`graph` false: the collection is too small for that). True when it is all there.
  Result<bool> build_some(size_t max, bool graph, Executor& executor);
  /// What was built takes over, and is in no checkpoint yet. No checkpoint runs.
  void finish_building();
  /// The index learnt from much fewer points than there are: it is built anew.
  Status retrain_if_due();
  /// Unlinks up to max dead points that no reader can see any more, and frees up to max that were
  /// unlinked before. Returns how many steps it did.
  size_t reclaim(size_t max);
  /// Overwrites what is left of points that were reclaimed: ids, metadata, vectors and codes.
  void erase_reclaimed();
  /// Plans up to max tail slots in parallel and links them. Returns how many left the tail.
  Result<size_t> link(size_t max, Executor& executor);

  /// Saves what is kept in memory into the stores, and freezes both for a checkpoint.
  Status begin_checkpoint(Tidy tidy = Tidy::kMostlyGarbage);
  /// Any thread: writes both stores.
  Result<std::vector<StoreManifest>> write_checkpoint();
  /// The same thread, when no manifest will list what was written: removes it.
  void discard_checkpoint();
  void commit_checkpoint(const std::vector<StoreManifest>& stores);
  void abort_checkpoint();

  /// Verifies and warms up to about max_bytes after opening; true while there is more.
  bool scrub(uint64_t max_bytes);
  /// Takes vectors that searches have read from the disk out of memory, when they are many.
  void release_vectors() {
    if (vectors_->release_due()) vectors_->release();
  }
  /// Moves vectors between tiers: see Arena::begin_moves and Arena::move_some.
  void begin_moves(const TierPolicy& policy, uint32_t minute) {
    vectors_->begin_moves(policy, minute);
  }
  bool move_some(uint64_t max_bytes) { return vectors_->move_some(max_bytes); }
  Status points_damage() const { return points_->damage(); }
  /// Any thread, under a guard, after reading and before using what was read: see
  /// PageStore::lost().
  Status lost() const {
    TRY(points_->lost());
    return derived().store->lost();
  }
  /// Any thread, under a guard: points that a building has still to link or to look at; nothing
  /// when there is none.
  std::optional<uint64_t> building_left() const;
  bool derived_damaged() const { return !derived_.load()->store->damage().ok(); }
  /// Replaces the derived state by an empty one built from the points: every point goes to the
  /// tail.
  Status rebuild_derived();

  const PageStore& points_store() const { return *points_; }
  uint64_t index_disk_bytes() const { return derived_.load()->store->disk_bytes(); }

 private:
  struct Dying {
    Slot slot;
    uint64_t ticket;
  };
  Partition(const PartitionSetup& setup, Place place);
  StoreManifest stored(std::span<const StoreManifest> stores, std::string_view family) const;
  StoreManifest fresh_index() const;  // without files, but with a number that no file has
  Status open_points(const StoreManifest& manifest);
  Result<std::unique_ptr<Derived>> open_derived(const StoreManifest& manifest,
                                                const IndexConfig& wanted) const;
  Status start_building();
  Status know_slots(Derived& derived, Slot end) const;
  Status fill_payload(Derived& derived) const;
  void put_in_force(std::unique_ptr<Derived> next);
  /// The derived states that know a slot; null where there is none.
  std::array<Derived*, 2> views_of(Slot slot) {
    Derived* const next =
        building_ != nullptr && slot < building_->known ? building_.get() : nullptr;
    return {derived_.load(), next};
  }
  Result<size_t> link(Derived& derived, size_t max, Executor& executor);
  uint64_t payload_limit() const;
  Status save_headers();
  template <class PutVector>
  Status add(const Record& point, Lsn born, PutVector&& put_vector);
  Result<bool> over(Slot slot, uint64_t now_micros) const;
  void expects_expiry(uint64_t micros) const;
  Result<std::optional<Slot>> find_living(std::string_view storage_id, uint64_t hash) const;
  void kill(Slot slot, Lsn lsn, bool has_ttl);
  Status forget_relations(Slot slot);
  Status add_half_links(Slot slot, std::vector<HalfLink>& halves) const;
  Status forget_expired(std::string_view storage_id, uint64_t now_micros);
  bool is_elsewhere(std::string_view storage_id) const;
  Status train(Derived& derived);
  uint64_t hash_of(std::string_view storage_id) const;
  Result<uint64_t> hash_of_slot(Slot slot) const;

  static constexpr size_t kTrainingSample = 10000;
  static constexpr Slot kKnownAtOnce = 4096;
  static constexpr uint64_t kNotBuilding = ~uint64_t{0};

  const PartitionSetup setup_;
  const Place place_;
  std::unique_ptr<PageStore> points_;
  Arena* header_arena_ = nullptr;
  Arena* dying_arena_ = nullptr;
  std::unique_ptr<SlotTable> slots_;
  std::unique_ptr<RecordHeap> heap_;
  std::unique_ptr<VectorStore> vectors_;
  std::unique_ptr<Relations> relations_;
  std::vector<HalfLink> ended_;
  std::atomic<Derived*> derived_{nullptr};
  uint64_t hash_seed_ = 0;
  std::atomic<uint64_t> live_{0};
  std::atomic<uint64_t> ttl_points_{0};
  std::atomic<uint64_t> dying_count_{0};
  std::atomic<uint64_t> reclaimed_{0};
  std::atomic<uint64_t> last_write_{0};
  mutable std::atomic<uint64_t> expiry_{0};
  Lsn complete_from_ = 0;
  std::deque<Dying> dying_;     // dead, still linked; ticket 0: not sealed
  std::deque<Dying> unlinked_;  // in no view any more, waiting for the last readers
  uint64_t next_index_file_ = 1;
  IndexConfig wanted_;
  std::unique_ptr<Derived> building_;  // the lane only
  uint64_t builds_ended_ = 0;
  std::atomic<uint64_t> building_left_{kNotBuilding};
};

}  // namespace ferres
