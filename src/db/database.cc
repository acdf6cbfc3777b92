// The database as built. Folders: system/wal (catalog), collections/<name>, dropped/<name>.<uuid>,
// LOCK. A create makes the folder first and then the record; a drop writes the record first and
// then moves the folder; start finishes whichever half a crash left.
#include "db/database.h"

#include <map>
#include <set>

#include "base/logging.h"
#include "base/mutex.h"
#include "base/random.h"
#include "db/catalog.h"
#include "db/jobs.h"

namespace ferres {
namespace {

constexpr std::string_view kConfigFile = "/config.json";
constexpr uint64_t kConfigBytesMax = 1 << 20;
constexpr std::string_view kUnknownUuid = "unknown";

std::string random_hex_id() {
  std::array<std::byte, 16> bytes{};
  random_bytes(bytes);
  return to_hex(bytes);
}

class DatabaseImpl : public Database, public std::enable_shared_from_this<DatabaseImpl> {
 public:
  DatabaseImpl(const Environment& env, DatabaseOptions options)
      : env_(env), options_(std::move(options)) {}

  Status start();
  Result<std::shared_ptr<Collection>> create(CollectionConfig config) override;
  Result<std::shared_ptr<Collection>> find(const std::string& name) override;
  Status configure(const std::string& name,
                   const std::function<Status(CollectionConfig&)>& change) override;
  std::vector<std::shared_ptr<Collection>> list() override;
  Status drop(const std::string& name) override;
  Status checkpoint_all() override;
  size_t dirty_count() override;
  Status close() override;

 private:
  struct Entry {
    std::shared_ptr<Collection> collection;  // null: `error` says why it cannot be opened
    Status error;
  };
  std::string folder(const std::string& name) const {
    return options_.dir + "/collections/" + name;
  }
  Status tidy_folders() REQUIRES(catalog_mutex_);
  std::string folder_uuid(const std::string& name) const;
  Status move_to_dropped(const std::string& name, const std::string& uuid);
  Entry open_collection(const CollectionConfig& config) const;

  const Environment env_;
  const DatabaseOptions options_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<JobRunner> jobs_;

  Mutex catalog_mutex_;  // create, change and drop, one at a time, across their file operations
  std::unique_ptr<Catalog> catalog_ GUARDED_BY(catalog_mutex_);

