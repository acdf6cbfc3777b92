// Going back by the catalog: which collection had a name at a moment, bringing dropped ones back,
// and what becomes of dropped ones in the end.
#include <algorithm>

#include "base/logging.h"
#include "db/database_impl.h"

namespace ferres {
namespace {

constexpr uint64_t kMicrosPerDay = 86'400'000'000;

}  // namespace

/// The collection that had a name at a moment.
struct DatabaseImpl::Then {
  std::shared_ptr<Collection> living;
  CollectionConfig dropped;  // without one
};

Result<DatabaseImpl::Then> DatabaseImpl::who_was(const std::string& name,
                                                 const RestoreTarget& target) {
  auto living = find(name);
  if (!living.ok() && living.error().code() != Code::kNotFound) return std::move(living).error();
  if (living.ok() && (!target.unix_micros || lived((*living)->config().uuid, *target.unix_micros)))
    return Then{*living, {}};
  const std::vector<DroppedCollection> gone = dropped();
  bool known = living.ok();
  for (auto at = gone.rbegin(); at != gone.rend(); ++at) {
    if (at->config.name != name) continue;
    known = true;
    if (!target.unix_micros || lived(at->config.uuid, *target.unix_micros))
      return Then{{}, at->config};
  }
  if (!known) return std::move(living).error();
  return Status(Code::kNotFound, "there was no collection '" + name + "' at that time");
}

bool DatabaseImpl::lived(const std::string& uuid, uint64_t unix_micros) {
  const MutexLock catalog_lock(catalog_mutex_);
  if (catalog_->purged().contains(uuid)) return false;
  const std::vector<Catalog::Life>& lives = catalog_->lives(uuid);
  return std::any_of(lives.begin(), lives.end(), [unix_micros](const Catalog::Life& life) {
    return life.from_micros <= unix_micros && unix_micros < life.to_micros;
  });
}

/// Holds a name whose collection is on its way.
Status DatabaseImpl::reserve(const CollectionConfig& config) {
  TRY(admit(config.name));
  const MutexLock lock(mutex_);
  entries_[config.name] = {config, nullptr,
                           Status(Code::kUnavailable, "collection '" + config.name +
                                                          "' is being restored: try again later")};
  return {};
}

void DatabaseImpl::give_up(const std::string& name) {
  const MutexLock lock(mutex_);
  entries_.erase(name);
}

/// A folder that a start would remove, for a collection whose name is free.
Status DatabaseImpl::begin_folder(const CollectionConfig& config) {
  TRY(reserve(config));
  Status made = make_folder(config);
  if (made.ok()) {
    made = write_file_atomic(*env_.files, folder(config.name) + std::string(kUnfinishedFile), {});
  }
  if (!made.ok()) give_up(config.name);
  return made;
}

/// What is in the folder becomes a collection.
Status DatabaseImpl::finish_folder(const CollectionConfig& config) {
  {
    const MutexLock lock(mutex_);
    if (closed_) return {Code::kUnavailable, "the database is closing"};
  }
  TRY_ASSIGN([[maybe_unused]] const auto entered, enter(config));
  // A start finds the record and does the same.
  if (const Status status = remove_mark(config.name); !status.ok()) {
    log_warning("folder.unfinished",
                {{"folder", config.name}, {"reason", std::string(status.message())}});
  }
  return {};
}

/// The folder stays while its record may yet turn up. What cannot be removed now, a start removes.
void DatabaseImpl::abandon_folder(const CollectionConfig& config) {
  if (catalog_->certain()) env_.files->remove_tree(folder(config.name)).ignore();
  give_up(config.name);
}

/// A dropped collection, restored: it is there again with the record that follows, and not before.
Result<RestoreResult> DatabaseImpl::bring_back(const CollectionConfig& config,
                                               const RestoreTarget& target,
                                               const RestoreProgress& progress) {
  {
    const MutexLock catalog_lock(catalog_mutex_);
    if (!catalog_->dropped().contains(config.uuid) || !env_.files->exists(dropped_folder(config))) {
      return Status(Code::kNotFound, "the history of collection '" + config.name + "' is gone");
    }
    TRY(reserve(config));
    const Status moved = move_back(config);
    if (!moved.ok()) {
      give_up(config.name);
      return moved.clone();
    }
  }
  const auto restore = [&]() -> Result<RestoreResult> {
    TRY_ASSIGN(const std::shared_ptr<Collection> collection,
               Collection::open(env_, folder(config.name), config, options_.collection));
    Result<RestoreResult> restored = collection->restore(target, progress);
    const Status closed = collection->close(restored.ok());
    if (restored.ok()) TRY(closed.clone());
    return restored;
  };
  Result<RestoreResult> restored = restore();
  const MutexLock catalog_lock(catalog_mutex_);
  if (restored.ok()) {
    auto entered = enter(config);
    if (entered.ok()) return restored;
    restored = std::move(entered).error();
  }
  if (env_.files->exists(folder(config.name))) move_to_dropped(config.name, config.uuid).ignore();
  give_up(config.name);
  return restored;
}

Status DatabaseImpl::move_back(const CollectionConfig& config) {
  if (env_.files->exists(folder(config.name))) {
    TRY(move_to_dropped(config.name, folder_uuid(config.name)));
  }
  TRY(env_.files->rename(dropped_folder(config), folder(config.name)));
  TRY(env_.files->sync_dir(options_.dir + "/collections"));
  return env_.files->sync_dir(options_.dir + "/dropped");
}

Result<RestoreResult> DatabaseImpl::restore_one(const std::string& name,
                                                const RestoreTarget& target,
                                                const RestoreProgress& progress) {
  TRY_ASSIGN(const Then then, who_was(name, target));
  if (then.living != nullptr) return then.living->restore(target, progress);
  if (target.ns) {
    return Status(Code::kConflict, "collection '" + name +
                                       "' was dropped since: restore it whole, or the namespace "
                                       "under another name, by target_collection");
  }
  if (find(name).ok()) {
    return Status(Code::kConflict, "another collection is called '" + name +
                                       "' now: restore the old one under another name, by "
                                       "target_collection");
  }
  return bring_back(then.dropped, target, progress);
}

Result<RestoreResult> DatabaseImpl::restore_as(const std::string& name, const std::string& as,
                                               const RestoreTarget& target,
                                               const RestoreProgress& progress) {
  TRY_ASSIGN(Then then, who_was(name, target));
  const bool living = then.living != nullptr;
  CollectionConfig config = living ? then.living->config() : then.dropped;
  const CollectionConfig source = config;
  config.name = as;
  config.uuid = new_collection_uuid();
  config.created_at = env_.clock->unix_micros() / 1'000'000;
  TRY(validate_config(config));
  {
    const MutexLock catalog_lock(catalog_mutex_);
    TRY(begin_folder(config));
  }
  const auto copy = [&]() -> Result<RestoreResult> {
    if (!living) {
      CollectionOptions quiet = options_.collection;
      quiet.background = false;
      TRY_ASSIGN(then.living, Collection::open(env_, dropped_folder(source), source, quiet));
    }
    Result<RestoreResult> copied = then.living->copy_at(target, config, folder(as), progress);
    if (!living) then.living->close(false).ignore();
    return copied;
  };
  Result<RestoreResult> copied = copy();
  const MutexLock catalog_lock(catalog_mutex_);
  if (copied.ok()) {
    config.origin_lsn = copied->lsn;
    Status finished = write_file_atomic(*env_.files, folder(as) + std::string(kConfigFile),
                                        as_bytes(encode_config(config)));
    if (finished.ok()) finished = finish_folder(config);
    if (finished.ok()) return copied;
    copied = std::move(finished);
  }
  abandon_folder(config);
  return copied;
}

/// Opening passes over a damaged checkpoint, for the log may have it all; here there is no log.
Status DatabaseImpl::try_out(const Newcomer& newcomer) const {
  const CollectionConfig& config = newcomer.config;
  CollectionOptions quiet = options_.collection;
  quiet.background = false;
  TRY_ASSIGN(const std::shared_ptr<Collection> collection,
             Collection::open(env_, folder(config.name), config, quiet));
  const Lsn lsn = collection->stats().lsn;
  TRY(collection->close(false));
  if (lsn == newcomer.lsn) return {};
  return {Code::kCorruption,
          "collection '" + config.name + "' cannot be opened: its files are damaged"};
}

Status DatabaseImpl::adopt(
    std::vector<Newcomer> newcomers,
    const std::function<Status(const std::vector<std::string>& dirs)>& fill) {
  std::vector<std::string> dirs;
  const auto begin_all = [&]() -> Status {
    const MutexLock catalog_lock(catalog_mutex_);
    for (auto& [config, lsn] : newcomers) {
      config.uuid = new_collection_uuid();
      TRY(validate_config(config));
      TRY(begin_folder(config));
      dirs.push_back(folder(config.name));
    }
    return {};
  };
  Status status = begin_all();
  if (status.ok()) status = fill(dirs);
  for (size_t i = 0; status.ok() && i < newcomers.size(); ++i)
    status = try_out(newcomers[i]);
  const MutexLock catalog_lock(catalog_mutex_);
  size_t entered = 0;
  while (status.ok() && entered < newcomers.size()) {
    status = finish_folder(newcomers[entered].config);
    if (status.ok()) ++entered;
  }
  if (status.ok()) return status;
  for (size_t i = entered; i < dirs.size(); ++i)
    abandon_folder(newcomers[i].config);
  return status;
}

Result<RestoreOutcome> DatabaseImpl::restore(const RestoreRequest& request,
                                             const RestoreProgress& progress) {
  RestoreOutcome outcome;
  if (request.collection) {
    const std::string& name = *request.collection;
    TRY_ASSIGN(const RestoreResult result,
               request.as ? restore_as(name, *request.as, request.target, progress)
                          : restore_one(name, request.target, progress));
    outcome.restored.emplace_back(request.as.value_or(name), result);
    return outcome;
  }
  if (!request.target.unix_micros || request.as) {
    return Status(Code::kInvalidArgument,
                  "an LSN is of one collection, and so is target_collection: name the collection");
  }
  std::vector<std::string> names;
  for (const UnopenedCollection& closed : unopened())
    names.push_back(closed.config.name);
  for (const auto& collection : list())
    names.push_back(collection->config().name);
  for (const DroppedCollection& gone : dropped())
    names.push_back(gone.config.name);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (const std::string& name : names) {
    if (const auto then = who_was(name, request.target); !then.ok()) {
      if (then.error().code() != Code::kNotFound) {
        outcome.failed.emplace_back(name, then.error().clone());
      } else if (find(name).ok()) {
        outcome.newer.push_back(name);
      }
      continue;
    }
    auto result = restore_one(name, request.target, progress);
    if (result.ok()) {
      outcome.restored.emplace_back(name, *result);
    } else {
      outcome.failed.emplace_back(name, std::move(result).error());
    }
  }
  return outcome;
}

std::vector<UnopenedCollection> DatabaseImpl::unopened() {
  std::vector<UnopenedCollection> closed;
  const MutexLock lock(mutex_);
  for (const auto& [name, entry] : entries_)
    if (!entry.collection) closed.push_back({entry.config, entry.error.clone()});
  return closed;
}

std::vector<DroppedCollection> DatabaseImpl::dropped() {
  std::vector<DroppedCollection> gone;
  const MutexLock catalog_lock(catalog_mutex_);
  for (const auto& [uuid, dropped] : catalog_->dropped())
    gone.push_back({dropped.config, dropped.unix_micros});
  std::sort(gone.begin(), gone.end(),
            [](const auto& a, const auto& b) { return a.dropped_micros < b.dropped_micros; });
  return gone;
}

/// The record comes first: a start removes what is left of the folder.
Status DatabaseImpl::purge(const CollectionConfig& config) {
  TRY(catalog_->purge(config.uuid));
  log_info("collection.purged", {{"collection", config.name}, {"uuid", config.uuid}});
  return env_.files->remove_tree(dropped_folder(config));
}

/// All dropped collections of a name; `none` when there are none.
Status DatabaseImpl::purge_dropped(const std::string& name, const Status& none) {
  std::vector<CollectionConfig> gone;
  for (const auto& [uuid, dropped] : catalog_->dropped())
    if (dropped.config.name == name) gone.push_back(dropped.config);
  for (const CollectionConfig& config : gone)
    TRY(purge(config));
  return gone.empty() ? none.clone() : Status();
}

void DatabaseImpl::trim() {
  for (const auto& collection : list())
    collection->trim().ignore();  // one that is unavailable keeps what it has
  const uint64_t now = env_.clock->unix_micros();
  for (const DroppedCollection& gone : dropped()) {
    const std::optional<uint32_t> days = gone.config.retention_days;
    if (!days || gone.dropped_micros + *days * kMicrosPerDay > now) continue;
    const MutexLock catalog_lock(catalog_mutex_);
    if (!catalog_->dropped().contains(gone.config.uuid)) continue;
    if (const Status status = purge(gone.config); !status.ok()) {
      log_warning("collection.not_purged",
                  {{"collection", gone.config.name}, {"reason", std::string(status.message())}});
    }
  }
}

}  // namespace ferres
