// A tar.gz written and read as a stream, in bounded memory. What is written is plain: files alone,
// in order. What is read may come from anybody: an entry that is not a plain file is refused, and
// its name is only told, never used as a path (the caller compares it with what it expects). One
// thread an object.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "backup/bytes.h"

namespace ferres {

class ArchiveWriter {
 public:
  /// The archive's bytes go into `sink`; an error of it ends the writing and is returned.
  ArchiveWriter(uint64_t unix_seconds, ByteSink sink);
  ~ArchiveWriter();
  /// Begins a file; the one before must be complete.
  Status begin(const std::string& name, uint64_t bytes);
  Status write(Bytes bytes);
  Status finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class ArchiveReader {
 public:
  struct Entry {
    std::string name;
    uint64_t bytes = 0;  // as the archive says, which may be any number
  };

  explicit ArchiveReader(ByteSource source);
  ~ArchiveReader();
  /// The next file; none at the end. kCorruption for what no writer of ours made.
  Result<std::optional<Entry>> next();
  /// Bytes of that file, in order; 0 at its end.
  Result<size_t> read(MutableBytes into);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ferres
