// See check.h. What the server thinks of a folder stands in db/database.cc: open_collection and
// tidy_folders.
#include "db/check.h"

#include <algorithm>
#include <map>

#include "collection/history.h"
#include "db/catalog.h"
#include "db/database_impl.h"

namespace ferres {
namespace {

using Kind = Finding::Kind;

std::string parent_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

class DatabaseChecker {
 public:
  DatabaseChecker(FileSystem& files, const CheckOptions& options)
      : files_(files), options_(options), dir_(options.dir) {}

  Result<CheckReport> run() {
    TRY(check_catalog());
    TRY(list_folders());
    count_bytes();
    for (const Folder& folder : folders_)
      TRY(check_folder(folder));
    if (options_.repair) TRY(repair());
    return std::move(report_);
  }

 private:
  /// A folder that belongs to a collection.
  struct Folder {
    std::string path;
    CollectionConfig config;
    bool dropped = false;
  };

  Finding& add(Kind kind, FileDamage where, std::string advice) {
    report_.findings.push_back(
        {.kind = kind, .where = std::move(where), .advice = std::move(advice)});
    return report_.findings.back();
  }

  Status check_catalog() {
    const std::string log_dir = dir_ + "/system/wal";
    Status fits;
    const LogVisitor apply = [&](const LogRecord& record) -> Status {
      if (fits.ok()) fits = catalog_.apply(record);
      return {};
    };
    TRY_ASSIGN(const LogCheck log, check_log(files_, log_dir, apply, [](uint64_t) {}));
    constexpr std::string_view kAdvice =
        "This is the catalog of the collections, and the server does not start without it. Restore "
        "the data folder from a backup; the folders of the collections are as they are.";
    for (const LogCheck::Gap& gap : log.gaps)
      add(Kind::kDamage, gap.where, std::string(kAdvice));
    if (!fits.ok()) add(Kind::kDamage, damage_of(log_dir, fits), std::string(kAdvice));
    certain_ = log.gaps.empty() && fits.ok();
    std::optional<std::string> orphan;
    if (certain_ && catalog_.empty()) {
      TRY_ASSIGN(orphan, find_orphan(files_, dir_));
    }
    if (orphan) {
      certain_ = false;
      add(Kind::kDamage, {log_dir, 0, "holds no record, and " + *orphan + " holds data"},
          std::string(kAdvice));
      return {};
    }
    for (const FileDamage& harmless : log.harmless)
      add(Kind::kNote, harmless, "Nothing was promised of it, and the server starts as ever.");
    return {};
  }

  std::vector<std::string> entries(const std::string& dir) const {
    auto names = files_.list(dir);
    return names.ok() ? *std::move(names) : std::vector<std::string>();
  }

  Result<CollectionConfig> config_in(const std::string& folder) const {
    TRY_ASSIGN(const std::string text,
               read_file(files_, folder + std::string(kConfigFile), kConfigBytesMax));
    return decode_config(text);
  }

  Status list_folders() {
    for (const auto& [name, config] : catalog_.collections()) {
      const std::string path = dir_ + "/collections/" + name;
      if (files_.exists(path)) {
        folders_.push_back({path, config, false});
      } else {
        add(Kind::kDamage, {path, 0, "the folder is missing"},
            "Collection '" + name + "' is unavailable. Restore its folder from a backup.");
      }
    }
    for (const std::string& name : entries(dir_ + "/collections"))
      if (!catalog_.collections().contains(name)) unknown_folder(name);
    for (const std::string& name : entries(dir_ + "/dropped"))
      dropped_folder(name);
    return {};
  }

  /// The start moves it to dropped/, or removes it.
  void unknown_folder(const std::string& name) {
    const std::string path = dir_ + "/collections/" + name;
    if (files_.exists(path + std::string(kUnfinishedFile))) {
      add(Kind::kLeftover, {path, 0, "a collection that was being made from another one"},
          "It never came to be. --repair removes it, and so does the next start.")
          .removable = true;
      return;
    }
    const Result<CollectionConfig> config = config_in(path);
    if (config.ok() && (!certain_ || catalog_.dropped().contains(config->uuid))) {
      folders_.push_back({path, *config, certain_});
      return;
    }
    if (!certain_) return;
    add(Kind::kLeftover, {path, 0, "the catalog knows no such collection"},
        "The next start moves it to " + dir_ +
            "/dropped. Remove it there when you do not need it.");
  }

  void dropped_folder(const std::string& name) {
    const std::string path = dir_ + "/dropped/" + name;
    const std::string uuid = name.substr(name.rfind('.') + 1);
    const auto known = catalog_.dropped().find(uuid);
    if (known != catalog_.dropped().end()) {
      folders_.push_back({path, known->second.config, true});
    } else if (catalog_.purged().contains(uuid)) {
      add(Kind::kLeftover, {path, 0, "a collection that was purged"},
          "--repair removes it, and so does the next start.")
          .removable = true;
    } else if (certain_) {
      add(Kind::kLeftover, {path, 0, "the catalog knows no such dropped collection"},
          "No restore reaches it. Remove it when you do not need it.");
    }
  }

