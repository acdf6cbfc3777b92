// The collection as built: its partitions behind a lane. Private to src/collection.
//
// The lane is a queue on the executor, not a thread: whoever finds it idle submits one task, which
// runs rounds until nothing is left. A round takes the waiting writes, makes them durable with one
// log commit, applies them in order, publishes visible_lsn_, acknowledges; then it does a bounded
// share of the work that writes leave behind (linking the tail, reclaiming the dead, starting or
// finishing a checkpoint, scrubbing). Members below are grouped by who may touch them.
#pragma once
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/epoch.h"
#include "base/mutex.h"
#include "collection/collection.h"
#include "collection/history.h"
#include "collection/partitions.h"
#include "collection/planner.h"
#include "collection/query_sample.h"
#include "collection/read_filter.h"
#include "collection/recall_curve.h"
#include "storage/log.h"

namespace ferres {

/// Why a vector, stored or searched for, has distances that cannot be told apart; empty when it has
/// not. Of cosine no length is too long.
std::string too_long(std::span<const float> vector, Metric metric);

/// What an answer says of a distance of the index.
float score_of(Metric metric, float distance);

/// Times the partitions that shall be open at most: beyond, what would open more has to wait, or
/// opens it for itself alone.
inline constexpr size_t kCrowd = 4;

class LinkReader;

/// Half of a link, as the partition of its own point tells it.
struct HalfSeen {
  size_t index = 0;  // whose it is, to who asked
  std::string own;   // storage ids
  std::string other;
};

/// What is still to be asked of the links of an answer's points.
struct AnswerLinks {
  std::vector<HalfSeen> halves;
  uint64_t room = kRelationsPerAnswerMax;
};

/// What an upsert asks of the points that are there.
struct UpsertConditions {
  struct OfPoint {
    size_t place = 0;  // in the request
    std::optional<Lsn> if_version = {};
    bool if_absent = false;
  };
  std::vector<OfPoint> points = {};  // those that are in the payload
  std::shared_ptr<const Predicate> within = nullptr;
  OnConflict on_conflict = OnConflict::kReplace;
  bool atomic = false;

  bool any() const {
    return within || on_conflict != OnConflict::kReplace ||
           std::any_of(points.begin(), points.end(),
                       [](const OfPoint& one) { return one.if_version || one.if_absent; });
  }
};

/// A validated write waiting for its turn.
struct PendingWrite {
  Op op = Op::kUpsert;
  std::string payload;
  /// Takes out of the payload what must not be done; null: nothing. Runs in the lane (guarded.cc).
  std::function<Status(PendingWrite& write)> guard;
  /// Runs once: with the LSN and the count apply() returned, or with what went wrong.
  std::function<void(Status status, Lsn lsn, uint64_t count)> done;
};

class CollectionImpl : public Collection, public std::enable_shared_from_this<CollectionImpl> {
 public:
  CollectionImpl(const Environment& env, std::string dir, CollectionConfig config,
                 const CollectionOptions& options);
  ~CollectionImpl() override;

  /// Newest checkpoint, then the log's tail. On damage the object is kept, refusing everything.
  Status check_beginning(Lsn checkpoint_lsn) const;
  Status replay(const OpenedCheckpoint& checkpoint, bool* opened_late);
  Result<OpenedCheckpoint> open_without_damaged(const Status& why);
  Result<OpenedCheckpoint> open_and_replay();
  Status convert_if_asked(std::shared_ptr<Partitions>& partitions);
  Status recover();

