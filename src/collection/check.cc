// See check.h. First the files by themselves (manifests, page files, log), then the state that they
// lead to, then what nothing names. What a finding means depends on the state, so the advice is
// written last.
#include "collection/check.h"

#include <algorithm>
#include <map>
#include <set>

#include "collection/history.h"
#include "storage/log_segment.h"
#include "storage/manifest.h"

namespace ferres {
namespace {

using Kind = Finding::Kind;

constexpr size_t kOpenNamespaces = 64;

/// What a page of a store holds, for people.
std::string_view arena_meaning(std::string_view family, uint32_t arena) {
  if (is_index(family)) return "the index";
  if (arena == 1) return "the counts of the points";
  if (arena == 2) return "which points there are";
  if (arena == 3) return "ids and metadata";
  if (arena >= 5 && arena < 8) return "links between points";
  return arena < 16 ? "points that were removed" : "vectors";
}

std::string lsn_text(Lsn lsn) {
  return lsn == 0 ? "the empty beginning" : "the checkpoint of LSN " + std::to_string(lsn);
}

class CollectionChecker {
 public:
  CollectionChecker(FileSystem& files, const std::string& dir, const CollectionConfig& config,
                    const CheckProgress& progress)
      : files_(files), dir_(dir), config_(config), progress_(progress) {}

  Result<CollectionCheck> run() {
    TRY(check_manifests());
    if (const Status newer = newer_format(); !newer.ok()) {
      add(Kind::kDamage, damage_of(dir_, newer),
          "A newer program wrote here, and this one neither reads nor changes what it does not "
          "know: start that program, and check the folder with it.");
      return std::move(check_);
    }
    for (const auto& [name, file] : page_files_)
      check_file(name, file);
    TRY_ASSIGN(
        log_,
        check_log(files_, log_dir_of(dir_), [](const LogRecord&) { return Status(); }, progress_));
    for (const FileDamage& harmless : log_.harmless)
      add(Kind::kNote, harmless, "Nothing was promised of it, and the server starts as ever.");
    check_state();
    advise_on_checkpoints();
    advise_on_log();
    TRY(find_leftovers());
    return std::move(check_);
  }

 private:
  struct PageFile {
    std::string family;
    PageFileEntry entry;
    PageFileCheck check = {};
  };
  /// Damage that checkpoints cannot be used for.
  struct BadPoints {
    FileDamage where;
    std::set<Lsn> users;
    bool seen_at_start = false;  // a start passes over them by itself
  };

  Finding& add(Kind kind, FileDamage where, std::string advice) {
    check_.findings.push_back({.kind = kind,
                               .collection = config_.name,
                               .where = std::move(where),
                               .advice = std::move(advice)});
    return check_.findings.back();
  }

  Status check_manifests() {
    const std::string dir = manifest_dir_of(dir_);
    TRY_ASSIGN(const std::vector<Lsn> lsns, list_manifests(files_, dir));
    for (const Lsn lsn : lsns) {
      Result<Manifest> manifest = read_manifest(files_, dir, lsn);
      if (!manifest.ok() && manifest.error().code() == Code::kUnimplemented)
        newer_ = manifest.error().clone();
      if (!manifest.ok()) {
        bad_points_.push_back({damage_of(manifest_path(dir, lsn), manifest.error()), {lsn}, true});
        bad_.insert(lsn);
        unreadable_ = true;
        continue;
      }
      for (const StoreManifest& store : manifest->stores) {
        for (const PageFileEntry& entry : store.files)
          page_files_.insert({entry.name, {store.family, entry}});
      }
      manifests_.emplace(lsn, *std::move(manifest));
    }
    return {};
  }

  /// What reading a file says that is of a newer format; ok when there is none.
  Status newer_format() {
    for (const auto& [name, file] : page_files_) {
      const std::string path = dir_ + "/" + name;
      const auto opened = files_.open(path, OpenMode::kRead);
      if (!opened.ok()) continue;
      const auto table = read_page_table(**opened, path, file.entry.bytes, file.entry.table_crc);
      if (!table.ok() && table.error().code() == Code::kUnimplemented)
        newer_ = table.error().clone();
    }
    const auto segments = files_.list(log_dir_of(dir_));
    for (size_t i = 0; segments.ok() && i < segments->size(); ++i) {
      const std::string path = log_dir_of(dir_) + "/" + (*segments)[i];
      if (!segment_lsn((*segments)[i])) continue;
      const auto opened = files_.open(path, OpenMode::kRead);
      if (!opened.ok()) continue;
      const auto header = read_segment_header(**opened, path);
      if (!header.ok() && header.error().code() == Code::kUnimplemented)
        newer_ = header.error().clone();
    }
    return newer_.clone();
  }

