// A collection: points with an id, a vector and metadata, searched by similarity. The public face
// of the domain: api/ calls nothing below it.
//
// Writes go through the lane (collection/lane.h): validated, one log record a request, durable by
// group commit, applied to the views in log order, then acknowledged with their LSN. Reads pin the
// newest visible LSN and take no lock. Every method may be called from any thread.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/files.h"
#include "base/status.h"
#include "base/types.h"
#include "collection/config.h"
#include "collection/reindex_run.h"
#include "filter/predicate.h"
#include "storage/disk_space.h"
#include "storage/manifest.h"

namespace ferres {

inline constexpr size_t kPointsPerUpsertMax = 1000;
inline constexpr size_t kIdsPerDeleteMax = 10000;
inline constexpr uint32_t kSearchLimitMax = 10000;
inline constexpr size_t kPointIdBytesMax = 1024;
inline constexpr size_t kNamespaceBytesMax = 256;
/// Why no point can be in a namespace of that name; empty when it can.
std::string invalid_namespace(std::string_view ns);
inline constexpr size_t kMetadataBytesMax = 1 << 20;
inline constexpr uint64_t kCreatedSecondsMax = (uint64_t{1} << 36) - 1;  // a record's bits

struct PointInput {
  std::string id;
  std::optional<std::string> ns;     // namespace
  std::vector<float> vector;         // empty: stored without one
  std::string metadata_json = "{}";  // valid, minified JSON
  std::optional<uint64_t> ttl_seconds;
  // Of a point that comes from elsewhere with its own times.
  std::optional<uint64_t> created_at = {};      // Unix seconds, at most kCreatedSecondsMax
  std::optional<uint64_t> expires_micros = {};  // since 1970, in place of a ttl
  // Else the point fails. Looked at in the order of writes: no other write comes between.
  std::optional<Lsn> if_version = {};  // the point is there, of this version
  bool if_absent = false;              // it is not there
};

/// What becomes of an upsert's points that are there already.
enum class OnConflict : uint8_t {
  kReplace,
  kSkip,  // they stay as they are
  kFail,  // they stay, and are listed in `failed`
};

struct UpsertRequest {
  std::vector<PointInput> points;
  /// Found wrong before (by the parser); reported in `failed` beside the lane's own.
  std::vector<std::pair<std::string, std::string>> failed;
  bool atomic = false;  // write nothing when a point is invalid: `failed` says which
  bool async = false;   // durability "async": acknowledged before the fsync
  OnConflict on_conflict = OnConflict::kReplace;
  /// Points that are there and that it does not match are not replaced; null: all may be.
  std::shared_ptr<const Predicate> within = {};
};

struct UpsertResult {
  Lsn lsn = 0;
  uint64_t upserted = 0;
  std::vector<std::pair<std::string, std::string>> failed;  // id, reason
  uint64_t skipped = 0;                                     // by OnConflict::kSkip
  std::vector<size_t> failed_points;  // of the request's points, those that end `failed`, in order
};

struct DeleteRequest {
  std::vector<std::string> ids;
  std::optional<std::string> ns;
  bool async = false;
  std::shared_ptr<const Predicate> within = {};  // those that it does not match stay
};

struct DeleteResult {
  Lsn lsn = 0;
  uint64_t deleted = 0;
};

struct PointName {
  std::string id;
  std::optional<std::string> ns;
};
/// The name by which answers tell of the other end of a link: the id, or namespace NUL id.
std::string storage_id(const PointName& point);

struct LinkRequest {
  PointName from;
  PointName to;
};

struct LinkResult {
  Lsn lsn = 0;
  bool there = false;  // they are linked now / were until now
};

/// Of all points that one answer has; beyond, Point::relations_cut.
inline constexpr uint64_t kRelationsPerAnswerMax = 100'000;

struct Point {
  std::string id;
  std::optional<std::string> ns;
  std::vector<float> vector;
  bool approximate = false;  // the vector is as near to what was sent as the collection keeps
  std::string metadata_json;
  uint64_t created_at = 0;                  // Unix seconds of the last upsert
  uint64_t expires_micros = 0;              // since 1970; 0: never
  Lsn version = 0;                          // LSN of the last write
  std::vector<std::string> relations = {};  // storage ids of what it is linked with, ascending
  bool relations_cut = false;               // there are more
};

/// Which points a caller may see at all: what others are linked with is told of these alone.
struct Sight {
  std::vector<std::string> namespaces = {};  // empty: all
  const Predicate* filter = nullptr;         // on metadata alone
};

struct ListRequest {
  uint64_t limit = 100;
  uint64_t offset = 0;
  std::optional<std::string> ns;
  /// Where neither ns nor the filter names a namespace: of these alone; empty: of all.
  std::vector<std::string> namespaces = {};
  const Predicate* filter = nullptr;
  bool with_vector = true;
  bool count_only = false;  // fill `total` alone
  Sight sight = {};         // of relations: ns, namespaces and filter are for the points themselves
};

/// Points that links lead to and the links among them.
struct SubgraphRequest {
  std::optional<PointName> center;  // nothing: all that have links
  uint32_t depth = 1;               // links away from the center at most
  uint64_t limit = 500;             // of points, the nearest to the center first
  // Without a center, as of a ListRequest.
  std::optional<std::string> ns = {};
  std::vector<std::string> namespaces = {};
  const Predicate* filter = nullptr;
  Sight sight = {};  // of everything
};

struct Subgraph {
  std::vector<Point> nodes;                      // without their vectors
  std::vector<std::pair<size_t, size_t>> edges;  // of nodes, each link once
  bool cut = false;                              // there are more
};

struct ListResult {
  std::vector<Point> points;  // in order of their last write; stable while nothing is written
  uint64_t total = 0;
};

/// Which points a stream gives.
struct StreamRequest {
  std::optional<std::string> ns;
  std::vector<std::string> namespaces = {};  // as of a ListRequest
  std::optional<Predicate> filter;
  bool with_vector = true;
};

/// The points that a collection had at one LSN, in no order. It reads the files of a checkpoint
/// that it opens for itself, so it holds no guard and is in nobody's way, however slowly it is
/// read; while it lives, history of isolated namespaces is not trimmed. One thread at a time; may
/// outlive the collection.
class PointStream {
 public:
  virtual ~PointStream() = default;
  virtual Lsn lsn() const = 0;
  /// Looks at more slots, slots_max at most, until visit returns false. True while there is more.
  virtual Result<bool> read(uint64_t slots_max, const std::function<bool(Point)>& visit) = 0;
  // Of the points that were looked at, and of those that there are.
  virtual uint64_t points_done() const = 0;
  virtual uint64_t points_total() const = 0;
};

/// What a search met on its way.
struct SearchTrace {
  uint64_t visited = 0;     // vectors that the query was compared with
  uint32_t layers = 0;      // of the graph, where one was walked
  uint64_t tombstones = 0;  // points on the way that were dead, or written after the snapshot
};

struct SearchRequest {
  std::vector<float> vector;      // empty: use the point `id`
  std::optional<std::string> id;  // an existing point's vector (never answered itself)
  uint32_t limit = 10;
  std::optional<std::string> ns;
  std::vector<std::string> namespaces = {};  // as of a ListRequest
  const Predicate* filter = nullptr;
  uint32_t ef_search = 0;  // 0: the collection's
  /// In place of ef_search: as much as is expected to find this share of the nearest, in (0, 1].
  std::optional<double> target_recall;
  bool exact = false;
  bool with_vector = false;
  bool with_metadata = true;
  SearchTrace* trace = nullptr;  // added to, where there is one
  uint64_t until_nanos = 0;      // of the monotonic clock: later it ends with kDeadline; 0: never
};

/// What a search has before it.
struct SearchScope {
  uint64_t points = 0;  // of the partitions that it asks
  uint64_t partitions =
      0;                   // that have any; one that is asked for several namespaces counts as such
  uint32_t ef_search = 0;  // where it says nothing
};

struct SearchHit {
  float score = 0;  // API.md 10.1: lower is better
  Point point;
};

struct SearchResult {
  std::vector<SearchHit> hits;
  Lsn lsn = 0;             // the read's snapshot
  uint32_t ef_search = 0;  // in force, where a graph was walked
};

/// A point on the way to an answer.
struct ExplainedPoint {
  SearchHit hit;
  uint64_t rank_before = 0;  // by score among all points of the namespace, from 1
  /// Among those that match the filter, from 1; 0: it does not. Up to the limit they are the
  /// search's answer.
  uint64_t rank_after = 0;
};

struct Explanation {
  std::vector<ExplainedPoint> points;  // by rank_before
  SearchTrace trace;                   // of the search that was asked for
  SearchScope scope;
  uint32_t ef_search = 0;
};

inline constexpr uint32_t kHopsMax = 64;
inline constexpr size_t kConnectedPointsMax = 100'000;

/// A search among the points that links lead to from another one, which is none of them.
struct ConnectedRequest {
  SearchRequest search;  // by a vector; always exact
  PointName center;
  uint32_t hops = 1;  // at most kHopsMax
  Sight sight = {};
};

/// A moment of a collection's history: one of the two.
struct RestoreTarget {
  std::optional<uint64_t> unix_micros;  // what was written then or before
  std::optional<Lsn> lsn;
  std::optional<std::string> ns = {};  // of this namespace alone; empty: of the points without one
};

struct RestoreResult {
  Lsn lsn = 0;                 // of the restore record: one before it undoes the restore
  Lsn source_lsn = 0;          // the newest write that counts
  uint64_t source_micros = 0;  // its commit time; 0: the restored state is the empty beginning
  uint64_t points = 0;
};

/// Called now and then with the log records applied and those that there are to apply; an error
/// ends the restore, and nothing has changed.
using RestoreProgress = std::function<Status(uint64_t done, uint64_t total)>;

/// What can be restored.
struct HistoryInfo {
  struct Moment {
    Lsn lsn = 0;
    uint64_t unix_micros = 0;
  };
  Moment oldest;  // {0, 0}: everything since the collection was made
  Moment newest;
  std::vector<Moment> checkpoints;  // ascending; restoring to soon after one is fast
};

struct NamespaceInfo {
  std::string ns;  // empty: the points that have none
  uint64_t points = 0;
};

/// A checkpoint for who copies it elsewhere; its page files never change and stay as long as `pin`
/// does, unless the collection is dropped.
struct PinnedCheckpoint {
  std::string dir;    // of the collection
  Manifest manifest;  // of LSN 0: nothing was ever written, and there are no files
  std::shared_ptr<const void> pin;
};

struct CollectionStats {
  uint64_t points = 0;  // with expired ones that the sweep has not removed yet
  uint64_t created_at = 0;
  uint64_t last_updated = 0;  // Unix seconds of the newest write; created_at when none
  uint64_t queries = 0;
  uint64_t unlinked_points = 0;
  /// Points that nothing in the graph leads to, by the last audit: 0, or there is a defect. Nothing
  /// before the first audit, which follows opening; the next ones follow checkpoints.
  std::optional<uint64_t> unreachable_points;
  std::optional<uint64_t> index_build_left;  // points; nothing when no index is being built
  uint64_t tombstones = 0;
  uint64_t memory_bytes_vectors = 0;
  uint64_t memory_bytes_index = 0;   // links
  uint64_t memory_bytes_points = 0;  // records, slots, id map, tail
  uint64_t memory_bytes_payload = 0;
  uint32_t payload_fields = 0;   // metadata fields that are indexed
  uint32_t payload_dropped = 0;  // groups of values that outgrew the limit and are not
  uint64_t disk_bytes = 0;
  uint64_t history_bytes = 0;    // of files that only older states need
  uint64_t open_partitions = 0;  // 1, or namespaces with files of their own that are in use
  uint32_t ef_search_current = 0;
  Lsn lsn = 0;
  Lsn checkpoint_lsn = 0;
};

/// Living points by where their vector is (a point without one is hot), and bytes of vectors there:
/// in memory, mapped, on disk. Without tiers all are hot, and bytes are API.md 5.2's estimate.
struct TierStats {
  uint64_t hot = 0;
  uint64_t warm = 0;
  uint64_t cold = 0;
  TierBytes bytes;
};

struct CollectionOptions {
  uint64_t checkpoint_log_bytes = 256ull << 20;       // checkpoint when a replay would read more
  uint64_t checkpoint_micros = 300ull * 1000 * 1000;  // or when this old and something changed
  uint64_t flat_points_max = 2000;                    // below: no graph, exact scan
  /// Writers wait while more points than this are unlinked: every search scans them (ENGINE.md).
  uint64_t tail_points_max = 256;
  uint64_t log_segment_bytes = 64ull << 20;
  /// Of the history, one checkpoint is kept for about so many bytes of log, or for as many as its
  /// own files have if that is more: a restore replays no more than that.
  uint64_t history_checkpoint_bytes = 256ull << 20;
  /// About how much the payload index may take; 0: a quarter of vectors and links, at least 64 MiB.
  uint64_t payload_bytes_max = 0;
  /// Each namespace gets page files of its own, which are opened when they are needed. Collections
  /// that are kept in another way are converted when they are opened.
  bool isolate_namespaces = false;
  bool convert_namespaces = true;  // false: they stay as they are
  /// About so many of them are open at once.
  size_t open_partitions_max = 256;
  /// A collection with fewer slots is not worth shrinking when most of its points are gone.
  uint64_t shrink_slots_min = 8192;
  bool background = true;  // false: no checkpoints or linking but by checkpoint(), link()
};

/// What a collection needs from the process; all outlive it.
struct Environment {
  FileSystem* files = nullptr;
  Executor* executor = nullptr;
  Clock* clock = nullptr;
  CommitClock* commit_clock = nullptr;
  const DiskSpace* space = nullptr;  // null: writes are not refused before the disk is full
};

using UpsertCallback = std::function<void(Result<UpsertResult>)>;
using LinkCallback = std::function<void(Result<LinkResult>)>;
using DeleteCallback = std::function<void(Result<DeleteResult>)>;

class Collection {
 public:
  /// Opens dir: newest checkpoint, then the log's tail. Creates what is missing.
  static Result<std::shared_ptr<Collection>> open(const Environment& env, std::string dir,
                                                  CollectionConfig config,
                                                  const CollectionOptions& options);
  virtual ~Collection() = default;

