// Where backups are kept: a bucket of named objects, as S3 has it. The real one is open_s3()
// (backup/s3_client.h); tests have one in memory. Failures of the store are kUpstream, those of a
// server that is stopping kUnavailable. One thread an object.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/types.h"

namespace ferres {

struct StoredObject {
  std::string key;
  uint64_t bytes = 0;
};

/// An object on its way up in parts; it is there when it is complete, and not before.
struct Upload {
  std::string key;
  std::string id;
  std::vector<std::string> parts;  // etags
  uint64_t bytes = 0;
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;
  virtual Status put(const std::string& key, Bytes content) = 0;
  /// `bytes` bytes at offset, all within the object, or an error.
  virtual Result<std::string> get(const std::string& key, uint64_t offset, uint64_t bytes) = 0;
  /// kNotFound when there is no such object.
  virtual Result<uint64_t> size(const std::string& key) = 0;
  /// In order of key.
  virtual Result<std::vector<StoredObject>> list(const std::string& prefix) = 0;
  virtual Status remove(const std::string& key) = 0;

  virtual Result<Upload> begin_upload(const std::string& key) = 0;
  virtual Status upload_part(Upload& upload, Bytes part) = 0;
  virtual Status complete_upload(const Upload& upload) = 0;
  /// The parts are gone; nothing more can be done when that fails.
  virtual void abort_upload(const Upload& upload) = 0;
};

}  // namespace ferres
