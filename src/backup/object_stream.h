// Objects as streams: one written whose length is not known, in parts of one size; one read in
// ranges, so that a connection that breaks costs no more than a range. One thread an object.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "backup/object_store.h"

namespace ferres {

class ObjectWriter {
 public:
  /// About so many bytes will come: S3 takes 10 000 parts at most, so they are 8 MiB up to 72 GB
  /// and a 9000th beyond. One part is held in memory.
  ObjectWriter(ObjectStore& store, std::string key, uint64_t bytes_expected);
  /// Takes the parts away again unless finish() was ok.
  ~ObjectWriter();
  ObjectWriter(const ObjectWriter&) = delete;
  ObjectWriter& operator=(const ObjectWriter&) = delete;

  Status write(Bytes bytes);
  /// The object is there when it returns ok.
  Status finish();
  uint64_t bytes() const { return bytes_; }

 private:
  Status send_part();

  ObjectStore& store_;
  const std::string key_;
  const size_t part_bytes_;
  std::vector<std::byte> part_;
  uint64_t bytes_ = 0;
  Upload upload_;  // without an id: not begun
};

class ObjectReader {
 public:
  ObjectReader(ObjectStore& store, std::string key, uint64_t bytes)
      : store_(store), key_(std::move(key)), bytes_(bytes) {}
  /// As a ByteSource.
  Result<Bytes> next();

 private:
  ObjectStore& store_;
  const std::string key_;
  const uint64_t bytes_;
  uint64_t at_ = 0;
  std::string range_;
};

}  // namespace ferres
