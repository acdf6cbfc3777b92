// See manifest.h. Any thread; one writer and one collector a folder at a time.
#include "storage/manifest.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/coding.h"
#include "base/crc32c.h"
#include "storage/page_file.h"

namespace ferres {
namespace {

constexpr std::string_view kMagic = "FERRMANI";
constexpr uint32_t kVersion = 3;   // 2: restored; 3: namespaces with stores of their own
constexpr size_t kHeadBytes = 16;  // magic, version, their CRC: the same in every version
constexpr uint64_t kManifestBytesMax = 64 << 20;
constexpr std::string_view kSuffix = ".manifest";
constexpr size_t kDigits = 20;

std::string name_of(Lsn lsn) {
  const std::string digits = std::to_string(lsn);
  return std::string(kDigits - digits.size(), '0') + digits + std::string(kSuffix);
}

std::optional<Lsn> lsn_of(std::string_view name) {
  if (name.size() != kDigits + kSuffix.size() || !name.ends_with(kSuffix)) return {};
  Lsn lsn = 0;
  const std::string_view digits = name.substr(0, kDigits);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), lsn);
  if (error != std::errc() || end != digits.data() + digits.size()) return {};
  return lsn;
}

void put_store(std::string& out, const StoreManifest& store) {
  put_string(out, store.family);
  put_u64(out, store.next_file);
  put_varint(out, store.files.size());
  for (const PageFileEntry& file : store.files) {
    put_string(out, file.name);
    put_u64(out, file.bytes);
    put_u32(out, file.table_crc);
  }
  put_varint(out, store.arenas.size());
  for (const ArenaEntry& arena : store.arenas) {
    put_u32(out, arena.id);
    put_u64(out, arena.bytes);
  }
}

StoreManifest take_store(Reader& reader) {
  StoreManifest store;
  store.family = reader.string();
  store.next_file = reader.u64();
  const uint64_t files = reader.count(13);
  for (uint64_t i = 0; i < files; ++i) {
    PageFileEntry file;
    file.name = reader.string();
    file.bytes = reader.u64();
    file.table_crc = reader.u32();
    store.files.push_back(std::move(file));
  }
  const uint64_t arenas = reader.count(12);
  for (uint64_t i = 0; i < arenas; ++i) {
    ArenaEntry arena;
    arena.id = reader.u32();
    arena.bytes = reader.u64();
    store.arenas.push_back(arena);
  }
  return store;
}

void take_namespaces(Reader& reader, Manifest& manifest) {
  manifest.isolated = reader.u8() != 0;
  const uint64_t namespaces = reader.count(25);
  for (uint64_t i = 0; i < namespaces; ++i) {
    NamespaceEntry entry;
    entry.ns = reader.string();
    entry.points = reader.u64();
    entry.ttl_points = reader.u64();
    entry.expiry_micros = reader.u64();
    manifest.namespaces.push_back(std::move(entry));
  }
}

std::string path_in(const std::string& dir, const std::string& name) {
  return dir + "/" + name;
}

/// `prefix`: empty, or a folder within store_dir that ends with a slash.
Status remove_unlisted(FileSystem& files, const std::string& store_dir, const std::string& prefix,
                       const std::set<std::string>& listed) {
  const std::string dir =
      prefix.empty() ? store_dir : path_in(store_dir, prefix.substr(0, prefix.size() - 1));
  TRY_ASSIGN(const std::vector<std::string> names, files.list(dir));
  for (const std::string& name : names) {
    if (!page_file_number(name) || listed.contains(prefix + name)) continue;
    TRY(files.remove(path_in(dir, name)));
  }
  return {};
}

}  // namespace

std::string manifest_path(const std::string& dir, Lsn lsn) {
  return path_in(dir, name_of(lsn));
}

std::string encode_manifest(const Manifest& manifest) {
  std::string out(kMagic);
  put_u32(out, kVersion);
  put_u32(out, crc32c(as_bytes(out)));
  put_u64(out, manifest.lsn);
  put_u64(out, manifest.unix_micros);
  put_varint(out, manifest.stores.size());
  for (const StoreManifest& store : manifest.stores)
    put_store(out, store);
  put_u8(out, manifest.restored ? 1 : 0);
  put_u8(out, manifest.isolated ? 1 : 0);
  put_varint(out, manifest.namespaces.size());
  for (const NamespaceEntry& entry : manifest.namespaces) {
    put_string(out, entry.ns);
    put_u64(out, entry.points);
    put_u64(out, entry.ttl_points);
    put_u64(out, entry.expiry_micros);
  }
  put_u32(out, crc32c(as_bytes(out)));
  return out;
}

