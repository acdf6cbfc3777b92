// The database as built. Folders: system/wal (catalog), collections/<name>, dropped/<name>.<uuid>,
// LOCK. A create makes the folder first and then the record; a drop writes the record first and
// then moves the folder; start finishes whichever half a crash left. Private to src/db.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "db/catalog.h"
#include "db/database.h"
#include "db/jobs.h"

namespace ferres {

/// In the folder of a collection that is being made from another one; a start removes such a
/// folder.
inline constexpr std::string_view kUnfinishedFile = "/UNFINISHED";

inline constexpr std::string_view kConfigFile = "/config.json";
inline constexpr uint64_t kConfigBytesMax = 1 << 20;

/// A folder in DIR/collections that holds points, log or checkpoint; none when there is none.
Result<std::optional<std::string>> find_orphan(FileSystem& files, const std::string& dir);

/// 32 hex digits.
std::string new_collection_uuid();

class DatabaseImpl : public Database, public std::enable_shared_from_this<DatabaseImpl> {
 public:
  DatabaseImpl(const Environment& env, DatabaseOptions options)
      : options_(std::move(options)),
        space_(*env.files, options_.dir, options_.disk_reserve_bytes),
        env_{env.files, env.executor, env.clock, env.commit_clock, &space_} {}

  Status start();
  Result<std::shared_ptr<Collection>> create(CollectionConfig config) override;
  Result<std::shared_ptr<Collection>> find(const std::string& name) override;
  Status configure(const std::string& name,
                   const std::function<Status(CollectionConfig&)>& change) override;
  std::vector<std::shared_ptr<Collection>> list() override;
  Status drop(const std::string& name, bool purge) override;
  Status checkpoint_all() override;
  CollectionCounts counts() override;
  Result<RestoreOutcome> restore(const RestoreRequest& request,
                                 const RestoreProgress& progress) override;
  Status adopt(std::vector<Newcomer> newcomers,
               const std::function<Status(const std::vector<std::string>& dirs)>& fill) override;
  std::vector<UnopenedCollection> unopened() override;
  std::vector<DroppedCollection> dropped() override;
  void trim() override;
  void look_at_disk() override;
  Status close() override;

 private:
  struct Entry {
    CollectionConfig config;                 // of one that cannot be opened
    std::shared_ptr<Collection> collection;  // null: `error` says why it cannot be opened
    Status error;
  };
  std::string folder(const std::string& name) const {
    return options_.dir + "/collections/" + name;
  }
  std::string dropped_folder(const CollectionConfig& config) const {
    return options_.dir + "/dropped/" + config.name + "." + config.uuid;
  }
  Status check_catalog() REQUIRES(catalog_mutex_);
  Status tidy_folders() REQUIRES(catalog_mutex_);
  Status remove_mark(const std::string& name);
  std::string folder_uuid(const std::string& name) const;
  Status move_to_dropped(const std::string& name, const std::string& uuid);
  Entry open_collection(const CollectionConfig& config) const;
  Status admit(const std::string& name);
  Status make_folder(const CollectionConfig& config) REQUIRES(catalog_mutex_);
  Result<std::shared_ptr<Collection>> enter(const CollectionConfig& config)
      REQUIRES(catalog_mutex_);

  // restore.cc
  struct Then;
  Result<Then> who_was(const std::string& name, const RestoreTarget& target);
  bool lived(const std::string& uuid, uint64_t unix_micros);
  Status reserve(const CollectionConfig& config);
  void give_up(const std::string& name);
  Status try_out(const Newcomer& newcomer) const;
  Status begin_folder(const CollectionConfig& config) REQUIRES(catalog_mutex_);
  Status finish_folder(const CollectionConfig& config) REQUIRES(catalog_mutex_);
  void abandon_folder(const CollectionConfig& config) REQUIRES(catalog_mutex_);
  Result<RestoreResult> bring_back(const CollectionConfig& config, const RestoreTarget& target,
                                   const RestoreProgress& progress);
  Status move_back(const CollectionConfig& config);
  Result<RestoreResult> restore_one(const std::string& name, const RestoreTarget& target,
                                    const RestoreProgress& progress);
  Result<RestoreResult> restore_as(const std::string& name, const std::string& as,
                                   const RestoreTarget& target, const RestoreProgress& progress);
  Status purge(const CollectionConfig& config) REQUIRES(catalog_mutex_);
  Status purge_dropped(const std::string& name, const Status& none) REQUIRES(catalog_mutex_);

  const DatabaseOptions options_;
  DiskSpace space_;
  const Environment env_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<JobRunner> jobs_;

  Mutex catalog_mutex_;  // create, change and drop, one at a time, across their file operations
  std::unique_ptr<Catalog> catalog_ GUARDED_BY(catalog_mutex_);

  Mutex mutex_;  // the map alone, briefly
  std::map<std::string, Entry> entries_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace ferres