  /// What is in force or on its way; valid as long as the collection.
  virtual const CollectionConfig& config() const = 0;
  /// Takes over what may change: retention_days, default_ttl_days, what tiers go by, and `index`.
  /// Another index is built in the background while searches go on with the old one. The database
  /// makes it durable first.
  virtual void configure(CollectionConfig config) = 0;

  /// The callback runs on an executor thread (or the caller's, when refused at once) after the
  /// write is durable, applied and visible. kNoSpace when the disk is nearly full.
  virtual void upsert(UpsertRequest request, UpsertCallback done) = 0;
  virtual void remove(DeleteRequest request, DeleteCallback done) = 0;
  /// The same, waiting. Never call from a task of a single-threaded executor.
  Result<UpsertResult> upsert(UpsertRequest request);
  Result<DeleteResult> remove(DeleteRequest request);

  /// Links two points, in no direction; nothing when they are linked already. Ends with either's
  /// death, and stays when they are updated. kNotFound when one is not there. A restore of one
  /// namespace alone brings back the links within it, and ends those to others.
  virtual void link(const LinkRequest& request, LinkCallback done) = 0;
  /// Nothing when they are not linked, or not there.
  virtual void unlink(const LinkRequest& request, LinkCallback done) = 0;
  Result<LinkResult> link(const LinkRequest& request);
  Result<LinkResult> unlink(const LinkRequest& request);

