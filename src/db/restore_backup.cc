// From a backup to collections. Nothing of it is believed: names and sizes are those of its
// manifest, every file must have the hash that stands there, and the manifest itself is checked
// before anything is written.
#include <algorithm>

#include "backup/archive.h"
#include "backup/manifest.h"
#include "backup/object_stream.h"
#include "backup/sha256.h"
#include "base/logging.h"
#include "collection/history.h"
#include "collection/partition.h"
#include "db/backup.h"
#include "db/backup_names.h"
#include "storage/check.h"
#include "storage/manifest.h"
#include "storage/page_file.h"

namespace ferres {
namespace {

constexpr uint64_t kCheckpointBytesMax = 64 << 20;
constexpr size_t kCopyBytes = 1 << 20;

/// A backup's files, in the order of its manifest.
class BackupReader {
 public:
  virtual ~BackupReader() = default;
  virtual Result<BackupManifest> manifest() = 0;
  /// The next file that is wanted: its bytes into the sink.
  virtual Status read(const BackupCollection& collection, const BackupFile& file,
                      const ByteSink& sink) = 0;
  /// What the manifest lists and nobody wants.
  virtual Status skip(const BackupCollection& collection, const BackupFile& file) = 0;
};

class ArchiveBackup : public BackupReader {
 public:
  ArchiveBackup(ObjectStore& store, const std::string& key, uint64_t bytes)
      : object_(store, key, bytes), archive_([this] { return object_.next(); }) {}

  Result<BackupManifest> manifest() override {
    TRY_ASSIGN(const ArchiveReader::Entry entry, next());
    if (entry.name != kArchiveManifest || entry.bytes > kBackupManifestBytesMax) {
      return Status(Code::kCorruption, "the archive does not begin with a manifest");
    }
    std::string json;
    TRY(copy(entry.bytes, [&json](Bytes bytes) {
      json += as_text(bytes);
      return Status();
    }));
    return decode_backup_manifest(json);
  }

  Status read(const BackupCollection& collection, const BackupFile& file,
              const ByteSink& sink) override {
    TRY(skip(collection, file));
    return copy(file.bytes, sink);
  }

  Status skip(const BackupCollection& collection, const BackupFile& file) override {
    TRY_ASSIGN(const ArchiveReader::Entry entry, next());
    const std::string name = archive_name(collection.name, file.path);
    if (entry.name == name && entry.bytes == file.bytes) return {};
    return {Code::kCorruption, "the archive does not hold " + name + " where its manifest says"};
  }

 private:
  Result<ArchiveReader::Entry> next() {
    TRY_ASSIGN(std::optional<ArchiveReader::Entry> entry, archive_.next());
    if (!entry) return Status(Code::kCorruption, "the archive ends too early");
    return *std::move(entry);
  }

  Status copy(uint64_t bytes, const ByteSink& sink) {
    std::vector<std::byte> buffer(static_cast<size_t>(std::min<uint64_t>(kCopyBytes, bytes)));
    while (bytes > 0) {
      const auto want = static_cast<size_t>(std::min<uint64_t>(buffer.size(), bytes));
      TRY_ASSIGN(const size_t got, archive_.read(MutableBytes(buffer).first(want)));
      if (got == 0) return {Code::kCorruption, "the archive ends too early"};
      TRY(sink(Bytes(buffer).first(got)));
      bytes -= got;
    }
    return {};
  }

  ObjectReader object_;
  ArchiveReader archive_;
};

class ObjectsBackup : public BackupReader {
 public:
  ObjectsBackup(ObjectStore& store, std::string key, uint64_t bytes)
      : store_(store), key_(std::move(key)), bytes_(bytes) {}

  Result<BackupManifest> manifest() override {
    if (bytes_ > kBackupManifestBytesMax)
      return Status(Code::kCorruption, "the manifest is too large to be one");
    TRY_ASSIGN(const std::string json, store_.get(key_, 0, bytes_));
    return decode_backup_manifest(json);
  }

  Status read(const BackupCollection&, const BackupFile& file, const ByteSink& sink) override {
    const std::string key = object_key(file.sha256);
    const Result<uint64_t> bytes = store_.size(key);
    if (!bytes.ok() && bytes.error().code() != Code::kNotFound) return bytes.error().clone();
    if (!bytes.ok() || *bytes != file.bytes)
      return {Code::kCorruption, "the object " + key + " is missing or of another size"};
    ObjectReader object(store_, key, file.bytes);
    for (;;) {
      TRY_ASSIGN(const Bytes next, object.next());
      if (next.empty()) return {};
      TRY(sink(next));
    }
  }