  void check_file(const std::string& name, const PageFile& listed) {
    PageFile& file = page_files_.at(name);
    file.check = check_page_file(files_, dir_, listed.entry, progress_);
    if (!file.check.damage) return;
    FileDamage& damage = *file.check.damage;
    const std::set<Lsn> users = users_of(file);
    if (!file.check.bad.empty()) {
      const PageRow& first = file.check.bad.front();
      damage.what += "; it holds " + std::string(arena_meaning(file.family, first.arena));
      if (file.check.bad.size() > 1)
        damage.what += "; " + std::to_string(file.check.bad.size()) + " pages are damaged";
    }
    if (users.empty()) {
      add(Kind::kNote, damage, "No checkpoint reads these pages any more.");
    } else if (!is_index(file.family)) {
      bad_.insert(users.begin(), users.end());
      // Those of a namespace are opened when they are needed, not at the start.
      const bool of_namespace = file.family.find('/') != std::string::npos;
      bad_points_.push_back({damage, users, file.check.bad.empty() && !of_namespace});
    } else {
      damaged_index(file, damage, users);
    }
  }

  void damaged_index(const PageFile& file, const FileDamage& damage, const std::set<Lsn>& users) {
    const std::string anew = "The index is made anew from the points by the next start.";
    if (file.check.missing) {
      add(Kind::kNote, damage, anew);
    } else if (!users.contains(manifests_.rbegin()->first)) {
      add(Kind::kNote, damage,
          "Only older checkpoints read it: a restore from them makes the index anew.");
    } else {
      add(Kind::kDerived, damage, anew + " --repair removes the file, so that it never reads it.")
          .removable = true;
    }
  }

  /// The checkpoints that read what is damaged of a file.
  std::set<Lsn> users_of(const PageFile& file) const {
    std::set<Lsn> users;
    for (const auto& [lsn, manifest] : manifests_) {
      for (const StoreManifest& store : manifest.stores) {
        const auto listed = std::find_if(
            store.files.begin(), store.files.end(),
            [&file](const PageFileEntry& entry) { return entry.name == file.entry.name; });
        if (listed == store.files.end()) continue;
        const bool all = file.check.bad.empty();
        if (all ||
            std::any_of(file.check.bad.begin(), file.check.bad.end(), [&](const PageRow& page) {
              return !replaced(page, {listed + 1, store.files.end()});
            })) {
          users.insert(lsn);
        }
      }
    }
    return users;
  }

  /// Whether one of the newer files has the page, too.
  bool replaced(const PageRow& page, std::span<const PageFileEntry> newer) const {
    return std::any_of(newer.begin(), newer.end(), [&](const PageFileEntry& entry) {
      const std::vector<PageRow> rows = rows_of(entry);
      return std::any_of(rows.begin(), rows.end(), [&page](const PageRow& row) {
        return row.arena == page.arena && row.page == page.page;
      });
    });
  }
  /// Read again: a file of a later name was not checked yet.
  std::vector<PageRow> rows_of(const PageFileEntry& entry) const {
    const std::string path = dir_ + "/" + entry.name;
    const auto file = files_.open(path, OpenMode::kRead);
    if (!file.ok()) return {};
    auto table = read_page_table(**file, path, entry.bytes, entry.table_crc);
    return table.ok() ? std::move(table->rows) : std::vector<PageRow>();
  }

  /// The newest checkpoint that can be used; 0: none.
  Lsn base() const {
    for (auto at = manifests_.rbegin(); at != manifests_.rend(); ++at)
      if (!bad_.contains(at->first)) return at->first;
    return 0;
  }

  bool log_reaches_back_to(Lsn lsn) const { return log_.first_lsn <= lsn + 1; }

