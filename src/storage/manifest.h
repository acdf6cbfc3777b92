// A manifest: one checkpoint of a collection at one LSN, as a list of page files. Published by
// write_file_atomic as "checkpoints/<lsn, 20 digits>.manifest"; the newest readable one counts,
// older ones belong to the history window. Format: docs/formats.md.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/status.h"
#include "base/types.h"
#include "storage/page_store.h"

namespace ferres {

/// Within a collection's folder: folders of namespaces that have page files of their own.
inline constexpr std::string_view kNamespacesFolder = "namespaces";

/// What a manifest says of a namespace that has stores of its own.
struct NamespaceEntry {
  std::string ns;  // empty: the points that have none
  uint64_t points = 0;
  uint64_t ttl_points = 0;
  uint64_t expiry_micros = 0;  // none of them is over before
};

struct Manifest {
  Lsn lsn = 0;
  uint64_t unix_micros = 0;  // commit time of that LSN (last_snapshot_timestamp)
  std::vector<StoreManifest> stores;
  /// Each namespace has stores of its own: those of namespaces[i] are stores[i * kStoresEach] and
  /// the next ones.
  bool isolated = false;
  std::vector<NamespaceEntry> namespaces;
  static constexpr size_t kStoresEach = 2;
  /// The record of that LSN restores an older state: what follows needs this checkpoint, or all the
  /// history that the record's source needs.
  bool restored = false;
};

std::string encode_manifest(const Manifest& manifest);
/// kCorruption for damage; kUnimplemented, naming the versions, for a newer format.
Result<Manifest> decode_manifest(Bytes bytes);

/// Where the manifest of an LSN is.
std::string manifest_path(const std::string& dir, Lsn lsn);
/// LSNs of the manifests in dir, ascending; empty when dir does not exist.
Result<std::vector<Lsn>> list_manifests(FileSystem& files, const std::string& dir);
Status write_manifest(FileSystem& files, const std::string& dir, const Manifest& manifest);
Result<Manifest> read_manifest(FileSystem& files, const std::string& dir, Lsn lsn);

/// Removes manifests other than the LSNs in `keep`, then every page file of `store_dir` and of the
/// folders of its namespaces that no kept manifest lists (leftovers of crashed checkpoints too).
Status collect_checkpoint_garbage(FileSystem& files, const std::string& manifest_dir,
                                  const std::string& store_dir, const std::vector<Lsn>& keep);

}  // namespace ferres