  /// All points of a namespace, at once; empty: of none.
  virtual void drop_namespace(const std::string& ns, DeleteCallback done) = 0;
  Result<DeleteResult> drop_namespace(const std::string& ns);
  /// Those that have points, in order of name.
  virtual Result<std::vector<NamespaceInfo>> namespaces() = 0;

  virtual Result<Point> get(const std::string& id, const std::optional<std::string>& ns,
                            const Sight& sight) = 0;
  Result<Point> get(const std::string& id, const std::optional<std::string>& ns) {
    return get(id, ns, {});
  }
  virtual Result<ListResult> list(const ListRequest& request) = 0;
  virtual Result<SearchResult> search(const SearchRequest& request) = 0;
  /// The search, and with a filter also the nearest ten times as many points without it, those that
  /// it refuses included, if they meet `within` (null: any do). Not counted as a search, and
  /// heavier than several.
  virtual Result<Explanation> explain(const SearchRequest& request, const Predicate* within) = 0;
  virtual SearchScope search_scope(const SearchRequest& request) const = 0;
  /// kNotFound when the center is not there. Not of one moment where namespaces have files of their
  /// own: those are looked at one after the other.
  virtual Result<Subgraph> subgraph(const SubgraphRequest& request) = 0;
  /// kInvalidArgument when more than kConnectedPointsMax points are within so many hops.
  virtual Result<SearchResult> search_connected(const ConnectedRequest& request) = 0;
  /// All that is visible now; waits for a checkpoint of it when there is none. Points whose time is
  /// over by now are left out.
  virtual Result<std::unique_ptr<PointStream>> stream(StreamRequest request) = 0;
  virtual CollectionStats stats() = 0;
  /// The newest that reads see; 0 of one that is unavailable.
  virtual Lsn lsn() const = 0;
  /// Why everything is refused, since damage was met or a disk failed; ok when it is not.
  virtual Status failure() const = 0;
  /// Looks at every slot.
  virtual Result<TierStats> tiers() = 0;

