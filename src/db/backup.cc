// Making backups and listing them; the way back is in restore_backup.cc.
#include "db/backup.h"

#include <algorithm>

#include "backup/archive.h"
#include "backup/manifest.h"
#include "backup/object_stream.h"
#include "backup/sha256.h"
#include "base/logging.h"
#include "db/backup_names.h"

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
    TRY(measure_all());
    TRY(progress_(0, total_));
    TRY(hash_all());
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
      } else {
        skip(collection->config().name, std::move(checkpoint).error());
      }
    }
    if (!pinned_.empty() || outcome_.skipped.empty()) return {};
    const auto& [name, why] = outcome_.skipped.front();
    return why.clone().context("no collection can be read, as '" + name + "'");
  }

  Status measure_all() {
    manifest_.server_version = request_.server_version;
    manifest_.unix_micros = request_.unix_micros;
    for (PinnedCollection& pinned : pinned_) {
      const CollectionConfig& config = pinned.collection->config();
      const PinnedCheckpoint& checkpoint = pinned.checkpoint;
      BackupCollection entry{
          config.name, checkpoint.lsn, checkpoint.unix_micros, encode_config(config), {}};
      if (checkpoint.lsn > 0) {
        entry.files.push_back({std::string(kCheckpointFile), checkpoint.manifest.size(), ""});
        pinned.sources.push_back({"", checkpoint.manifest});
      }
      for (const std::string& name : checkpoint.page_files) {
        const std::string path = checkpoint.dir + "/" + name;
        TRY_ASSIGN(const std::unique_ptr<File> file, open(path, config.name));
        TRY_ASSIGN(const uint64_t bytes, file->size());
        entry.files.push_back({name, bytes, ""});
        pinned.sources.push_back({path, ""});
      }
      outcome_.files += entry.files.size();
      manifest_.collections.push_back(std::move(entry));
    }
    total_ = 2 * manifest_.bytes();
    return {};
  }

  Status hash_all() {
    for (size_t i = 0; i < pinned_.size(); ++i) {
      BackupCollection& entry = manifest_.collections[i];
      for (size_t j = 0; j < entry.files.size(); ++j) {
        Sha256 sha;
        TRY(read(pinned_[i].sources[j], entry, entry.files[j].bytes, [&sha](Bytes bytes) {
          sha.update(bytes);
          return Status();
        }));
        entry.files[j].sha256 = sha.hex();
      }
      TRY(still_there(pinned_[i]));
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
    TRY(read(pinned_[collection].sources[index], entry, file.bytes, [&](Bytes bytes) {
      sha.update(bytes);
      return sink(bytes);
    }));
    if (sha.hex() == file.sha256) return {};
    return {Code::kIo, "the file " + file.path + " of collection '" + entry.name +
                           "' changed while it was being read"};
  }

  Status read(const Source& source, const BackupCollection& entry, uint64_t bytes,
              const ByteSink& sink) {
    if (source.path.empty()) {
      TRY(sink(as_bytes(source.content)));
      return advance(bytes);
    }
    TRY_ASSIGN(const std::unique_ptr<File> file, open(source.path, entry.name));
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

  Result<std::unique_ptr<File>> open(const std::string& path, const std::string& name) {
    auto file = files_.open(path, OpenMode::kRead);
    if (!file.ok() && file.error().code() == Code::kNotFound) return gone(name);
    return file;
  }

  /// Another collection may have its folder now.
  Status still_there(const PinnedCollection& pinned) {
    const CollectionConfig& config = pinned.collection->config();
    const auto now = db_.find(config.name);
    if (now.ok() && (*now)->config().uuid == config.uuid) return {};
    return gone(config.name);
  }

  static Status gone(const std::string& name) {
    return {Code::kConflict,
            "collection '" + name + "' was dropped while it was being backed up: try again"};
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