  const CollectionConfig& config() const override { return *newest_config_.load(); }
  void configure(CollectionConfig config) override;
  void upsert(UpsertRequest request, UpsertCallback done) override;
  void remove(DeleteRequest request, DeleteCallback done) override;
  void drop_namespace(const std::string& ns, DeleteCallback done) override;
  void link(const LinkRequest& request, LinkCallback done) override;
  void unlink(const LinkRequest& request, LinkCallback done) override;
  Result<std::vector<NamespaceInfo>> namespaces() override;
  using Collection::get;
  Result<Point> get(const std::string& id, const std::optional<std::string>& ns,
                    const Sight& sight) override;
  Result<ListResult> list(const ListRequest& request) override;
  Result<SearchResult> search(const SearchRequest& request) override;
  Result<Explanation> explain(const SearchRequest& request, const Predicate* within) override;
  SearchScope search_scope(const SearchRequest& request) const override;
  Result<Subgraph> subgraph(const SubgraphRequest& request) override;
  Result<SearchResult> search_connected(const ConnectedRequest& request) override;
  Result<std::unique_ptr<PointStream>> stream(StreamRequest request) override;
  CollectionStats stats() override;
  Lsn lsn() const override;
  Result<TierStats> tiers() override;
  Status checkpoint() override;
  Status link_all() override;
  Result<std::shared_ptr<const ReindexRun>> reindex() override;
  Status calibrate(uint32_t k) override;
  Result<RestoreResult> restore(const RestoreTarget& target,
                                const RestoreProgress& progress) override;
  Result<RestoreResult> copy_at(const RestoreTarget& target, const CollectionConfig& as,
                                const std::string& dir, const RestoreProgress& progress) override;
  Result<HistoryInfo> history() override;
  Result<PinnedCheckpoint> pin_checkpoint() override;
  Status trim() override;
  Status forget() override;
  void sweep_expired() override;
  bool dirty() const override;
  uint64_t unsaved_bytes() const override;
  Status close(bool checkpoint) override;
  void close_dropped() override;

 protected:
  Executor& executor() override { return *env_.executor; }

 private:
  // read.cc, search.cc
  /// What reads look at, once a request: a restore replaces it.
  std::shared_ptr<Partitions> newest() const {
    const MutexLock lock(in_force_mutex_);
    return newest_;
  }
  /// Each calls read(partition, pinned), which may answer what is visible at that LSN, under a
  /// guard: where the points of a namespace are, if there are any; for each partition that has
  /// points; for the largest one, if there is one.
  template <class Read>
  Status read_namespace(std::string_view ns, const Read& read);
  template <class Read>
  Status read_each(const Read& read);
  template <class Read>
  Status read_largest(const Read& read);
  /// Of the namespace that the request or its filter names, of those that it is limited to, or of
  /// all. The name that read(partition, pinned, ns) gets is empty for all of the partition.
  template <class Request, class Read>
  Status read_of(const Request& request, const Read& read);
  template <class Read>
  Status read_whole(const Partitions& partitions, const Read& read);
  template <class Read>
  Status read_part(const Partitions& partitions, Part& part, bool keep, const Read& read);
  /// What read() says, unless a page of the partition could not be read.
  template <class Read>
  Status unless_lost(const Partition& partition, Lsn pinned, const Read& read);
  Result<Point> materialize(const Partition& partition, Slot slot, bool with_vector,
                            bool with_metadata) const;
  Result<std::span<const float>> query_vector(const SearchRequest& request,
                                              std::vector<float>& stored);
  Result<SearchResult> search_uncounted(const SearchRequest& request);
  Status count_nearer(const SearchRequest& request, std::span<const float> scores,
                      std::vector<uint64_t>& counts);
  struct Looked;
  Status search_in(const Looked& at, const SearchRequest& request, std::span<const float> query,
                   SearchResult& result);
  bool few_match(const ReadFilter& filter) const;
  Status scan_all(std::span<const float> query, const SearchRequest& request,
                  const ReadFilter& filter, std::vector<Hit>& hits) const;
  Status scan_tail(std::span<const float> query, const SearchRequest& request,
                   const ReadFilter& filter, std::span<const Slot> tail,
                   std::vector<Hit>& hits) const;
  Status scan_matches(std::span<const float> query, const SearchRequest& request,
                      const ReadFilter& filter, std::vector<Hit>& hits) const;
  Status search_matches(std::span<const float> query, const SearchRequest& request, uint32_t ef,
                        const ReadFilter& filter, std::vector<Hit>& hits) const;
  Status walk(std::span<const float> query, const SearchRequest& request, uint32_t ef,
              const ReadFilter& filter, std::vector<Hit>& hits) const;