Result<Manifest> decode_manifest(Bytes bytes) {
  Reader head(bytes);
  const Bytes magic = head.bytes(kMagic.size());
  const uint32_t version = head.u32();
  const uint32_t head_crc = head.u32();
  if (!head.ok() || as_text(magic) != kMagic || head_crc != crc32c(bytes.first(kHeadBytes - 4)) ||
      version == 0) {
    return Status(Code::kCorruption, "byte 0: not the start of a manifest");
  }
  if (version > kVersion) {
    return Status(Code::kUnimplemented, "manifest format " + std::to_string(version) +
                                            ", this program reads up to " +
                                            std::to_string(kVersion));
  }
  if (bytes.size() < kHeadBytes + 4 ||
      load_u32(bytes.last(4).data()) != crc32c(bytes.first(bytes.size() - 4)))
    return Status(Code::kCorruption, "byte 16: the manifest fails its checksum");
  Reader reader(bytes.subspan(kHeadBytes, bytes.size() - kHeadBytes - 4));
  Manifest manifest;
  manifest.lsn = reader.u64();
  manifest.unix_micros = reader.u64();
  const uint64_t stores = reader.count(11);
  for (uint64_t i = 0; i < stores; ++i)
    manifest.stores.push_back(take_store(reader));
  if (version >= 2) manifest.restored = reader.u8() != 0;
  if (version >= 3) take_namespaces(reader, manifest);
  TRY(reader.finished("manifest"));
  if (manifest.isolated &&
      manifest.stores.size() != manifest.namespaces.size() * Manifest::kStoresEach)
    return Status(Code::kCorruption, "the manifest's stores are not those of its namespaces");
  return manifest;
}

Result<std::vector<Lsn>> list_manifests(FileSystem& files, const std::string& dir) {
  std::vector<Lsn> lsns;
  Result<std::vector<std::string>> names = files.list(dir);
  if (!names.ok()) {
    if (names.error().code() == Code::kNotFound) return lsns;
    return std::move(names).error();
  }
  for (const std::string& name : *names)
    if (const std::optional<Lsn> lsn = lsn_of(name)) lsns.push_back(*lsn);
  std::sort(lsns.begin(), lsns.end());
  return lsns;
}

Status write_manifest(FileSystem& files, const std::string& dir, const Manifest& manifest) {
  TRY(files.make_dirs(dir));
  return write_file_atomic(files, manifest_path(dir, manifest.lsn),
                           as_bytes(encode_manifest(manifest)));
}

Result<Manifest> read_manifest(FileSystem& files, const std::string& dir, Lsn lsn) {
  const std::string path = manifest_path(dir, lsn);
  TRY_ASSIGN(const std::string content, read_file(files, path, kManifestBytesMax));
  Result<Manifest> manifest = decode_manifest(as_bytes(content));
  if (!manifest.ok()) return std::move(manifest).error().context(path);
  if (manifest->lsn != lsn) {
    return Status(Code::kCorruption,
                  path + ": byte 16: holds the manifest of LSN " + std::to_string(manifest->lsn));
  }
  return manifest;
}

Status collect_checkpoint_garbage(FileSystem& files, const std::string& manifest_dir,
                                  const std::string& store_dir, const std::vector<Lsn>& keep) {
  // Everything is read before anything is removed: of a manifest that cannot be read, nobody knows
  // which files it needs.
  std::set<std::string> listed;
  for (const Lsn lsn : keep) {
    TRY_ASSIGN(const Manifest manifest, read_manifest(files, manifest_dir, lsn));
    for (const StoreManifest& store : manifest.stores) {
      for (const PageFileEntry& file : store.files)
        listed.insert(file.name);
    }
  }
  TRY_ASSIGN(const std::vector<std::string> manifests, files.list(manifest_dir));
  bool removed = false;
  for (const std::string& name : manifests) {
    const bool temporary = name.ends_with(".manifest.tmp");
    const std::optional<Lsn> lsn = lsn_of(name);
    if (!temporary && (!lsn || std::find(keep.begin(), keep.end(), *lsn) != keep.end())) continue;
    TRY(files.remove(path_in(manifest_dir, name)));
    removed = true;
  }
  // A manifest must not come back after its page files have gone.
  if (removed) TRY(files.sync_dir(manifest_dir));
  TRY(remove_unlisted(files, store_dir, "", listed));
  const std::string own = path_in(store_dir, std::string(kNamespacesFolder));
  if (!files.exists(own)) return {};
  TRY_ASSIGN(const std::vector<std::string> folders, files.list(own));
  for (const std::string& folder : folders) {
    const std::string prefix = std::string(kNamespacesFolder) + "/" + folder + "/";
    const auto next = listed.lower_bound(prefix);
    if (next == listed.end() || !next->starts_with(prefix)) {
      TRY(files.remove_tree(path_in(own, folder)));
    } else {
      TRY(remove_unlisted(files, store_dir, prefix, listed));
    }
  }
  return {};
}

}  // namespace ferres