  Mutex mutex_;  // the map alone, briefly
  std::map<std::string, Entry> entries_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
};

Status DatabaseImpl::start() {
  FileSystem& files = *env_.files;
  TRY(files.make_dirs(options_.dir + "/collections"));
  TRY(files.make_dirs(options_.dir + "/dropped"));
  TRY_ASSIGN(lock_, files.lock(options_.dir + "/LOCK"));
  std::vector<CollectionConfig> configs;
  {
    const MutexLock lock(catalog_mutex_);
    TRY_ASSIGN(catalog_, Catalog::open(files, options_.dir + "/system/wal", *env_.commit_clock));
    TRY(tidy_folders());
    for (const auto& [name, config] : catalog_->collections())
      configs.push_back(config);
  }
  std::vector<Entry> opened(configs.size());
  env_.executor->parallel_for(configs.size(),
                              [&](size_t i) { opened[i] = open_collection(configs[i]); });
  {
    const MutexLock lock(mutex_);
    for (size_t i = 0; i < configs.size(); ++i)
      entries_[configs[i].name] = std::move(opened[i]);
  }
  if (options_.collection.background) {
    jobs_ = std::make_unique<JobRunner>(*env_.executor, weak_from_this());
  }
  return {};
}

DatabaseImpl::Entry DatabaseImpl::open_collection(const CollectionConfig& config) const {
  Entry entry;
  if (!env_.files->exists(folder(config.name) + std::string(kConfigFile))) {
    entry.error = Status(Code::kCorruption, "collection '" + config.name + "' is unavailable: " +
                                                folder(config.name) + " is missing");
    return entry;
  }
  const std::string uuid = folder_uuid(config.name);
  if (uuid != kUnknownUuid && uuid != config.uuid) {
    entry.error = Status(Code::kCorruption, "collection '" + config.name +
                                                "' is unavailable: " + folder(config.name) +
                                                std::string(kConfigFile) + " says uuid " + uuid +
                                                ", the catalog says " + config.uuid);
    return entry;
  }
  auto collection = Collection::open(env_, folder(config.name), config, options_.collection);
  if (collection.ok()) {
    entry.collection = *std::move(collection);
    return entry;
  }
  log_error("collection.unavailable",
            {{"collection", config.name}, {"reason", std::string(collection.error().message())}});
  entry.error =
      std::move(collection).error().context("collection '" + config.name + "' is unavailable");
  return entry;
}

/// Folders that the catalog does not know: a create cut before its record, a drop cut after it.
Status DatabaseImpl::tidy_folders() {
  TRY_ASSIGN(const std::vector<std::string> names, env_.files->list(options_.dir + "/collections"));
  for (const std::string& name : names) {
    // A known name with another config.json stays where it is: it is damage, not a leftover.
    if (catalog_->collections().contains(name)) continue;
    const std::string uuid = folder_uuid(name);
    log_warning("folder.unknown", {{"folder", name}, {"uuid", uuid}});
    TRY(move_to_dropped(name, uuid));
  }
  return {};
}

std::string DatabaseImpl::folder_uuid(const std::string& name) const {
  auto text = read_file(*env_.files, folder(name) + std::string(kConfigFile), kConfigBytesMax);
  if (!text.ok()) return std::string(kUnknownUuid);
  auto config = decode_config(*text);
  const bool whole = config.ok() && config->uuid.size() == 32 &&
                     config->uuid.find_first_not_of("0123456789abcdef") == std::string::npos;
  return whole ? config->uuid : std::string(kUnknownUuid);
}

Status DatabaseImpl::move_to_dropped(const std::string& name, const std::string& uuid) {
  const std::string target = options_.dir + "/dropped/" + name + "." + uuid;
  TRY(env_.files->remove_tree(target));
  TRY(env_.files->rename(folder(name), target));
  TRY(env_.files->sync_dir(options_.dir + "/dropped"));
  return env_.files->sync_dir(options_.dir + "/collections");
}

Result<std::shared_ptr<Collection>> DatabaseImpl::create(CollectionConfig config) {
  TRY(validate_config(config));
  config.uuid = random_hex_id();
  config.created_at = env_.clock->unix_micros() / 1'000'000;
  const MutexLock catalog_lock(catalog_mutex_);
  {
    const MutexLock lock(mutex_);
    if (closed_) return Status(Code::kUnavailable, "the database is closing");
    if (entries_.contains(config.name)) {
      return Status(Code::kAlreadyExists, "collection '" + config.name + "' already exists");
    }
    if (entries_.size() >= options_.collections_max) {
      return Status(Code::kResourceExhausted,
                    "too many collections: max " + std::to_string(options_.collections_max));
    }
  }
  FileSystem& files = *env_.files;
  // What an earlier create or drop left when the disk failed it must not come back to life.
  if (files.exists(folder(config.name))) {
    TRY(move_to_dropped(config.name, folder_uuid(config.name)));
  }
  TRY(files.make_dirs(folder(config.name)));
  TRY(files.sync_dir(options_.dir + "/collections"));
  TRY(write_file_atomic(files, folder(config.name) + std::string(kConfigFile),
                        as_bytes(encode_config(config))));
  TRY_ASSIGN(std::shared_ptr<Collection> collection,
             Collection::open(env_, folder(config.name), config, options_.collection));
  if (Status status = catalog_->create(config); !status.ok()) {
    collection->close(false).ignore();
    // Else the next start, or the next create of the name, moves it.
    if (catalog_->certain()) move_to_dropped(config.name, config.uuid).ignore();
    return status;
  }
  const MutexLock lock(mutex_);
  entries_[config.name].collection = collection;
  return collection;
}

Result<std::shared_ptr<Collection>> DatabaseImpl::find(const std::string& name) {
  const MutexLock lock(mutex_);
  if (closed_) return Status(Code::kUnavailable, "the database is closing");
  const auto entry = entries_.find(name);
  if (entry == entries_.end()) {
    return Status(Code::kNotFound, "collection '" + name + "' not found");
  }
  if (!entry->second.collection) return entry->second.error.clone();
  return entry->second.collection;
}

Status DatabaseImpl::configure(const std::string& name,
                               const std::function<Status(CollectionConfig&)>& change) {
  const MutexLock catalog_lock(catalog_mutex_);
  TRY_ASSIGN(const std::shared_ptr<Collection> collection, find(name));
  CollectionConfig config = collection->config();
  TRY(change(config));
  if (encode_config(config) == encode_config(collection->config())) return {};
  TRY(catalog_->change(config));
  collection->configure(config);
  // The record is what counts; the file is for people and older tools.
  const std::string file = folder(name) + std::string(kConfigFile);
  const Status written = write_file_atomic(*env_.files, file, as_bytes(encode_config(config)));
  if (!written.ok()) {
    log_warning("config.not_written", {{"file", file}, {"reason", std::string(written.message())}});
  }
  return {};
}

std::vector<std::shared_ptr<Collection>> DatabaseImpl::list() {
  const MutexLock lock(mutex_);
  std::vector<std::shared_ptr<Collection>> collections;
  for (const auto& [name, entry] : entries_) {
    if (entry.collection) collections.push_back(entry.collection);
  }
  return collections;
}

Status DatabaseImpl::drop(const std::string& name) {
  const MutexLock catalog_lock(catalog_mutex_);
  const auto known = catalog_->collections().find(name);
  if (known == catalog_->collections().end()) {
    return Status(Code::kNotFound, "collection '" + name + "' not found");
  }
  const CollectionConfig config = known->second;
  Status status = catalog_->drop(config);
  // A drop that may yet turn out to have happened must take no more writes with it.
  if (!status.ok() && catalog_->certain()) return status;
  std::shared_ptr<Collection> collection;
  {
    const MutexLock lock(mutex_);
    Entry& entry = entries_[name];
    collection = std::move(entry.collection);
    if (status.ok()) {
      entries_.erase(name);
    } else {
      entry.error = Status(Code::kUnavailable, "collection '" + name +
                                                   "' is unavailable until the next start: " +
                                                   std::string(status.message()));
    }
  }
  if (collection) collection->close(false).ignore();  // nothing is asked of it any more
  if (!status.ok() || !env_.files->exists(folder(name))) return status;
  // The record is what counts: a folder that cannot be moved now is moved later.
  if (const Status moved = move_to_dropped(name, config.uuid); !moved.ok()) {
    log_warning("folder.not_moved", {{"folder", name}, {"reason", std::string(moved.message())}});
  }
  return {};
}

Status DatabaseImpl::checkpoint_all() {
  Status first;
  for (const auto& collection : list()) {
    if (!collection->dirty()) continue;
    if (Status status = collection->checkpoint(); !status.ok() && first.ok()) {
      first = std::move(status).context(collection->config().name);
    }
  }
  return first;
}

size_t DatabaseImpl::dirty_count() {
  size_t dirty = 0;
  for (const auto& collection : list())
    dirty += collection->dirty() ? 1 : 0;
  return dirty;
}

Status DatabaseImpl::close() {
  const MutexLock catalog_lock(catalog_mutex_);
  {
    const MutexLock lock(mutex_);
    if (closed_) return {};
    closed_ = true;
  }
  jobs_.reset();
  Status first;
  for (const auto& collection : list()) {
    if (Status status = collection->close(true); !status.ok() && first.ok()) {
      first = std::move(status).context(collection->config().name);
    }
  }
  {
    const MutexLock lock(mutex_);
    entries_.clear();
  }
  lock_.reset();
  return first;
}

}  // namespace

Result<std::shared_ptr<Database>> Database::open(const Environment& env,
                                                 const DatabaseOptions& options) {
  if (options.dir.empty()) {
    return Status(Code::kInvalidArgument, "the data folder has no name: set storage_path");
  }
  auto database = std::make_shared<DatabaseImpl>(env, options);
  TRY(database->start());
  return std::shared_ptr<Database>(std::move(database));
}

}  // namespace ferres
