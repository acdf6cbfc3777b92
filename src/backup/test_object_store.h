// For tests: objects in memory, with calls that fail when a test says so. Included by tests alone.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "backup/object_store.h"

namespace ferres {

class MemoryStore : public ObjectStore {
 public:
  std::map<std::string, std::string> objects;
  std::map<std::string, std::string> uploads;  // by id: those neither complete nor aborted
  uint64_t calls = 0;
  uint64_t fail_at = 0;  // the call of that number fails, from 1
  size_t longest_body = 0;

  Status put(const std::string& key, Bytes content) override {
    TRY(count());
    longest_body = std::max(longest_body, content.size());
    objects[key] = as_text(content);
    return {};
  }
  Result<std::string> get(const std::string& key, uint64_t offset, uint64_t bytes) override {
    TRY(count());
    const auto found = objects.find(key);
    if (found == objects.end()) return missing(key);
    if (offset + bytes > found->second.size()) return Status(Code::kUpstream, "range");
    longest_body = std::max<size_t>(longest_body, bytes);
    return found->second.substr(offset, bytes);
  }
  Result<uint64_t> size(const std::string& key) override {
    TRY(count());
    const auto found = objects.find(key);
    if (found == objects.end()) return missing(key);
    return uint64_t{found->second.size()};
  }
  Result<std::vector<StoredObject>> list(const std::string& prefix) override {
    TRY(count());
    std::vector<StoredObject> listed;
    for (const auto& [key, content] : objects)
      if (key.starts_with(prefix)) listed.push_back({key, content.size()});
    return listed;
  }
  Status remove(const std::string& key) override {
    TRY(count());
    objects.erase(key);
    return {};
  }
  Result<Upload> begin_upload(const std::string& key) override {
    TRY(count());
    Upload upload;
    upload.key = key;
    upload.id = "upload-" + std::to_string(calls);
    uploads[upload.id] = "";
    return upload;
  }
  Status upload_part(Upload& upload, Bytes part) override {
    TRY(count());
    longest_body = std::max(longest_body, part.size());
    uploads.at(upload.id) += as_text(part);
    upload.parts.push_back("\"etag\"");
    upload.bytes += part.size();
    return {};
  }
  Status complete_upload(const Upload& upload) override {
    TRY(count());
    objects[upload.key] = uploads.at(upload.id);
    uploads.erase(upload.id);
    return {};
  }
  void abort_upload(const Upload& upload) override { uploads.erase(upload.id); }

 private:
  Status count() {
    if (++calls != fail_at) return {};
    return {Code::kUpstream, "the store failed as it was told to"};
  }
  static Status missing(const std::string& key) { return {Code::kNotFound, key}; }
};

/// All that a source gives.
template <class Source>
Result<std::string> drain(Source&& next) {
  std::string all;
  for (;;) {
    TRY_ASSIGN(const Bytes bytes, next());
    if (bytes.empty()) return all;
    all += as_text(bytes);
  }
}

}  // namespace ferres
