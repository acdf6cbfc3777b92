// See manifest.h.
#include "backup/manifest.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <simdjson.h>

namespace ferres {
namespace {

using Element = simdjson::dom::element;

constexpr uint64_t kFormat = 1;
constexpr uint64_t kBytesMax = 1ull << 60;  // of a file: sums of them stay numbers
constexpr size_t kPartBytesMax = 255;       // of a path
constexpr size_t kDepthMax = 3;             // of a path: namespaces/NAME/FILE

/// The name of one file or folder.
bool plain(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == '%';
  };
  return !text.empty() && text.size() <= kPartBytesMax && text.front() != '.' &&
         std::all_of(text.begin(), text.end(), allowed);
}

bool stays_below(std::string_view path) {
  for (size_t depth = 0; depth < kDepthMax; ++depth) {
    const size_t slash = path.find('/');
    if (!plain(path.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
  return false;
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Reads fields and remembers when one was wrong.
class Fields {
 public:
  std::string text(Element object, const char* key) {
    std::string_view value;
    if (object[key].get(value) != simdjson::SUCCESS) ok_ = false;
    return std::string(value);
  }
  uint64_t number(Element object, const char* key) {
    uint64_t value = 0;
    if (object[key].get(value) != simdjson::SUCCESS) ok_ = false;
    return value;
  }
  simdjson::dom::array array(Element object, const char* key) {
    simdjson::dom::array value;
    if (object[key].get(value) != simdjson::SUCCESS) {
      ok_ = false;
      return {};
    }
    return value;
  }
  void require(bool condition) { ok_ = ok_ && condition; }
  bool ok() const { return ok_; }

 private:
  bool ok_ = true;
};

BackupFile read_backup_file(Fields& fields, Element json) {
  BackupFile file{fields.text(json, "path"), fields.number(json, "bytes"),
                  fields.text(json, "sha256")};
  fields.require(stays_below(file.path) && file.bytes <= kBytesMax && is_sha256(file.sha256));
  return file;
}

BackupCollection read_collection(Fields& fields, Element json) {
  BackupCollection collection;
  collection.name = fields.text(json, "name");
  collection.lsn = fields.number(json, "lsn");
  collection.unix_micros = fields.number(json, "unix_micros");
  fields.require(plain(collection.name));
  Element config;
  fields.require(json["config"].get(config) == simdjson::SUCCESS && config.is_object());
  if (!fields.ok()) return collection;
  collection.config_json = simdjson::minify(config);
  std::set<std::string_view> paths;
  const simdjson::dom::array files = fields.array(json, "files");
  if (!fields.ok()) return collection;
  for (const Element file : files) {
    collection.files.push_back(read_backup_file(fields, file));
    if (!fields.ok()) return collection;
  }
  for (const BackupFile& file : collection.files)
    fields.require(paths.insert(file.path).second);
  return collection;
}

}  // namespace

uint64_t BackupManifest::bytes() const {
  uint64_t bytes = 0;
  for (const BackupCollection& collection : collections) {
    for (const BackupFile& file : collection.files)
      bytes += file.bytes;
  }
  return bytes;
}

std::string encode_backup_manifest(const BackupManifest& manifest) {
  // Every text here is of characters that JSON takes as they are.
  std::string json =
      fmt::format("{{\"format\":{},\"server\":\"{}\",\"unix_micros\":{},\"collections\":[", kFormat,
                  manifest.server_version, manifest.unix_micros);
  const char* comma = "";
  for (const BackupCollection& collection : manifest.collections) {
    json += fmt::format(
        "{}\n{{\"name\":\"{}\",\"lsn\":{},\"unix_micros\":{},\n \"config\":{},\n \"files\":[",
        comma, collection.name, collection.lsn, collection.unix_micros, collection.config_json);
    comma = ",";
    const char* between = "";
    for (const BackupFile& file : collection.files) {
      json += fmt::format("{}\n  {{\"path\":\"{}\",\"bytes\":{},\"sha256\":\"{}\"}}", between,
                          file.path, file.bytes, file.sha256);
      between = ",";
    }
    json += "]}";
  }
  return json + "]}\n";
}

Result<BackupManifest> decode_backup_manifest(std::string_view json) {
  const auto damaged = [](std::string_view why) {
    return Status(Code::kCorruption, "the backup's manifest " + std::string(why));
  };
  simdjson::dom::parser parser;
  Element root;
  if (json.size() > kBackupManifestBytesMax ||
      parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS || !root.is_object()) {
    return damaged("is not a JSON object");
  }
  Fields fields;
  const uint64_t format = fields.number(root, "format");
  if (fields.ok() && format > kFormat) {
    return Status(Code::kUnimplemented, "the backup has format " + std::to_string(format) +
                                            ", this server reads up to " + std::to_string(kFormat) +
                                            ": use a newer one");
  }
  BackupManifest manifest;
  manifest.server_version = fields.text(root, "server");
  manifest.unix_micros = fields.number(root, "unix_micros");
  fields.require(format == kFormat && plain(manifest.server_version));
  const simdjson::dom::array collections = fields.array(root, "collections");
  if (!fields.ok()) return damaged("lacks a field or has a wrong one");
  std::set<std::string_view> names;
  uint64_t bytes = 0;
  for (const Element element : collections) {
    manifest.collections.push_back(read_collection(fields, element));
    if (!fields.ok()) {
      return damaged("is wrong about collection number " +
                     std::to_string(manifest.collections.size()));
    }
    for (const BackupFile& file : manifest.collections.back().files)
      bytes = std::min(bytes + file.bytes, 2 * kBytesMax);
  }
  for (const BackupCollection& collection : manifest.collections) {
    if (!names.insert(collection.name).second)
      return damaged("names collection '" + collection.name + "' twice");
  }
  if (bytes > kBytesMax) return damaged("names more bytes than there can be");
  return manifest;
}

}  // namespace ferres
