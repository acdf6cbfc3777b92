// Checkpoints of a collection's partitions: those that changed write page files, of the others the
// files of the checkpoint before are listed again.
#include "collection/partitions.h"

namespace ferres {

Status Partitions::begin_checkpoint(Tidy tidy) {
  captured_.clear();
  const std::vector<std::shared_ptr<Part>> parts = all();
  for (const std::shared_ptr<Part>& part : parts) {
    if (!part->behind) continue;
    return {Code::kUnavailable, "namespace '" + part->place.ns.value_or("") +
                                    "' is damaged, and only the log has what was written to it "
                                    "since: restore it alone, or drop it"};
  }
  for (const std::shared_ptr<Part>& part : parts) {
    Partition* const partition = part->partition.load();
    if (isolated() && part->changed && partition->live_points() == 0 &&
        partition->dying_points() == 0) {
      remove_part(part);  // all its points are gone, and its files go with the history
      continue;
    }
    if (partition != nullptr) count(*part, *partition);
    Captured captured;
    captured.part = part;
    captured.changed = part->changed || !isolated();
    captured.entry = {part->place.ns.value_or(""), part->points, part->ttl_points,
                      part->expiry_micros};
    {
      const MutexLock lock(part->mutex);
      captured.stores = part->stores;
    }
    if (captured.changed) {
      if (Status status = partition->begin_checkpoint(tidy); !status.ok()) {
        abort_checkpoint();
        return status;
      }
      part->changed = false;
    }
    captured_.push_back(std::move(captured));
  }
  return {};
}

Status Partitions::write_checkpoint(Manifest& manifest) {
  Status status = write_parts(manifest);
  if (status.ok()) return status;
  // Room that the next attempt needs.
  for (const Captured& captured : captured_)
    if (captured.changed) captured.part->partition.load()->discard_checkpoint();
  return status;
}

Status Partitions::write_parts(Manifest& manifest) {
  manifest.isolated = isolated();
  for (Captured& captured : captured_) {
    const Part& part = *captured.part;
    if (captured.changed) {
      if (isolated()) {
        const std::string dir = dir_ + "/" + part.place.folder;
        TRY(files_->make_dirs(dir.substr(0, dir.size() - 1)));
      }
      TRY_ASSIGN(Part::Stores stores, part.partition.load()->write_checkpoint());
      captured.stores = std::make_shared<const Part::Stores>(std::move(stores));
    }
    manifest.stores.insert(manifest.stores.end(), captured.stores->begin(), captured.stores->end());
    if (isolated()) manifest.namespaces.push_back(captured.entry);
  }
  return {};
}

void Partitions::commit_checkpoint() {
  for (const Captured& captured : captured_) {
    if (!captured.changed) continue;
    captured.part->partition.load()->commit_checkpoint(*captured.stores);
    captured.part->auditing = true;
    const MutexLock lock(captured.part->mutex);
    captured.part->stores = captured.stores;
  }
  captured_.clear();
}

void Partitions::abort_checkpoint() {
  for (const Captured& captured : captured_) {
    if (!captured.changed) continue;
    captured.part->partition.load()->abort_checkpoint();
    captured.part->changed = true;
  }
  captured_.clear();
}

Status Partitions::save_adopted() {
  seal_dying();
  TRY(begin_checkpoint());
  Manifest unpublished;
  if (Status status = write_checkpoint(unpublished); !status.ok()) {
    abort_checkpoint();
    return status;
  }
  commit_checkpoint();
  close_some(0);
  return {};
}

uint64_t Partitions::disk_bytes() const {
  uint64_t bytes = 0;
  for (const std::shared_ptr<Part>& part : all()) {
    const MutexLock lock(part->mutex);
    if (part->stores == nullptr) continue;
    for (const StoreManifest& store : *part->stores) {
      for (const PageFileEntry& file : store.files)
        bytes += file.bytes;
    }
  }
  return bytes;
}

}  // namespace ferres