  // linked.cc
  Status can_be_linked(const PointName& point);
  static Status add_relations(const LinkReader& reader, Slot slot, size_t index, Point& point,
                              AnswerLinks& links);
  Status ask_elsewhere(std::span<const HalfSeen> halves, const Sight& sight,
                       const std::function<void(const HalfSeen&)>& whole);
  Status finish_relations(std::span<Point> points, const AnswerLinks& links, const Sight& sight);

  // graph.cc
  class Reached;
  struct Pieces;
  Status reach_next(Reached& reached, size_t begin, const Sight& sight);
  Status reach_from(const PointName& center, uint32_t hops, const Sight& sight, Reached& reached);
  Status reach_all(const SubgraphRequest& request, Reached& reached);
  static void add_edges(const LinkReader& reader, const Reached& reached,
                        const std::vector<std::pair<size_t, Slot>>& own, Pieces& pieces);
  Status add_pieces(const Reached& reached, const Sight& sight, Pieces& pieces);

  // connected.cc
  struct Among {
    std::span<const float> query;
    std::span<const std::string* const> ids;
  };
  Status search_among(const Partition& partition, Lsn pinned, const ConnectedRequest& request,
                      const Among& among, SearchResult& result) const;

  // calibrate.cc
  struct Calibration;
  Status calibrate_on_one(Calibration& calibration, const Partition& partition, Lsn pinned) const;
  Slot draw_point(Calibration& calibration, const ReadFilter& filter) const;
  Status calibrate_on_some(Calibration& calibration, uint32_t samples);
  void calibrate_in_background(std::shared_ptr<Calibration> calibration);
  std::shared_ptr<Calibration> new_calibration(uint32_t k) const;
  uint32_t ef_of(const Partition& partition, const SearchRequest& request,
                 std::span<const float> query);

  // guarded.cc
  Result<std::optional<Point>> old_point(std::string_view ns, std::string_view id);
  Status keep_admitted_points(const UpsertConditions& conditions, PendingWrite& write,
                              UpsertResult& result);
  Status keep_admitted_ids(const Predicate& within, PendingWrite& write);
  void guard(std::vector<PendingWrite>& writes);

  // lane.cc
  void enqueue(PendingWrite write);
  void wake();
  void run_lane();
  bool run_round();
  std::vector<PendingWrite> take_writes();
  Status commit(std::span<LogRecord> records);
  void refuse_unprepared(std::vector<PendingWrite>& writes) const;
  uint64_t write_group(std::vector<PendingWrite>& writes);  // how many points it upserted
  bool maintain(uint64_t upserted);
  /// What a round finds.
  struct Round {
    uint64_t upserted = 0;
    bool linking = false;  // somebody waits in link_all()
    bool waiting = false;  // writes do
    bool closing = false;
  };
  bool tidy_up(const Round& round);
  bool tidy_up(Part& part, const Round& round);
  Status follow_config();
  Status link_some(Part& part, const Round& round, bool* more);
  Status build_some(Part& part, const Round& round, bool* more);
  void linked_all();
  void close_partitions();
  bool has_graph(const Partition& partition) const;
  void audit_some(Part& part);
  void fail(Status status);
  void refuse(Status status);
  Status failure() const override;
  Status why_closing() const REQUIRES(mutex_);
  /// Why nothing may be written that needs space.
  Status no_space() const { return env_.space == nullptr ? Status() : env_.space->admit(); }
  Status recover_log();

  // checkpoint.cc
  bool checkpoint_due() const;
  void begin_checkpoint();
  void write_checkpoint(Manifest manifest);
  void finish_checkpoint();
  void give_up_checkpoints(Status failure);
  void schedule_tick();
  bool wants_care() const;
  void repair_damage();

