// Making backups and listing them; the way back is in restore_backup.cc.
#include "db/backup.h"

#include <algorithm>

#include "backup/archive.h"
#include "backup/manifest.h"
#include "backup/object_stream.h"
#include "backup/sha256.h"
#include "base/logging.h"
#include "collection/partition.h"
#include "db/backup_names.h"
#include "storage/check.h"

namespace ferres {
namespace {

constexpr size_t kReadBytes = 1 << 20;

/// One file of a collection: on the disk, or the manifest, which is in memory.
struct Source {
  std::string path;  // on the disk; empty: `content`
  std::string content;
};

struct PinnedCollection {
  std::shared_ptr<Collection> collection;
  PinnedCheckpoint checkpoint;
  std::vector<Source> sources;  // as the manifest's files of it
};

class Backup {
 public:
  Backup(Database& db, FileSystem& files, ObjectStore& store, const BackupRequest& request,
         const BackupProgress& progress)
      : db_(db), files_(files), store_(store), request_(request), progress_(progress) {}

  Result<BackupOutcome> run() {
    TRY(choose_key());
    TRY(pin_all());
    list_files();
    TRY(read_all());
    TRY(request_.incremental ? upload_objects() : upload_archive());
    log_info("backup.done", {{"key", outcome_.key},
                             {"bytes", outcome_.size_bytes},
                             {"files", outcome_.files},
                             {"new_files", outcome_.new_files}});
    return std::move(outcome_);
  }

 private:
  /// The store is asked first: wrong keys or a wrong address end a backup before it costs anything.
  Status choose_key() {
    BackupKey key{request_.unix_micros / 1'000'000, request_.incremental};
    for (;; ++key.unix_seconds) {
      outcome_.key = backup_key(key);
      TRY_ASSIGN(const std::vector<StoredObject> taken, store_.list(outcome_.key));
      if (taken.empty()) return {};
    }
  }

  void skip(const std::string& name, Status why) {
    log_warning("backup.skipped", {{"collection", name}, {"reason", why}});
    outcome_.skipped.emplace_back(name, std::move(why));
  }

  Status pin_all() {
    for (auto& [config, why] : db_.unopened())
      skip(config.name, std::move(why));
    for (const std::shared_ptr<Collection>& collection : db_.list()) {
      auto checkpoint = collection->pin_checkpoint();
      if (checkpoint.ok()) {
        pinned_.push_back({collection, *std::move(checkpoint), {}});
      } else if (checkpoint.error().code() != Code::kNotFound) {  // else it was dropped meanwhile
        skip(collection->config().name, std::move(checkpoint).error());
      }
    }
    return {};
  }

  void list_files() {
    manifest_.server_version = request_.server_version;
    manifest_.unix_micros = request_.unix_micros;
    for (PinnedCollection& pinned : pinned_) {
      const CollectionConfig& config = pinned.collection->config();
      const Manifest& checkpoint = pinned.checkpoint.manifest;
      BackupCollection entry{
          config.name, checkpoint.lsn, checkpoint.unix_micros, encode_config(config), {}};
      if (checkpoint.lsn > 0) {
        const std::string manifest = encode_manifest(checkpoint);
        entry.files.push_back({std::string(kCheckpointFile), manifest.size(), ""});
        pinned.sources.push_back({"", manifest});
      }
      for (const StoreManifest& store : checkpoint.stores) {
        for (const PageFileEntry& file : store.files) {
          entry.files.push_back({file.name, file.bytes, ""});
          pinned.sources.push_back({pinned.checkpoint.dir + "/" + file.name, ""});
        }
      }
      manifest_.collections.push_back(std::move(entry));
    }
  }

