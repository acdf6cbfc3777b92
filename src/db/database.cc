// Starting, creating, changing, dropping and closing; going back is in restore.cc.
#include "base/logging.h"
#include "base/random.h"
#include "collection/history.h"
#include "db/database_impl.h"

namespace ferres {
namespace {

constexpr std::string_view kUnknownUuid = "unknown";

}  // namespace

std::string new_collection_uuid() {
  std::array<std::byte, 16> bytes{};
  random_bytes(bytes);
  return to_hex(bytes);
}

Result<std::optional<std::string>> find_orphan(FileSystem& files, const std::string& dir) {
  TRY_ASSIGN(const std::vector<std::string> names, files.list(dir + "/collections"));
  for (const std::string& name : names) {
    std::string path = dir;
    path.append("/collections/").append(name);
    if (files.exists(path + std::string(kUnfinishedFile))) continue;
    const auto checkpoints = list_manifests(files, manifest_dir_of(path));
    const auto segments = list_log(files, log_dir_of(path));
    if ((checkpoints.ok() && !checkpoints->empty()) || (segments.ok() && !segments->empty()))
      return std::optional(path);
  }
  return std::optional<std::string>();
}

Status DatabaseImpl::start() {
  FileSystem& files = *env_.files;
  TRY(files.make_dirs(options_.dir + "/collections"));
  TRY(files.make_dirs(options_.dir + "/dropped"));
  TRY_ASSIGN(lock_, files.lock(options_.dir));
  space_.look(0);
  std::vector<CollectionConfig> configs;
  {
    const MutexLock lock(catalog_mutex_);
    TRY_ASSIGN(catalog_, Catalog::open(files, options_.dir + "/system/wal", *env_.commit_clock));
    TRY(check_catalog());
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
  Entry entry{config, nullptr, {}};
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

/// Each collection with data has a record.
Status DatabaseImpl::check_catalog() {
  if (!catalog_->empty()) return {};
  TRY_ASSIGN(const std::optional<std::string> orphan, find_orphan(*env_.files, options_.dir));
  if (!orphan) return {};
  return {Code::kCorruption, options_.dir + "/system/wal holds no record, and " + *orphan +
                                 " holds data: the catalog is lost. Restore system/wal from a "
                                 "backup of the data folder; nothing was changed"};
}

/// Folders that the catalog does not know: a create cut before its record, a drop or a purge cut
/// after it.
Status DatabaseImpl::tidy_folders() {
  TRY_ASSIGN(const std::vector<std::string> names, env_.files->list(options_.dir + "/collections"));
  for (const std::string& name : names) {
    // A known name with another config.json stays where it is: it is damage, not a leftover.
    if (catalog_->collections().contains(name)) {
      TRY(remove_mark(name));
      continue;
    }
    if (env_.files->exists(folder(name) + std::string(kUnfinishedFile))) {
      TRY(env_.files->remove_tree(folder(name)));
      continue;
    }
    const std::string uuid = folder_uuid(name);
    log_warning("folder.unknown", {{"folder", name}, {"uuid", uuid}});
    TRY(move_to_dropped(name, uuid));
  }
  TRY_ASSIGN(const std::vector<std::string> dropped, env_.files->list(options_.dir + "/dropped"));
  for (const std::string& name : dropped) {
    if (!catalog_->purged().contains(name.substr(name.rfind('.') + 1))) continue;
    TRY(env_.files->remove_tree(options_.dir + "/dropped/" + name));
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

/// It is no longer one that a start would remove.
Status DatabaseImpl::remove_mark(const std::string& name) {
  const std::string mark = folder(name) + std::string(kUnfinishedFile);
  if (!env_.files->exists(mark)) return {};
  TRY(env_.files->remove(mark));
  return env_.files->sync_dir(folder(name));
}

Status DatabaseImpl::move_to_dropped(const std::string& name, const std::string& uuid) {
  TRY(remove_mark(name));
  const std::string target = options_.dir + "/dropped/" + name + "." + uuid;
  TRY(env_.files->remove_tree(target));
  TRY(env_.files->rename(folder(name), target));
  TRY(env_.files->sync_dir(options_.dir + "/dropped"));
  return env_.files->sync_dir(options_.dir + "/collections");
}

Status DatabaseImpl::admit(const std::string& name) {
  const MutexLock lock(mutex_);
  if (closed_) return {Code::kUnavailable, "the database is closing"};
  if (entries_.contains(name))
    return {Code::kAlreadyExists, "collection '" + name + "' already exists"};
  if (entries_.size() >= options_.collections_max) {
    return {Code::kResourceExhausted,
            "too many collections: max " + std::to_string(options_.collections_max)};
  }
  return {};
}

/// A folder with nothing but the configuration.
Status DatabaseImpl::make_folder(const CollectionConfig& config) {
  FileSystem& files = *env_.files;
  // What an earlier create or drop left when the disk failed it must not come back to life.
  if (files.exists(folder(config.name))) {
    TRY(move_to_dropped(config.name, folder_uuid(config.name)));
  }
  TRY(files.make_dirs(folder(config.name)));
  TRY(files.sync_dir(options_.dir + "/collections"));
  return write_file_atomic(files, folder(config.name) + std::string(kConfigFile),
                           as_bytes(encode_config(config)));
}

/// The folder is there; the record makes it a collection.
Result<std::shared_ptr<Collection>> DatabaseImpl::enter(const CollectionConfig& config) {
  TRY_ASSIGN(std::shared_ptr<Collection> collection,
             Collection::open(env_, folder(config.name), config, options_.collection));
  if (Status status = catalog_->create(config); !status.ok()) {
    collection->close(false).ignore();
    // Else the next start, or the next create of the name, moves it.
    if (catalog_->certain()) move_to_dropped(config.name, config.uuid).ignore();
    return status;
  }
  const MutexLock lock(mutex_);
  entries_[config.name] = {config, collection, {}};
  return collection;
}

Result<std::shared_ptr<Collection>> DatabaseImpl::create(CollectionConfig config) {
  TRY(validate_config(config));
  TRY(space_.admit());
  config.uuid = new_collection_uuid();
  config.created_at = env_.clock->unix_micros() / 1'000'000;
  const MutexLock catalog_lock(catalog_mutex_);
  TRY(admit(config.name));
  TRY(make_folder(config));
  return enter(config);
}

Result<std::shared_ptr<Collection>> DatabaseImpl::find(const std::string& name) {
  const MutexLock lock(mutex_);
  if (closed_) return Status(Code::kUnavailable, "the database is closing");
  const auto entry = entries_.find(name);
  if (entry == entries_.end()) {
    return Status(Code::kNotFound, "collection '" + name + "' not found");
  }
  if (!entry->second.collection) return entry->second.error.clone();
  TRY(entry->second.collection->failure());
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

Status DatabaseImpl::drop(const std::string& name, bool purge_too) {
  const MutexLock catalog_lock(catalog_mutex_);
  const auto known = catalog_->collections().find(name);
  if (known == catalog_->collections().end()) {
    const Status missing(Code::kNotFound, "collection '" + name + "' not found");
    return purge_too ? purge_dropped(name, missing) : missing.clone();
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
      entry.config = config;
      entry.error = Status(Code::kUnavailable, "collection '" + name +
                                                   "' is unavailable until the next start: " +
                                                   std::string(status.message()));
    }
  }
  if (collection && status.ok()) collection->close_dropped();
  if (collection && !status.ok()) collection->close(false).ignore();
  if (!status.ok() || !env_.files->exists(folder(name))) return status;
  // The record is what counts: a folder that cannot be moved now is moved later.
  if (const Status moved = move_to_dropped(name, config.uuid); !moved.ok()) {
    log_warning("folder.not_moved", {{"folder", name}, {"reason", std::string(moved.message())}});
  }
  if (purge_too) return purge_dropped(name, Status());
  return config.retention_days == 0u ? purge(config) : Status();
}

Status DatabaseImpl::checkpoint_all() {
  Status first;
  for (const auto& collection : list()) {
    if (!collection->dirty()) continue;
    Status status = collection->checkpoint();
    const bool dropped = status.code() == Code::kNotFound;  // meanwhile
    if (!status.ok() && !dropped && first.ok()) {
      first = std::move(status).context(collection->config().name);
    }
  }
  return first;
}

void DatabaseImpl::look_at_disk() {
  uint64_t unsaved = 0;
  for (const auto& collection : list())
    unsaved += collection->unsaved_bytes();
  space_.look(unsaved);
}

CollectionCounts DatabaseImpl::counts() {
  CollectionCounts counts;
  const MutexLock lock(mutex_);
  for (const auto& [name, entry] : entries_) {
    ++counts.total;
    if (!entry.collection || !entry.collection->failure().ok()) {
      ++counts.unavailable;
    } else if (entry.collection->dirty()) {
      ++counts.dirty;
    }
  }
  return counts;
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
