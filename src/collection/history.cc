// See history.h.
#include "collection/history.h"

#include <algorithm>

#include "base/logging.h"
#include "storage/check.h"
#include "storage/manifest.h"

namespace ferres {
namespace {

constexpr size_t kCopyBytes = 1 << 20;
constexpr uint64_t kProgressEvery = 256;  // records

/// Records that lead from one state to another, none of them a restore of all points.
struct Stretch {
  Lsn from = 0;
  Lsn to = 0;
};

/// What the last record in a range says that restores all points.
struct Restore {
  Lsn lsn = 0;
  uint64_t unix_micros = 0;
  Lsn source = 0;
};

/// How a state is reached: from a checkpoint (0: from nothing) through stretches, the last first.
/// Between two of them lies the restore that the later one follows.
struct Way {
  Lsn checkpoint_lsn = 0;
  std::vector<Stretch> stretches;
  std::vector<Restore> restores;  // one fewer
};

Result<std::optional<Restore>> last_restore(const StateSource& source, Lsn from, Lsn to) {
  std::optional<Restore> found;
  TRY(read_log(*source.files, log_dir_of(source.dir), from, to,
               [&found](const LogRecord& record) -> Status {
                 if (static_cast<Op>(record.op) != Op::kRestore) return {};
                 TRY_ASSIGN(const RestoreRecord restore, decode_restore(record.payload));
                 if (restore.source >= record.lsn) {
                   return {Code::kCorruption, "the record of LSN " + std::to_string(record.lsn) +
                                                  " restores what comes after it"};
                 }
                 if (!restore.ns) found = Restore{record.lsn, record.unix_micros, restore.source};
                 return {};
               }));
  return found;
}

/// `checkpoints` are those that may be used, ascending.
Result<Way> find_way(const StateSource& source, const std::vector<Lsn>& checkpoints, Lsn lsn) {
  TRY_ASSIGN(const std::vector<LogSegment> segments,
             list_log(*source.files, log_dir_of(source.dir)));
  Way way;
  for (Lsn target = lsn;;) {
    const auto behind = std::upper_bound(checkpoints.begin(), checkpoints.end(), target);
    way.checkpoint_lsn = behind == checkpoints.begin() ? 0 : *(behind - 1);
    const Lsn from = way.checkpoint_lsn + 1;
    if (from <= target && (segments.empty() || segments.front().first_lsn > from)) {
      return Status(Code::kNotFound, "LSN " + std::to_string(target) +
                                         " is before the history that is kept of collection '" +
                                         source.config.name + "'");
    }
    TRY_ASSIGN(const std::optional<Restore> restore, last_restore(source, from, target));
    way.stretches.push_back({restore ? restore->lsn + 1 : from, target});
    if (!restore) return way;
    way.restores.push_back(*restore);
    target = restore->source;
  }
}

Status copy_file(FileSystem& files, const std::string& from, const std::string& to) {
  TRY_ASSIGN(const std::unique_ptr<File> in, files.open(from, OpenMode::kRead));
  TRY_ASSIGN(const std::unique_ptr<File> out, files.open(to, OpenMode::kTruncate));
  std::vector<std::byte> buffer(kCopyBytes);
  for (uint64_t at = 0;;) {
    TRY_ASSIGN(const size_t got, in->read(at, buffer));
    if (got == 0) break;
    TRY(out->write(at, Bytes(buffer).first(got)));
    at += got;
  }
  return out->sync();
}

std::string folder_of_file(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

Status copy_page_files(const StateSource& source, const Manifest& manifest) {
  for (const StoreManifest& store : manifest.stores) {
    for (const PageFileEntry& file : store.files) {
      const std::string to = source.copy_dir + "/" + file.name;
      TRY(source.files->make_dirs(folder_of_file(to)));
      const Status copied = copy_file(*source.files, source.dir + "/" + file.name, to);
      // The opening says what a missing file means: points are damaged, an index is made anew.
      if (!copied.ok() && copied.code() != Code::kNotFound) return copied.clone();
      TRY(source.files->sync_dir(folder_of_file(to)));
    }
  }
  return {};
}

/// Every page of the points that the state is for.
Status check_points(const StateSource& source, const Manifest& manifest) {
  const std::string folder =
      source.ns && manifest.isolated ? folder_of_namespace(*source.ns) : std::string();
  for (const StoreManifest& store : manifest.stores) {
    if (is_index(store.family) || !store.family.starts_with(folder)) continue;
    const auto damage = check_page_store(*source.files, source.dir, store, [](uint64_t) {});
    if (damage) return {Code::kCorruption, text_of(*damage)};
  }
  return {};
}

/// The checkpoint of that LSN, or the empty state; kCorruption when it cannot be used.
Result<std::shared_ptr<Partitions>> open_checkpoint(const StateSource& source, Lsn lsn) {
  if (lsn == 0) return Partitions::open(setup_of(source), nullptr, source.isolated);
  TRY_ASSIGN(const Manifest manifest,
             read_manifest(*source.files, manifest_dir_of(source.dir), lsn));
  if (source.checked) TRY(check_points(source, manifest));
  if (!source.copy_dir.empty()) TRY(copy_page_files(source, manifest));
  return Partitions::open(setup_of(source), &manifest, source.isolated);
}

void say_damaged(const StateSource& source, const Status& why) {
  log_error("checkpoint.damaged",
            {{"collection", source.config.name}, {"reason", std::string(why.message())}});
}

/// Those that may be used, ascending.
Result<std::vector<Lsn>> checkpoints_of(const StateSource& source) {
  TRY_ASSIGN(std::vector<Lsn> lsns, list_manifests(*source.files, manifest_dir_of(source.dir)));
  for (const Lsn damaged : source.passed_over)
    std::erase(lsns, damaged);
  return lsns;
}

/// What a record of a stretch does.
Status follow(const StateSource& source, const LogRecord& record, Partitions& partitions) {
  if (static_cast<Op>(record.op) != Op::kRestore) return partitions.replay(record);
  TRY_ASSIGN(const RestoreRecord restore, decode_restore(record.payload));
  StateSource beside = source;
  beside.isolated = partitions.isolated();
  beside.checked = true;
  beside.ns = restore.ns;
  TRY_ASSIGN(const State old, state_at(beside, restore.source));
  TRY_ASSIGN([[maybe_unused]] const uint64_t points,
             partitions.restore_namespace(restore.ns.value_or(""), *old.partitions, record));
  partitions.seal_dying();
  return {};
}

Status go(const StateSource& source, const Way& way, State& state) {
  uint64_t total = 0;
  for (const Stretch& stretch : way.stretches)
    total += stretch.to + 1 - stretch.from;
  for (size_t left = way.stretches.size(); left > 0; --left) {
    if (left < way.stretches.size()) {
      const Restore& restore = way.restores[left - 1];
      state.partitions->publish_restored(restore.lsn, restore.unix_micros);
    }
    const auto apply = [&](const LogRecord& record) -> Status {
      TRY(follow(source, record, *state.partitions));
      if (source.progress && state.replayed % kProgressEvery == 0)
        TRY(source.progress(state.replayed, total));
      ++state.replayed;
      return {};
    };
    const Stretch& stretch = way.stretches[left - 1];
    TRY(read_log(*source.files, log_dir_of(source.dir), stretch.from, stretch.to, apply));
  }
  return {};
}

Status reach(const StateSource& source, const Way& way, State& state) {
  TRY_ASSIGN(state.partitions, open_checkpoint(source, way.checkpoint_lsn));
  // What is for one alone does not care for others.
  state.partitions->set_aside_damaged(source.set_aside || source.ns);
  TRY(go(source, way, state));
  state.partitions->set_aside_damaged(false);
  if (!source.ns || !state.partitions->isolated()) return {};
  const std::shared_ptr<Part> part = state.partitions->find(*source.ns);
  return part == nullptr ? Status() : state.partitions->reach(*part);
}

}  // namespace

PartitionSetup setup_of(const StateSource& source) {
  return {source.files, source.copy_dir.empty() ? source.dir : source.copy_dir, source.config,
          source.payload_bytes_max};
}

Result<OpenedCheckpoint> open_newest_checkpoint(const StateSource& source) {
  TRY_ASSIGN(std::vector<Lsn> lsns, checkpoints_of(source));
  for (;; lsns.pop_back()) {
    const Lsn lsn = lsns.empty() ? 0 : lsns.back();
    auto partitions = open_checkpoint(source, lsn);
    if (partitions.ok()) return OpenedCheckpoint{*std::move(partitions), lsn};
    if (lsn == 0 || partitions.error().code() != Code::kCorruption)
      return std::move(partitions).error();
    say_damaged(source, partitions.error());
  }
}

Result<State> state_at(const StateSource& source, Lsn lsn) {
  TRY_ASSIGN(std::vector<Lsn> lsns, checkpoints_of(source));
  State state;
  Status damaged;
  for (;;) {
    auto way = find_way(source, lsns, lsn);
    // What was passed over says more than that the log does not reach back to what is before it.
    if (!way.ok()) return damaged.ok() ? std::move(way).error() : std::move(damaged);
    state = {};
    Status status = reach(source, *way, state);
    if (status.ok()) break;
    // Of a namespace that the log goes on with, the points cannot be opened, perhaps.
    const bool by_checkpoint = state.partitions == nullptr || state.partitions->isolated();
    if (status.code() != Code::kCorruption || way->checkpoint_lsn == 0 || !by_checkpoint)
      return status;
    say_damaged(source, status);
    if (damaged.ok()) damaged = std::move(status);
    std::erase(lsns, way->checkpoint_lsn);
  }
  state.partitions->publish(lsn);
  if (!source.as_found && state.partitions->isolated() != source.isolated) {
    TRY_ASSIGN(state.partitions, convert(source, *state.partitions));
  }
  return state;
}

}  // namespace ferres