  /// Leaves out what is damaged, and what was dropped by then: it was only just there.
  Status read_all() {
    total_ = 3 * manifest_.bytes();  // each file is checked, hashed and sent
    TRY(progress_(0, total_));
    for (size_t i = 0; i < pinned_.size();) {
      Status read = check(pinned_[i]);
      if (read.ok()) read = hash(i);
      if (read.ok()) {
        ++i;
        continue;
      }
      if (!was_dropped(pinned_[i])) {
        const bool damaged = read.code() == Code::kCorruption || read.code() == Code::kNotFound;
        if (!damaged) return read;
        skip(manifest_.collections[i].name, std::move(read));
      }
      leave_out(i);
    }
    for (size_t i = pinned_.size(); i > 0; --i)
      if (was_dropped(pinned_[i - 1])) leave_out(i - 1);
    for (const BackupCollection& entry : manifest_.collections)
      outcome_.files += entry.files.size();
    total_ = done_ + manifest_.bytes();
    TRY(progress_(done_, total_));  // it may have asked for an end that a drop hid
    if (!pinned_.empty() || outcome_.skipped.empty()) return {};
    const auto& [name, why] = outcome_.skipped.front();
    return why.clone().context("no collection can be read, as '" + name + "'");
  }

  void leave_out(size_t collection) {
    pinned_.erase(pinned_.begin() + static_cast<ptrdiff_t>(collection));
    manifest_.collections.erase(manifest_.collections.begin() + static_cast<ptrdiff_t>(collection));
  }

  /// Every page of the points: after the restore there is no other copy. A damaged index is made
  /// anew there.
  Status check(const PinnedCollection& pinned) {
    for (const StoreManifest& store : pinned.checkpoint.manifest.stores) {
      uint64_t bytes = 0;
      for (const PageFileEntry& file : store.files)
        bytes += file.bytes;
      if (!is_index(store.family)) {
        const auto damage = check_page_store(files_, pinned.checkpoint.dir, store, [](uint64_t) {});
        if (damage) return {Code::kCorruption, text_of(*damage) + "; ferresdb check says more"};
      }
      TRY(advance(bytes));
    }
    return {};
  }

  Status hash(size_t collection) {
    BackupCollection& entry = manifest_.collections[collection];
    for (size_t j = 0; j < entry.files.size(); ++j) {
      Sha256 sha;
      TRY(read(pinned_[collection].sources[j], entry.files[j].bytes, [&sha](Bytes bytes) {
        sha.update(bytes);
        return Status();
      }));
      entry.files[j].sha256 = sha.hex();
    }
    return {};
  }

  Status upload_archive() {
    ObjectWriter object(store_, outcome_.key, manifest_.bytes());
    ArchiveWriter archive(request_.unix_micros / 1'000'000,
                          [&object](Bytes bytes) { return object.write(bytes); });
    const std::string manifest = encode_backup_manifest(manifest_);
    TRY(archive.begin(std::string(kArchiveManifest), manifest.size()));
    TRY(archive.write(as_bytes(manifest)));
    const auto add = [&](size_t collection, size_t index) -> Status {
      const BackupCollection& entry = manifest_.collections[collection];
      const BackupFile& file = entry.files[index];
      TRY(archive.begin(archive_name(entry.name, file.path), file.bytes));
      return send(collection, index, [&archive](Bytes bytes) { return archive.write(bytes); });
    };
    TRY(for_each_file(add));
    TRY(archive.finish());
    TRY(object.finish());
    outcome_.size_bytes = object.bytes();
    outcome_.new_files = outcome_.files;
    return {};
  }

  /// The manifest goes last: there is no backup that lacks an object.
  Status upload_objects() {
    const auto add = [&](size_t collection, size_t index) -> Status {
      const BackupFile& file = manifest_.collections[collection].files[index];
      const std::string key = object_key(file.sha256);
      const Result<uint64_t> there = store_.size(key);
      if (there.ok() && *there == file.bytes) return advance(file.bytes);
      if (!there.ok() && there.error().code() != Code::kNotFound) return there.error().clone();
      ObjectWriter object(store_, key, file.bytes);
      TRY(send(collection, index, [&object](Bytes bytes) { return object.write(bytes); }));
      TRY(object.finish());
      outcome_.size_bytes += object.bytes();
      ++outcome_.new_files;
      return {};
    };
    TRY(for_each_file(add));
    const std::string manifest = encode_backup_manifest(manifest_);
    TRY(store_.put(outcome_.key, as_bytes(manifest)));
    outcome_.size_bytes += manifest.size();
    return {};
  }