  // tiers.cc
  /// Any thread, now and then: tells readers the time. Whether vectors have to move.
  bool tick_tiers() const;
  /// Lane: begins to move all that is open, if that is due.
  void begin_moves();
  /// Lane: moves a share of the part's vectors; whether there is more.
  bool move_some(Part& part);

  class HistoryPin;
  struct StreamPin;
  class CheckpointStream;

  // restore.cc
  StateSource state_source(const RestoreProgress& progress = nullptr) const;
  Result<HistoryInfo> history_files() const;
  Result<LogMoment> find_lsn(Lsn lsn, const HistoryInfo& history) const;
  Result<LogMoment> find_time(uint64_t unix_micros, const HistoryInfo& history) const;
  Result<LogMoment> find_target(const RestoreTarget& target) const;
  Result<RestoreResult> hand_over(State state, const LogMoment& source,
                                  const std::optional<std::string>& ns);
  bool finish_restore();
  void put_in_force(std::shared_ptr<Partitions> next);

  // shrink.cc
  struct Shrink;
  void begin_shrink(Part& part);
  void shrink_in_background(std::shared_ptr<Shrink> shrink);
  Status shrink_some(Shrink& shrink, bool* ready) const;
  Status apply_log(Shrink& shrink, Lsn to) const;
  bool finish_shrink();
  bool shrinks(const Part& part) const;
  void shrink_failed(const Status& status);

  // reindex.cc
  struct Reindex;
  bool reindex_some();
  bool reindex_part_done(Reindex& reindex) const;
  Status reindex_next(Reindex& reindex);
  void end_reindex(const Status& status);

  // retention.cc
  Status list_checkpoints();
  Status trim_history();
  void trim_if_wanted();
  Status wait_for_reclaim();
  void forget_if_wanted();
  std::vector<Lsn> checkpoints_to_keep() const;
  void count_history();

  // constant after recover()
  const Environment env_;
  const std::string dir_;
  const CollectionConfig config_;  // as opened: for what never changes
  const CollectionOptions options_;

  // own synchronization
  /// In configs_, where older ones stay: their number is that of changes by hand.
  std::atomic<const CollectionConfig*> newest_config_;
  std::atomic<const Partitions*> in_force_{nullptr};  // partitions_, for readers under a guard
  mutable Mutex in_force_mutex_;
  std::shared_ptr<Partitions> newest_ GUARDED_BY(in_force_mutex_);  // for those that may wait
  std::atomic<Lsn> checkpoint_lsn_{0};
  std::atomic<uint64_t> history_bytes_{0};
  std::atomic<uint64_t> log_bytes_{0};
  std::atomic<uint64_t> being_saved_{0};       // bytes, by the checkpoint that runs
  std::atomic<bool> unsaved_work_{false};      // links or cleanup that no checkpoint holds
  std::atomic<uint64_t> moves_due_micros_{0};  // of vectors between tiers
  std::atomic<uint64_t> queries_{0};
  mutable Planner planner_;
  RecallCurves recall_curves_;
  QuerySample query_sample_;
  std::atomic<bool> calibrating_{false};
  std::atomic<bool> restoring_{false};
  std::atomic<bool> erasing_{false};  // the next checkpoint leaves nothing of what is gone
  std::atomic<bool> failed_{false};
  mutable Mutex failure_mutex_;
  Status failure_ GUARDED_BY(failure_mutex_);

  mutable Mutex history_mutex_;                          // held while some of the history goes
  int history_pins_ GUARDED_BY(history_mutex_) = 0;      // readers of it: none of it goes
  bool trim_missed_ GUARDED_BY(history_mutex_) = false;  // since there was a reader