  /// Makes the newest state and counts it.
  void check_state() {
    if (base() < config_.origin_lsn) {
      lost_ = true;
      add(Kind::kDamage,
          {manifest_dir_of(dir_), 0,
           "the collection began with its checkpoint of LSN " + std::to_string(config_.origin_lsn) +
               ", and neither that nor a newer one can be read"},
          "The collection does not open. Restore it from a backup.");
      return;
    }
    // One that began with a checkpoint and was not written to since has no log.
    if (log_.last_lsn == 0) log_.last_lsn = config_.origin_lsn;
    check_.lsn = std::max(log_.last_lsn, base());
    const auto needed = std::find_if(log_.gaps.begin(), log_.gaps.end(),
                                     [&](const LogCheck::Gap& gap) { return gap.to > base(); });
    if (needed != log_.gaps.end()) return;
    if (log_.last_lsn < base()) {
      add(Kind::kDamage,
          {log_dir_of(dir_), 0,
           "the log ends with LSN " + std::to_string(log_.last_lsn) + ", before " +
               lsn_text(base())},
          "Log segments are missing, and the collection does not open. Restore it from a backup.");
      return;
    }
    StateSource source;
    source.files = &files_;
    source.dir = dir_;
    source.config = config_;
    source.passed_over.assign(bad_.begin(), bad_.end());
    source.as_found = true;
    const Result<State> state = state_at(source, log_.last_lsn);
    if (!state.ok()) {
      // Where a file is named already, this is its consequence.
      if (bad_.empty() && log_.gaps.empty()) {
        add(Kind::kDamage, damage_of(dir_, state.error()),
            "The collection does not open. Restore it from a backup.");
      }
      return;
    }
    check_.whole = true;
    check_.points = state->partitions->points();
    for (const std::shared_ptr<Part>& part : state->partitions->all()) {
      if (const Status reached = state->partitions->reach(*part); !reached.ok()) {
        check_.whole = false;
        add(Kind::kDamage, damage_of(dir_, reached), "Restore the collection from a backup.");
        return;
      }
      const Partition& partition = *part->partition.load();
      audit(partition);
      if (isolated() && part->points != partition.live_points()) {
        add(Kind::kDamage,
            {dir_, 0,
             "the count of namespace '" + part->place.ns.value_or("") +
                 "' is not that of its points"},
            "All checksums are right, so this is a fault of the server: please report it.");
      }
      state->partitions->close_some(kOpenNamespaces);
    }
  }

  bool isolated() const {
    const auto newest = manifests_.find(base());
    return newest != manifests_.end() && newest->second.isolated;
  }

  /// Slots, records, counts and id map of a partition against each other.
  void audit(const Partition& state) {
    const SlotTable::View view = state.slots().view();
    uint64_t living = 0;
    uint64_t with_ttl = 0;
    std::string lost_id;
    for (Slot slot = 0; slot < state.slots_given(); ++slot) {
      if (!view.living(slot)) continue;
      ++living;
      const Result<Record> record = state.heap().read(view.record(slot));
      if (!record.ok()) {
        check_.whole = false;
        add(Kind::kDamage, damage_of(dir_, record.error()),
            "Point number " + std::to_string(slot) + " cannot be read. Restore from a backup.");
        return;
      }
      with_ttl += record->expires_micros != 0 ? 1 : 0;
      const auto found = state.find(record->ns, record->id, log_.last_lsn);
      if (!found.ok() || *found != slot) lost_id = record->id;
    }
    if (living != state.live_points() || with_ttl != state.ttl_points()) {
      add(Kind::kDamage,
          {dir_, 0,
           "there are " + std::to_string(living) + " points, " + std::to_string(with_ttl) +
               " with a ttl; the counts say " + std::to_string(state.live_points()) + " and " +
               std::to_string(state.ttl_points())},
          "All checksums are right, so this is a fault of the server: please report it.");
    }
    if (const Status links = state.relations().audit(view, state.slots_given()); !links.ok()) {
      check_.whole = false;
      add(Kind::kDamage, damage_of(dir_, links), "Restore the collection from a backup.");
    }
    if (lost_id.empty()) return;
    Finding& finding = add(Kind::kDerived, {dir_, 0, "the id map does not know '" + lost_id + "'"},
                           "All checksums are right, so this is a fault of the server: please "
                           "report it. --repair removes the index, and the next start makes it "
                           "anew from the points.");
    const auto newest = std::find_if(page_files_.rbegin(), page_files_.rend(),
                                     [](const auto& file) { return is_index(file.second.family); });
    if (newest == page_files_.rend()) return;
    finding.where.file = dir_ + "/" + newest->first;
    finding.removable = true;
  }

  void advise_on_checkpoints() {
    for (const BadPoints& bad : bad_points_) {
      const Lsn newest = *bad.users.rbegin();
      std::string advice = "The checkpoint of LSN " + std::to_string(newest) + " needs it. ";
      if (!check_.whole) {
        advice +=
            "The newest state cannot be made from what is here. Restore the collection from "
            "a backup.";
      } else if (newest < base()) {
        advice += "The newest state does not. " + before(newest);
      } else {
        advice += "No point is lost: ";
        if (!bad.seen_at_start) advice += "move " + manifests_after_base(bad) + " away; ";
        advice += "the next start reads " + lsn_text(base()) + " and the log since.";
      }
      add(Kind::kDamage, bad.where, std::move(advice));
    }
  }