  Status for_each_file(const std::function<Status(size_t collection, size_t index)>& use) {
    for (size_t i = 0; i < pinned_.size(); ++i) {
      for (size_t j = 0; j < pinned_[i].sources.size(); ++j)
        TRY(use(i, j));
    }
    return {};
  }

  /// Whoever gets the bytes must not believe them before this returned ok.
  Status send(size_t collection, size_t index, const ByteSink& sink) {
    const BackupCollection& entry = manifest_.collections[collection];
    const BackupFile& file = entry.files[index];
    Sha256 sha;
    Status sent = read(pinned_[collection].sources[index], file.bytes, [&](Bytes bytes) {
      sha.update(bytes);
      return sink(bytes);
    });
    if (sent.code() == Code::kNotFound) {
      return {Code::kConflict, "collection '" + entry.name +
                                   "' was dropped while it was being backed up: try again"};
    }
    TRY(std::move(sent));
    if (sha.hex() == file.sha256) return {};
    return {Code::kIo, "the file " + file.path + " of collection '" + entry.name +
                           "' changed while it was being read"};
  }

  Status read(const Source& source, uint64_t bytes, const ByteSink& sink) {
    if (source.path.empty()) {
      TRY(sink(as_bytes(source.content)));
      return advance(bytes);
    }
    TRY_ASSIGN(const std::unique_ptr<File> file, files_.open(source.path, OpenMode::kRead));
    std::vector<std::byte> buffer(static_cast<size_t>(std::min<uint64_t>(kReadBytes, bytes)));
    for (uint64_t at = 0; at < bytes;) {
      const auto count = static_cast<size_t>(std::min<uint64_t>(buffer.size(), bytes - at));
      TRY_ASSIGN(const size_t got, file->read(at, MutableBytes(buffer).first(count)));
      if (got != count) return {Code::kIo, source.path + ": became shorter while it was read"};
      TRY(sink(Bytes(buffer).first(got)));
      at += got;
      TRY(advance(got));
    }
    return {};
  }

  /// Another collection may have its folder now.
  bool was_dropped(const PinnedCollection& pinned) {
    const CollectionConfig& config = pinned.collection->config();
    const auto now = db_.find(config.name);
    return now.ok() ? (*now)->config().uuid != config.uuid : now.error().code() == Code::kNotFound;
  }

  Status advance(uint64_t bytes) {
    done_ += bytes;
    return progress_(done_, total_);
  }

  Database& db_;
  FileSystem& files_;
  ObjectStore& store_;
  const BackupRequest& request_;
  const BackupProgress& progress_;
  std::vector<PinnedCollection> pinned_;
  BackupManifest manifest_;
  BackupOutcome outcome_;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
};

}  // namespace

Result<BackupOutcome> back_up(Database& db, FileSystem& files, ObjectStore& store,
                              const BackupRequest& request, const BackupProgress& progress) {
  return Backup(db, files, store, request, progress).run();
}

Result<std::vector<BackupEntry>> list_backups(ObjectStore& store) {
  TRY_ASSIGN(const std::vector<StoredObject> objects, store.list(std::string(kBackupPrefix)));
  std::vector<BackupEntry> entries;
  for (const StoredObject& object : objects) {
    const auto key = parse_backup_key(object.key);
    if (!key) continue;
    entries.push_back({object.key, key->unix_seconds, object.bytes, key->incremental});
  }
  std::reverse(entries.begin(), entries.end());
  return entries;
}

}  // namespace ferres