  Status skip(const BackupCollection&, const BackupFile&) override { return {}; }

 private:
  ObjectStore& store_;
  const std::string key_;
  const uint64_t bytes_;
};

class BackupRestore {
 public:
  BackupRestore(Database& db, FileSystem& files, ObjectStore& store,
                const BackupRestoreRequest& request, const BackupProgress& progress)
      : db_(db), files_(files), store_(store), request_(request), progress_(progress) {}

  Result<std::vector<RestoredCollection>> run() {
    TRY(open_reader());
    TRY_ASSIGN(manifest_, reader_->manifest());
    TRY_ASSIGN(std::vector<Newcomer> newcomers, choose());
    log_info("backup.restore", {{"key", request_.key}, {"collections", newcomers.size()}});
    TRY(db_.adopt(std::move(newcomers),
                  [this](const std::vector<std::string>& dirs) { return fill(dirs); }));
    std::vector<RestoredCollection> restored;
    for (const BackupCollection* wanted : wanted_) {
      const std::string name = name_of(*wanted);
      uint64_t points = 0;
      if (const auto collection = db_.find(name); collection.ok())
        points = (*collection)->stats().points;
      restored.push_back({name, wanted->lsn, points});
    }
    return restored;
  }

 private:
  std::string name_of(const BackupCollection& collection) const {
    return request_.as.value_or(collection.name);
  }

  Status open_reader() {
    const auto key = parse_backup_key(request_.key);
    const Status missing(Code::kNotFound, "there is no backup '" + request_.key +
                                              "': GET /api/v1/admin/backups lists them");
    if (!key) return missing.clone();
    const Result<uint64_t> bytes = store_.size(request_.key);
    if (!bytes.ok() && bytes.error().code() == Code::kNotFound) {
      // A bucket that is missing says so only here.
      TRY_ASSIGN([[maybe_unused]] const auto like_it, store_.list(request_.key));
      return missing.clone();
    }
    if (!bytes.ok()) return bytes.error().clone();
    if (key->incremental) {
      reader_ = std::make_unique<ObjectsBackup>(store_, request_.key, *bytes);
    } else {
      reader_ = std::make_unique<ArchiveBackup>(store_, request_.key, *bytes);
    }
    return {};
  }

  /// Fills wanted_; the collections to come, in the same order.
  Result<std::vector<Newcomer>> choose() {
    std::vector<Newcomer> newcomers;
    for (const BackupCollection& collection : manifest_.collections) {
      if (request_.collection && collection.name != *request_.collection) continue;
      TRY_ASSIGN(CollectionConfig config, decode_config(collection.config_json));
      if (config.name != collection.name)
        return Status(Code::kCorruption, "the backup calls a collection by two names");
      config.name = name_of(collection);
      config.origin_lsn = collection.lsn;
      TRY(validate_config(config));
      if (const auto taken = db_.find(config.name);
          taken.ok() || taken.error().code() != Code::kNotFound) {
        return Status(Code::kAlreadyExists,
                      "collection '" + config.name +
                          "' already exists: drop it first, or restore the old one beside it by "
                          "collection and target_collection");
      }
      wanted_.push_back(&collection);
      total_ += bytes_of(collection);
      newcomers.push_back({std::move(config), collection.lsn});
    }
    if (wanted_.empty() && request_.collection) {
      return Status(Code::kNotFound,
                    "the backup holds no collection '" + *request_.collection + "'");
    }
    return newcomers;
  }

  static uint64_t bytes_of(const BackupCollection& collection) {
    uint64_t bytes = 0;
    for (const BackupFile& file : collection.files)
      bytes += file.bytes;
    return bytes;
  }

  Status fill(const std::vector<std::string>& dirs) {
    if (dirs.empty()) return {};
    TRY_ASSIGN(const uint64_t free, files_.free_bytes(dirs.front()));
    if (free < total_) {
      return {Code::kNoSpace, "the backup needs " + std::to_string(total_) +
                                  " bytes of disk space, and there are " + std::to_string(free)};
    }
    size_t next = 0;
    for (const BackupCollection& collection : manifest_.collections) {
      if (next == wanted_.size()) return {};  // what follows is not even read
      if (wanted_[next] == &collection) {
        TRY(fill_one(collection, dirs[next]));
        ++next;
        continue;
      }
      for (const BackupFile& file : collection.files)
        TRY(reader_->skip(collection, file));
    }
    return {};
  }

