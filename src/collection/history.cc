// See history.h.
#include "collection/history.h"

#include <algorithm>

#include "base/logging.h"
#include "storage/manifest.h"

namespace ferres {
namespace {

constexpr size_t kCopyBytes = 1 << 20;
constexpr uint64_t kProgressEvery = 256;  // records

/// Records that lead from one state to another, none of them a restore.
struct Stretch {
  Lsn from = 0;
  Lsn to = 0;
};

/// What the last restore record in a range says.
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
                 TRY_ASSIGN(const Lsn from_lsn, decode_restore(record.payload));
                 if (from_lsn >= record.lsn) {
                   return {Code::kCorruption, "the record of LSN " + std::to_string(record.lsn) +
                                                  " restores what comes after it"};
                 }
                 found = Restore{record.lsn, record.unix_micros, from_lsn};
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

Status copy_page_files(const StateSource& source, const Manifest& manifest) {
  for (const StoreManifest& store : manifest.stores) {
    for (const PageFileEntry& file : store.files) {
      TRY(copy_file(*source.files, source.dir + "/" + file.name,
                    source.copy_dir + "/" + file.name));
    }
  }
  return source.files->sync_dir(source.copy_dir);
}

Result<std::unique_ptr<Partition>> open_manifest(const StateSource& source, Lsn lsn) {
  TRY_ASSIGN(const Manifest manifest,
             read_manifest(*source.files, manifest_dir_of(source.dir), lsn));
  const bool copy = !source.copy_dir.empty();
  if (copy) TRY(copy_page_files(source, manifest));
  return Partition::open(*source.files, copy ? source.copy_dir : source.dir, source.config,
                         &manifest, source.payload_bytes_max);
}

/// The checkpoint of that LSN, or the empty state; none, and said so, when it is damaged.
Result<std::unique_ptr<Partition>> open_checkpoint(const StateSource& source, Lsn lsn) {
  if (lsn == 0) {
    const std::string& dir = source.copy_dir.empty() ? source.dir : source.copy_dir;
    return Partition::open(*source.files, dir, source.config, nullptr, source.payload_bytes_max);
  }
  auto partition = open_manifest(source, lsn);
  if (partition.ok()) {
    (*partition)->publish(lsn);
    return partition;
  }
  if (partition.error().code() != Code::kCorruption) return std::move(partition).error();
  log_error("checkpoint.damaged", {{"collection", source.config.name},
                                   {"reason", std::string(partition.error().message())}});
  return std::unique_ptr<Partition>();
}

Status go(const StateSource& source, const Way& way, State& state) {
  uint64_t total = 0;
  for (const Stretch& stretch : way.stretches)
    total += stretch.to + 1 - stretch.from;
  for (size_t left = way.stretches.size(); left > 0; --left) {
    if (left < way.stretches.size()) {
      const Restore& restore = way.restores[left - 1];
      state.partition->publish_restored(restore.lsn, restore.unix_micros);
    }
    const auto apply = [&](const LogRecord& record) -> Status {
      TRY_ASSIGN([[maybe_unused]] const uint64_t count, state.partition->apply(record));
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

}  // namespace

Result<OpenedCheckpoint> open_newest_checkpoint(const StateSource& source) {
  TRY_ASSIGN(std::vector<Lsn> lsns, list_manifests(*source.files, manifest_dir_of(source.dir)));
  for (;; lsns.pop_back()) {
    const Lsn lsn = lsns.empty() ? 0 : lsns.back();
    TRY_ASSIGN(std::unique_ptr<Partition> partition, open_checkpoint(source, lsn));
    if (partition != nullptr) return OpenedCheckpoint{std::move(partition), lsn};
  }
}

Result<State> state_at(const StateSource& source, Lsn lsn) {
  TRY_ASSIGN(std::vector<Lsn> lsns, list_manifests(*source.files, manifest_dir_of(source.dir)));
  State state;
  Way way;
  for (;;) {
    TRY_ASSIGN(way, find_way(source, lsns, lsn));
    TRY_ASSIGN(state.partition, open_checkpoint(source, way.checkpoint_lsn));
    if (state.partition != nullptr) break;
    std::erase(lsns, way.checkpoint_lsn);
  }
  TRY(go(source, way, state));
  state.partition->publish(lsn);
  return state;
}

}  // namespace ferres
