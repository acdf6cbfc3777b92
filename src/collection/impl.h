// The collection as built: one partition behind a lane. Private to src/collection.
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
#include <vector>

#include "base/mutex.h"
#include "collection/collection.h"
#include "collection/history.h"
#include "collection/partition.h"
#include "collection/planner.h"
#include "collection/query_sample.h"
#include "collection/read_filter.h"
#include "collection/recall_curve.h"
#include "storage/log.h"

namespace ferres {

/// Why a vector, stored or searched for, has distances that cannot be told apart; empty when it has
/// not. Of cosine no length is too long.
std::string too_long(std::span<const float> vector, Metric metric);

/// A validated write waiting for its turn.
struct PendingWrite {
  Op op = Op::kUpsert;
  std::string payload;
  /// Runs once: with the LSN and the count apply() returned, or with what went wrong.
  std::function<void(Status status, Lsn lsn, uint64_t count)> done;
};

class CollectionImpl : public Collection, public std::enable_shared_from_this<CollectionImpl> {
 public:
  CollectionImpl(const Environment& env, std::string dir, CollectionConfig config,
                 const CollectionOptions& options);
  ~CollectionImpl() override;

  /// Newest checkpoint, then the log's tail. On damage the object is kept, refusing everything.
  Status recover();

  const CollectionConfig& config() const override { return *newest_config_.load(); }
  void configure(CollectionConfig config) override;
  void upsert(UpsertRequest request, UpsertCallback done) override;
  void remove(DeleteRequest request, DeleteCallback done) override;
  Result<Point> get(const std::string& id, const std::optional<std::string>& ns) override;
  Result<ListResult> list(const ListRequest& request) override;
  Result<SearchResult> search(const SearchRequest& request) override;
  CollectionStats stats() override;
  Status checkpoint() override;
  Status link_all() override;
  Status calibrate(uint32_t k) override;
  Result<RestoreResult> restore(const RestoreTarget& target,
                                const RestoreProgress& progress) override;
  Result<RestoreResult> copy_at(const RestoreTarget& target, const CollectionConfig& as,
                                const std::string& dir, const RestoreProgress& progress) override;
  Result<HistoryInfo> history() override;
  Status trim() override;
  void sweep_expired() override;
  bool dirty() const override;
  Status close(bool checkpoint) override;

 protected:
  Executor& executor() override { return *env_.executor; }

 private:
  // read.cc, search.cc
  /// What reads look at, once a request: a restore replaces it.
  const Partition& partition() const { return *in_force_.load(std::memory_order_acquire); }
  Result<Point> materialize(const Partition& partition, Slot slot, bool with_vector,
                            bool with_metadata) const;
  Result<std::span<const float>> query_vector(const Partition& partition,
                                              const SearchRequest& request, Lsn pinned,
                                              Slot* excluded, Point& stored) const;
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

  // calibrate.cc
  struct Calibration;
  Status calibrate_on_one(Calibration& calibration) const;
  Slot draw_point(Calibration& calibration, const ReadFilter& filter) const;
  Status calibrate_on_some(Calibration& calibration, uint32_t samples);
  void calibrate_in_background(std::shared_ptr<Calibration> calibration);
  std::shared_ptr<Calibration> new_calibration(uint32_t k) const;
  uint32_t ef_of(const Partition& partition, const SearchRequest& request,
                 std::span<const float> query);

  // lane.cc
  void enqueue(PendingWrite write);
  void wake();
  void run_lane();
  bool run_round();
  std::vector<PendingWrite> take_writes();
  Status commit(std::span<LogRecord> records);
  uint64_t write_group(std::vector<PendingWrite>& writes);  // how many points it upserted
  bool maintain(uint64_t upserted);
  bool tidy_up(uint64_t upserted);
  Status link_some(uint64_t upserted, bool* more);
  Status build_some(uint64_t upserted, bool* more);
  bool has_graph() const;
  void audit_some();
  void fail(Status status);
  void refuse(Status status);
  Status failure() const;
  Status recover_log();