  /// Those that a start would take before the one that can be used.
  std::string manifests_after_base(const BadPoints& bad) const {
    std::string paths;
    for (const Lsn lsn : bad.users) {
      if (lsn < base()) continue;
      if (!paths.empty()) paths += ", ";
      paths += manifest_path(manifest_dir_of(dir_), lsn);
    }
    return paths;
  }

  /// Whether restores to moments from a damaged checkpoint on still have a way.
  std::string before(Lsn lsn) const {
    Lsn older = 0;
    for (const auto& [other, manifest] : manifests_)
      if (other < lsn && !bad_.contains(other)) older = other;
    const bool gap = std::any_of(log_.gaps.begin(), log_.gaps.end(), [&](const LogCheck::Gap& one) {
      return one.to > older && one.from <= lsn;
    });
    if (log_reaches_back_to(older) && !gap)
      return "Restores start from " + lsn_text(older) + " instead, and take longer.";
    return "Moments from it to the next checkpoint cannot be restored any more.";
  }

  void advise_on_log() {
    for (const LogCheck::Gap& gap : log_.gaps) {
      std::string what = "Writes from LSN " + std::to_string(gap.from) + " on";
      if (gap.to != kNoLsn) what += ", up to " + std::to_string(gap.to) + ",";
      if (gap.to <= base()) {
        add(Kind::kDamage, gap.where,
            what +
                " cannot be read. The newest state does not need them; moments between them "
                "and the next checkpoint cannot be restored.");
      } else {
        add(Kind::kDamage, gap.where,
            what +
                " are lost, and the collection does not open, for it would answer without "
                "them. Restore it from a backup.");
      }
    }
  }

  Status find_leftovers() {
    TRY(leftovers_in(""));
    const std::string folder = std::string(kNamespacesFolder) + "/";
    const auto namespaces = files_.list(dir_ + "/" + std::string(kNamespacesFolder));
    if (namespaces.ok()) {
      for (const std::string& name : *namespaces)
        TRY(leftovers_in(std::string(folder).append(name).append("/")));
    }
    TRY_ASSIGN(const std::vector<std::string> manifests, files_.list(manifest_dir_of(dir_)));
    for (const std::string& name : manifests)
      if (name.ends_with(".tmp")) leftover(manifest_dir_of(dir_) + "/" + name);
    return {};
  }

  /// `prefix`: empty, or a folder of the collection's that ends with a slash.
  Status leftovers_in(const std::string& prefix) {
    TRY_ASSIGN(const std::vector<std::string> names, files_.list(dir_ + "/" + prefix));
    for (const std::string& name : names) {
      const std::string within = prefix + name;
      // Of a manifest that cannot be read, nobody knows which files it needs.
      const bool unlisted =
          page_file_number(name) && !page_files_.contains(within) && !unreadable_ && !lost_;
      if (name.ends_with(".tmp") || unlisted) leftover(dir_ + "/" + within);
    }
    return {};
  }

  void leftover(const std::string& path) {
    add(Kind::kLeftover, {path, 0, "nothing names this file"},
        "It was being written when a server ended. --repair removes it.")
        .removable = true;
  }

  FileSystem& files_;
  const std::string& dir_;
  const CollectionConfig& config_;
  const CheckProgress& progress_;
  std::map<Lsn, Manifest> manifests_;  // that can be read
  std::set<Lsn> bad_;                  // checkpoints that cannot be used
  std::vector<BadPoints> bad_points_;  // why
  Status newer_;                       // of a file whose format this program does not know
  bool unreadable_ = false;            // one of the manifests
  bool lost_ = false;                  // the checkpoint that the collection began with
  std::map<std::string, PageFile> page_files_;
  LogCheck log_;
  CollectionCheck check_;
};

}  // namespace

std::string_view finding_name(Finding::Kind kind) {
  constexpr std::string_view kNames[] = {"damage", "derived", "leftover", "note"};
  return kNames[static_cast<size_t>(kind)];
}

Result<CollectionCheck> check_collection(FileSystem& files, const std::string& dir,
                                         const CollectionConfig& config,
                                         const CheckProgress& progress) {
  return CollectionChecker(files, dir, config, progress).run();
}

}  // namespace ferres