  // the queue
  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<PendingWrite> writes_ GUARDED_BY(mutex_);
  bool active_ GUARDED_BY(mutex_) = false;
  bool closing_ GUARDED_BY(mutex_) = false;
  bool dropped_ GUARDED_BY(mutex_) = false;
  bool link_all_ GUARDED_BY(mutex_) = false;  // somebody waits in link_all()
  std::unique_ptr<const IndexConfig> index_wanted_ GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<const CollectionConfig>> configs_ GUARDED_BY(mutex_);
  uint64_t checkpoints_wanted_ GUARDED_BY(mutex_) = 0;
  uint64_t checkpoints_done_ GUARDED_BY(mutex_) = 0;
  Status checkpoint_status_ GUARDED_BY(mutex_);  // of the last one
  struct CheckpointResult {
    Status status;
    Manifest manifest;
  };
  std::unique_ptr<CheckpointResult> checkpoint_result_ GUARDED_BY(mutex_);  // from the writer
  struct RestoreReady {
    std::shared_ptr<Partitions> partitions;
    Lsn source_lsn = 0;
    std::optional<std::string> ns;  // alone
    std::function<void(Result<RestoreResult>)> done;
  };
  std::unique_ptr<RestoreReady> restore_ready_ GUARDED_BY(mutex_);  // from who asked for it
  std::unique_ptr<Status> shrink_result_ GUARDED_BY(mutex_);        // of shrink_'s work
  std::shared_ptr<ReindexRun> reindex_run_ GUARDED_BY(mutex_);      // the newest
  bool reindex_wanted_ GUARDED_BY(mutex_) = false;                  // it has not begun
  bool trim_wanted_ GUARDED_BY(mutex_) = false;
  std::vector<std::function<void(Result<bool>)>> forget_wanted_ GUARDED_BY(mutex_);

