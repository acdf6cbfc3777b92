// Where backups go and as whom: what PUT /admin/settings/cloud stored (a file below the data
// folder, for this user's eyes alone), else the settings of the server; keys, when neither has
// them, from the file that other S3 tools share. Read anew for each use. Thread-safe.
#pragma once
#include <optional>
#include <string>

#include "backup/s3_wire.h"
#include "base/files.h"
#include "base/mutex.h"
#include "base/status.h"

namespace ferres {

struct S3Settings {
  S3Target target;
  std::string credentials_file;  // empty: none
  std::string profile;
};

struct CloudUpdate {
  std::optional<std::string> region;
  std::optional<std::string> bucket;
  std::optional<std::string> endpoint;
  std::optional<std::string> access_key_id;
  std::optional<std::string> secret_access_key;
};

class CloudSettings {
 public:
  /// Keeps references: files and settings outlive it.
  CloudSettings(FileSystem& files, std::string path, const S3Settings& settings)
      : files_(files), path_(std::move(path)), settings_(settings) {}

  /// What is in force, complete or not.
  Result<S3Target> target();
  /// What is absent stays as it is. kInvalidArgument when the outcome is not complete, or a new
  /// access key comes without its secret.
  Status update(const CloudUpdate& update);

 private:
  Result<std::optional<S3Target>> stored() REQUIRES(mutex_);
  Result<S3Target> in_force() REQUIRES(mutex_);

  FileSystem& files_;
  const std::string path_;
  const S3Settings& settings_;
  Mutex mutex_;  // the file
};

}  // namespace ferres