  /// For the progress: about what check_folder reads.
  void count_bytes() {
    for (const Folder& folder : folders_) {
      for (const std::string& dir : {folder.path, log_dir_of(folder.path)}) {
        for (const std::string& name : entries(dir)) {
          if (!name.ends_with(".bin") && !name.ends_with(".wal")) continue;
          total_bytes_ += size_of(std::string(dir).append("/").append(name));
        }
      }
    }
  }
  uint64_t size_of(const std::string& path) const {
    const auto file = files_.open(path, OpenMode::kRead);
    if (!file.ok()) return 0;
    const Result<uint64_t> size = (*file)->size();
    return size.ok() ? *size : 0;
  }

  Status check_folder(const Folder& folder) {
    check_config(folder);
    TRY_ASSIGN(CollectionCheck check,
               check_collection(files_, folder.path, folder.config, [this](uint64_t bytes) {
                 done_bytes_ += bytes;
                 if (options_.progress) options_.progress(done_bytes_, total_bytes_);
               }));
    for (Finding& finding : check.findings)
      report_.findings.push_back(std::move(finding));
    report_.collections.push_back(
        {folder.config.name, folder.path, folder.dropped, check.points, check.lsn, check.whole});
    return {};
  }

  /// The catalog's record is what counts; the server only asks for the uuid in the file. Another
  /// one is a sign of a mistaken folder, unless everything else agrees.
  void check_config(const Folder& folder) {
    if (!certain_) return;  // the configuration is from that file
    const std::string path = folder.path + std::string(kConfigFile);
    const std::string wanted = encode_config(folder.config);
    const Result<std::string> text = read_file(files_, path, kConfigBytesMax);
    if (text.ok() && *text == wanted) return;
    Finding& finding = add(Kind::kNote, {path, 0, "it is not what the catalog says"},
                           "The catalog has it whole, and the server goes by that. --repair writes "
                           "it anew.");
    finding.collection = folder.config.name;
    finding.rewrite = wanted;
    if (!text.ok()) {
      finding.kind = Kind::kDerived;
      finding.where = damage_of(path, text.error());
      finding.advice = "The collection does not open without it. --repair writes it anew.";
      return;
    }
    Result<CollectionConfig> found = decode_config(*text);
    if (!found.ok() || found->uuid == folder.config.uuid) return;
    finding.kind = Kind::kDerived;
    finding.where.what = "it has another uuid than the catalog";
    finding.advice = "The collection does not open. --repair writes it anew.";
    found->uuid = folder.config.uuid;
    if (encode_config(*found) == wanted) return;
    finding.kind = Kind::kDamage;
    finding.rewrite.reset();
    finding.advice =
        "This may be the folder of another collection, and the collection does not open: put its "
        "own folder there.";
  }

  Status repair() {
    for (Finding& finding : report_.findings) {
      const std::string& path = finding.where.file;
      if (finding.rewrite) {
        TRY(write_file_atomic(files_, path, as_bytes(*finding.rewrite)));
      } else if (finding.removable) {
        TRY(files_.remove_tree(path));
        TRY(files_.sync_dir(parent_of(path)));
      } else {
        continue;
      }
      finding.repaired = true;
    }
    return {};
  }

  FileSystem& files_;
  const CheckOptions& options_;
  const std::string& dir_;
  CatalogState catalog_;
  bool certain_ = true;  // all of the catalog could be read
  std::vector<Folder> folders_;
  uint64_t total_bytes_ = 0;
  uint64_t done_bytes_ = 0;
  CheckReport report_;
};

}  // namespace

bool CheckReport::sound() const {
  return std::none_of(findings.begin(), findings.end(), [](const Finding& finding) {
    const bool damage = finding.kind == Kind::kDamage || finding.kind == Kind::kDerived;
    return damage && !finding.repaired;
  });
}

Result<CheckReport> check_database(FileSystem& files, const CheckOptions& options) {
  if (!files.exists(options.dir + "/system/wal")) {
    return Status(Code::kNotFound, "'" + options.dir + "' is not a data folder of FerresDB");
  }
  Result<std::unique_ptr<FileLock>> lock = files.lock(options.dir);
  if (!lock.ok()) {
    if (lock.error().code() != Code::kConflict) return std::move(lock).error();
    return Status(Code::kConflict, "the data folder '" + options.dir +
                                       "' is in use by a server: stop it first, or check a copy of "
                                       "the folder");
  }
  return DatabaseChecker(files, options).run();
}

}  // namespace ferres