  // the lane only
  std::shared_ptr<Partitions> partitions_;
  std::unique_ptr<Log> log_;
  std::vector<Manifest> checkpoints_;  // kept, ascending
  std::shared_ptr<Shrink> shrink_;     // while one runs; it needs the log
  std::shared_ptr<Reindex> reindex_;   // while one runs
  uint64_t shrink_retry_micros_ = 0;   // not before this time after a failure
  bool converted_ = false;             // since the last checkpoint: no manifest lists the files
  Lsn restored_lsn_ = 0;               // of the newest restore record since the last start
  bool checkpoint_running_ = false;
  bool forgetting_ = false;   // of the history only the newest checkpoint is kept
  uint64_t moves_ = 0;        // so many times begun
  uint64_t moved_bytes_ = 0;  // of the vectors of all open partitions, when last begun
  size_t turn_ = 0;           // of the partitions, for what each round does for some
  bool crowded_ = false;      // writes wait for a checkpoint, so that partitions can be closed
  uint64_t checkpoint_started_ = 0;  // checkpoints_wanted_ when the running one began
  uint64_t last_checkpoint_micros_ = 0;
  uint64_t checkpoint_retry_micros_ = 0;  // not before this time after a failure
};

template <class Read>
Status CollectionImpl::unless_lost(const Partition& partition, Lsn pinned, const Read& read) {
  Status status = read(partition, pinned);
  Status lost = partition.lost();
  if (lost.ok()) return status;
  fail(std::move(lost));
  return failure();
}

template <class Read>
Status CollectionImpl::read_whole(const Partitions& partitions, const Read& read) {
  for (;;) {
    const Lsn pinned = partitions.visible_lsn();
    const Partition& partition = *partitions.whole().partition.load(std::memory_order_acquire);
    if (partition.complete_from() <= pinned) return unless_lost(partition, pinned, read);
  }
}

/// `keep`: it is likely to be read again.
template <class Read>
Status CollectionImpl::read_part(const Partitions& partitions, Part& part, bool keep,
                                 const Read& read) {
  for (;;) {
    const size_t open = partitions.open_count();
    const bool many = open > options_.open_partitions_max;
    if (many && keep) wake();  // to close others
    // None can be closed while a checkpoint runs, and reads may come faster than it ends.
    const bool crowded = open > options_.open_partitions_max * kCrowd;
    if ((crowded || (many && !keep)) && part.partition.load() == nullptr) {
      TRY_ASSIGN(const std::unique_ptr<Partition> peeked, partitions.peek(part));
      const EpochGuard guard;
      if (peeked != nullptr) return unless_lost(*peeked, partitions.visible_lsn(), read);
    }
    TRY(partitions.reach(part));
    const EpochGuard guard;
    const Lsn pinned = partitions.visible_lsn();
    const Partition* const partition = part.partition.load(std::memory_order_acquire);
    if (partition != nullptr && partition->complete_from() <= pinned)
      return unless_lost(*partition, pinned, read);
  }
}

template <class Read>
Status CollectionImpl::read_namespace(std::string_view ns, const Read& read) {
  {
    const EpochGuard guard;
    const Partitions& partitions = *in_force_.load(std::memory_order_acquire);
    if (!partitions.isolated()) return read_whole(partitions, read);
  }
  const std::shared_ptr<Partitions> partitions = newest();
  const std::shared_ptr<Part> part = partitions->find(ns);
  return part == nullptr ? Status() : read_part(*partitions, *part, true, read);
}

template <class Read>
Status CollectionImpl::read_each(const Read& read) {
  {
    const EpochGuard guard;
    const Partitions& partitions = *in_force_.load(std::memory_order_acquire);
    if (!partitions.isolated()) return read_whole(partitions, read);
  }
  const std::shared_ptr<Partitions> partitions = newest();
  for (const std::shared_ptr<Part>& part : partitions->all()) {
    if (part->points > 0 || part->partition.load() != nullptr)
      TRY(read_part(*partitions, *part, false, read));
  }
  return {};
}

template <class Request, class Read>
Status CollectionImpl::read_of(const Request& request, const Read& read) {
  const auto read_in = [&](std::string_view ns) {
    return read_namespace(
        ns, [&](const Partition& partition, Lsn pinned) { return read(partition, pinned, ns); });
  };
  const std::string_view named = namespace_of(request.ns, request.filter);
  if (!named.empty()) return read_in(named);
  for (const std::string& ns : request.namespaces)
    TRY(read_in(ns));
  if (!request.namespaces.empty()) return {};
  return read_each([&](const Partition& partition, Lsn pinned) {
    return read(partition, pinned, std::string_view());
  });
}

template <class Read>
Status CollectionImpl::read_largest(const Read& read) {
  const std::shared_ptr<Partitions> partitions = newest();
  std::shared_ptr<Part> largest;
  for (const std::shared_ptr<Part>& part : partitions->all())
    if (largest == nullptr || part->points > largest->points) largest = part;
  return largest == nullptr ? Status() : read_part(*partitions, *largest, true, read);
}

/// While it lives, nothing of the history is removed.
class CollectionImpl::HistoryPin {
 public:
  explicit HistoryPin(CollectionImpl& collection) : collection_(collection) {
    const MutexLock lock(collection_.history_mutex_);
    ++collection_.history_pins_;
  }
  ~HistoryPin() {
    bool missed = false;
    {
      const MutexLock lock(collection_.history_mutex_);
      if (--collection_.history_pins_ == 0) missed = std::exchange(collection_.trim_missed_, false);
    }
    if (missed) collection_.trim().ignore();  // one that is unavailable keeps what it has
  }
  HistoryPin(const HistoryPin&) = delete;
  HistoryPin& operator=(const HistoryPin&) = delete;

 private:
  CollectionImpl& collection_;
};

/// The same, and the collection lives as long.
struct CollectionImpl::StreamPin {
  explicit StreamPin(std::shared_ptr<CollectionImpl> owner)
      : collection(std::move(owner)), pin(*collection) {}
  const std::shared_ptr<CollectionImpl> collection;
  const HistoryPin pin;
};

}  // namespace ferres