  Status fill_one(const BackupCollection& collection, const std::string& dir) {
    if (collection.lsn == 0 && collection.files.empty()) return {};
    TRY_ASSIGN(const Manifest checkpoint, read_checkpoint(collection));
    size_t at = 1;
    for (const StoreManifest& store : checkpoint.stores) {
      for (const PageFileEntry& entry : store.files)
        TRY(write_page_file(collection, collection.files[at++], entry, dir));
      if (!is_index(store.family)) TRY(check_points(store, dir));
    }
    return write_manifest(files_, manifest_dir_of(dir), checkpoint);
  }

  /// Of a backup that somebody else made, perhaps: all hashes were right.
  Status check_points(const StoreManifest& store, const std::string& dir) {
    const auto damage = check_page_store(files_, dir, store, [](uint64_t) {});
    if (!damage) return {};
    return {Code::kCorruption, "the backup is damaged: " + text_of(*damage)};
  }

  /// It lists exactly the files that follow it.
  Result<Manifest> read_checkpoint(const BackupCollection& collection) {
    const auto wrong = [&collection] {
      return Status(Code::kCorruption, "the backup's checkpoint of collection '" + collection.name +
                                           "' does not fit its files");
    };
    if (collection.files.empty() || collection.files.front().path != kCheckpointFile ||
        collection.files.front().bytes > kCheckpointBytesMax) {
      return wrong();
    }
    std::string bytes;
    TRY(read(collection, collection.files.front(), [&bytes](Bytes more) {
      bytes += as_text(more);
      return Status();
    }));
    TRY_ASSIGN(Manifest checkpoint, decode_manifest(as_bytes(bytes)));
    size_t at = 1;
    for (const StoreManifest& store : checkpoint.stores) {
      for (const PageFileEntry& file : store.files) {
        if (at == collection.files.size() || collection.files[at].path != file.name ||
            collection.files[at].bytes != file.bytes || !page_file_number(file.name)) {
          return wrong();
        }
        ++at;
      }
    }
    if (at != collection.files.size() || checkpoint.lsn != collection.lsn || checkpoint.lsn == 0)
      return wrong();
    return checkpoint;
  }

  Status write_page_file(const BackupCollection& collection, const BackupFile& file,
                         const PageFileEntry& entry, const std::string& dir) {
    const std::string path = dir + "/" + file.path;
    const std::string folder = path.substr(0, path.rfind('/'));
    TRY(files_.make_dirs(folder));
    TRY_ASSIGN(const std::unique_ptr<File> out, files_.open(path, OpenMode::kCreate));
    uint64_t at = 0;
    const auto write = [&](Bytes bytes) {
      at += bytes.size();
      return out->write(at - bytes.size(), bytes);
    };
    TRY(read(collection, file, write));
    // That the pages are there is seen here; those of an index are checked before their first use.
    TRY_ASSIGN([[maybe_unused]] const PageTable table,
               read_page_table(*out, path, file.bytes, entry.table_crc));
    TRY(out->sync());
    return files_.sync_dir(folder);
  }

  Status read(const BackupCollection& collection, const BackupFile& file, const ByteSink& sink) {
    Sha256 sha;
    const auto take = [&](Bytes bytes) -> Status {
      sha.update(bytes);
      TRY(sink(bytes));
      done_ += bytes.size();
      return progress_(done_, total_);
    };
    TRY(reader_->read(collection, file, take));
    if (sha.hex() == file.sha256) return {};
    return {Code::kCorruption,
            "the backup is damaged: " + archive_name(collection.name, file.path) +
                " does not have the SHA-256 of its manifest"};
  }

  Database& db_;
  FileSystem& files_;
  ObjectStore& store_;
  const BackupRestoreRequest& request_;
  const BackupProgress& progress_;
  std::unique_ptr<BackupReader> reader_;
  BackupManifest manifest_;
  std::vector<const BackupCollection*> wanted_;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
};

}  // namespace

Result<std::vector<RestoredCollection>> restore_backup(Database& db, FileSystem& files,
                                                       ObjectStore& store,
                                                       const BackupRestoreRequest& request,
                                                       const BackupProgress& progress) {
  return BackupRestore(db, files, store, request, progress).run();
}

}  // namespace ferres