  // checkpoint.cc
  bool checkpoint_due() const;
  void begin_checkpoint();
  void write_checkpoint(Manifest manifest);
  void finish_checkpoint();
  void schedule_tick();
  void repair_damage();

  // restore.cc
  class HistoryPin;
  StateSource state_source(const RestoreProgress& progress = nullptr) const;
  Result<HistoryInfo> history_files() const;
  Result<LogMoment> find_lsn(Lsn lsn, const HistoryInfo& history) const;
  Result<LogMoment> find_time(uint64_t unix_micros, const HistoryInfo& history) const;
  Result<LogMoment> find_target(const RestoreTarget& target) const;
  Result<RestoreResult> hand_over(State state, const LogMoment& source);
  bool finish_restore();
  void put_in_force(std::unique_ptr<Partition> next);

  // shrink.cc
  struct Shrink;
  void begin_shrink();
  void shrink_in_background(std::shared_ptr<Shrink> shrink);
  Status shrink_some(Shrink& shrink, bool* ready) const;
  Status apply_log(Shrink& shrink, Lsn to) const;
  bool finish_shrink();
  void shrink_failed(const Status& status);

  // retention.cc
  Status list_checkpoints();
  Status trim_history();
  void trim_if_wanted();
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
  std::atomic<const Partition*> in_force_{nullptr};  // partition_, for readers under a guard
  std::atomic<Lsn> checkpoint_lsn_{0};
  std::atomic<uint64_t> history_bytes_{0};
  std::atomic<uint64_t> log_bytes_{0};
  std::atomic<bool> unsaved_work_{false};    // links or cleanup that no checkpoint holds
  std::atomic<uint64_t> wasteful_since_{0};  // most slots are empty; 0: they are not
  std::atomic<uint64_t> queries_{0};
  std::atomic<int64_t> unreachable_{-1};  // points, of the last audit; below 0: none yet
  mutable Planner planner_;
  RecallCurves recall_curves_;
  QuerySample query_sample_;
  std::atomic<bool> calibrating_{false};
  std::atomic<bool> restoring_{false};
  std::atomic<bool> failed_{false};
  mutable Mutex failure_mutex_;
  Status failure_ GUARDED_BY(failure_mutex_);

  mutable Mutex history_mutex_;                      // held while some of the history goes
  int history_pins_ GUARDED_BY(history_mutex_) = 0;  // readers of it: none of it goes

  // the queue
  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<PendingWrite> writes_ GUARDED_BY(mutex_);
  bool active_ GUARDED_BY(mutex_) = false;
  bool closing_ GUARDED_BY(mutex_) = false;
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
    std::unique_ptr<Partition> partition;
    Lsn source_lsn = 0;
    std::function<void(Result<RestoreResult>)> done;
  };
  std::unique_ptr<RestoreReady> restore_ready_ GUARDED_BY(mutex_);  // from who asked for it
  std::unique_ptr<Status> shrink_result_ GUARDED_BY(mutex_);        // of shrink_'s work
  bool trim_wanted_ GUARDED_BY(mutex_) = false;

  // the lane only
  std::unique_ptr<Partition> partition_;
  std::unique_ptr<Log> log_;
  std::vector<Manifest> checkpoints_;  // kept, ascending
  std::shared_ptr<Shrink> shrink_;     // while one runs; it needs the log
  uint64_t shrink_retry_micros_ = 0;   // not before this time after a failure
  Lsn restored_lsn_ = 0;               // of the newest restore record since the last start
  bool checkpoint_running_ = false;
  bool scrubbing_ = false;
  bool auditing_ = true;  // whether something leads to each point: after opening and checkpoints
  Slot audit_next_ = 0;
  int64_t audit_found_ = 0;
  uint64_t checkpoint_started_ = 0;  // checkpoints_wanted_ when the running one began
  uint64_t last_checkpoint_micros_ = 0;
  uint64_t checkpoint_retry_micros_ = 0;  // not before this time after a failure
};

}  // namespace ferres