  /// Writes a checkpoint of everything visible and waits for it.
  virtual Status checkpoint() = 0;
  /// Waits until every point is linked into the graph.
  virtual Status link_all() = 0;
  /// Builds the indexes of all points anew, like those in force, in the background, while searches
  /// and writes go on; whoever wants can watch. kAlreadyExists while one runs. A stop ends it.
  virtual Result<std::shared_ptr<const ReindexRun>> reindex() = 0;
  /// Measures, on the caller's thread, what searches for k neighbours with a target_recall need.
  /// Those start it in the background themselves; this is for who wants to wait.
  virtual Status calibrate(uint32_t k) = 0;
  /// Makes the points what they were at a moment that is kept, as one write; searches and writes go
  /// on until then. Undone by restoring to before RestoreResult::lsn. kInvalidArgument for a moment
  /// to come, kNotFound for one before the history that is kept, kConflict beside another restore.
  /// Heavy: builds the old state beside the one in force.
  virtual Result<RestoreResult> restore(const RestoreTarget& target,
                                        const RestoreProgress& progress) = 0;
  /// Writes the state of that moment into `dir`, a new folder, so that open() finds there a
  /// collection of the configuration `as`, which differs from this one's in name and uuid alone.
  virtual Result<RestoreResult> copy_at(const RestoreTarget& target, const CollectionConfig& as,
                                        const std::string& dir,
                                        const RestoreProgress& progress) = 0;
  virtual Result<HistoryInfo> history() = 0;
  /// The newest state: checkpoints first what no checkpoint holds. With its files alone, and no
  /// log, open() finds the same collection elsewhere.
  virtual Result<PinnedCheckpoint> pin_checkpoint() = 0;
  /// Removes history that retention_days no longer covers.
  virtual Status trim() = 0;
  /// Removes all history, and waits: nothing from before now can be restored, and what was deleted
  /// is in no file any more. Writes all pages anew. kConflict while the history is being read.
  virtual Status forget() = 0;
  /// Removes the points whose time to live is over, by expire records; they are hidden already.
  virtual void sweep_expired() = 0;
  /// True when something was written or tidied up that no checkpoint holds.
  virtual bool dirty() const = 0;
  /// What the next checkpoint would write.
  virtual uint64_t unsaved_bytes() const = 0;
  /// Stops taking writes, waits for background work, writes a last checkpoint when asked.
  virtual Status close(bool checkpoint) = 0;
  /// The same for one that was dropped: whoever still asks is told that it is not there.
  virtual void close_dropped() = 0;

 protected:
  virtual Executor& executor() = 0;
};

}  // namespace ferres
