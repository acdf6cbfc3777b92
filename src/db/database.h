// The database: a catalog of collections in one data folder, held by a lock file. The catalog is a
// log of its own (data/system): create and drop are records, durable before they are acknowledged;
// recovery finishes a create or drop that a crash cut in half. Thread-safe.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "collection/collection.h"

namespace ferres {

struct DatabaseOptions {
  std::string dir = "./data";
  CollectionOptions collection;
  size_t collections_max = 10000;
  uint64_t disk_reserve_bytes = 0;  // storage/disk_space.h
};

/// A collection that was dropped and whose history is kept.
struct DroppedCollection {
  CollectionConfig config;
  uint64_t dropped_micros = 0;
};

/// A collection that refuses everything, for it cannot be opened, or not yet.
struct UnopenedCollection {
  CollectionConfig config;
  Status why;
};

struct CollectionCounts {
  size_t total = 0;
  size_t dirty = 0;        // with writes that no checkpoint holds yet
  size_t unavailable = 0;  // refuse everything
};

struct RestoreRequest {
  RestoreTarget target;
  /// None: every collection that was there at the target, which is then a time.
  std::optional<std::string> collection;
  /// Of `collection`: the old state becomes a new collection of this name, and nothing else
  /// changes.
  std::optional<std::string> as;
};

/// A collection that comes from elsewhere.
struct Newcomer {
  CollectionConfig config;
  Lsn lsn = 0;  // its checkpoint's
};

struct RestoreOutcome {
  std::vector<std::pair<std::string, RestoreResult>> restored;  // names
  std::vector<std::pair<std::string, Status>> failed;
  std::vector<std::string> newer;  // made after the target, and left as they are
};

class Database {
 public:
  /// kConflict when another process holds the folder. A collection that cannot be opened
  /// answers with the reason (see unopened()); the others serve.
  static Result<std::shared_ptr<Database>> open(const Environment& env,
                                                const DatabaseOptions& options);
  virtual ~Database() = default;

  /// kAlreadyExists, kInvalidArgument. uuid and created_at of config are filled in.
  virtual Result<std::shared_ptr<Collection>> create(CollectionConfig config) = 0;
  /// kNotFound "collection 'NAME' not found"; its failure() when it has one.
  virtual Result<std::shared_ptr<Collection>> find(const std::string& name) = 0;
  /// Changes what may be changed in a collection's configuration, durably: `change` edits it and
  /// may refuse. kNotFound.
  virtual Status configure(const std::string& name,
                           const std::function<Status(CollectionConfig&)>& change) = 0;
  /// Those that are open, in order of name.
  virtual std::vector<std::shared_ptr<Collection>> list() = 0;
  /// Gone from every answer and from the live files at once. When no history is kept, it cannot be
  /// brought back; with `purge`, neither can those of the name that were dropped before, whether
  /// there is one now or not.
  virtual Status drop(const std::string& name, bool purge = false) = 0;
  /// Makes collections what they were (Collection::restore). A collection that was dropped since
  /// comes back, when no other has its name now. kNotFound, kConflict, kAlreadyExists when one
  /// collection was asked for and cannot be restored; of many, `failed` says why.
  virtual Result<RestoreOutcome> restore(const RestoreRequest& request,
                                         const RestoreProgress& progress) = 0;
  /// Collections under names that are free: `fill` gets a new folder for each, in order, and writes
  /// page files and manifest into it. Nothing is there before it returns ok, nor after a crash
  /// until then. uuids are new. kAlreadyExists, kInvalidArgument; kCorruption when a folder does
  /// not open at its LSN.
  virtual Status adopt(std::vector<Newcomer> newcomers,
                       const std::function<Status(const std::vector<std::string>& dirs)>& fill) = 0;
  /// Those that list() lacks, in order of name.
  virtual std::vector<UnopenedCollection> unopened() = 0;
  /// In order of the time of the drop.
  virtual std::vector<DroppedCollection> dropped() = 0;
  /// Removes what the collections' retention_days no longer covers, dropped ones too.
  virtual void trim() = 0;
  /// Admits or refuses writes by what is free on the disk.
  virtual void look_at_disk() = 0;
  /// Checkpoints every collection that changed.
  virtual Status checkpoint_all() = 0;
  virtual CollectionCounts counts() = 0;
  /// Drains writes, checkpoints, closes the files. The object answers kUnavailable afterwards.
  virtual Status close() = 0;
};

}  // namespace ferres
