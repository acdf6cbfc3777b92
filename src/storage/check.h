// Checking the files of a log and of a page store at rest. Every byte that something depends on is
// read; what is wrong is collected instead of ending the work. Nothing is changed. The files of an
// open log or store may not be given: what is being written would look torn.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/status.h"
#include "base/types.h"
#include "storage/log.h"
#include "storage/page_file.h"
#include "storage/page_store.h"

namespace ferres {

/// Called with bytes that were read since the last call.
using CheckProgress = std::function<void(uint64_t bytes)>;

struct FileDamage {
  std::string file;
  uint64_t offset = 0;
  std::string what;
};
/// "FILE: byte N: WHAT".
std::string text_of(const FileDamage& damage);
/// A reader's error about `file`, which it begins with "file: byte N: ".
FileDamage damage_of(const std::string& file, const Status& error);

struct LogCheck {
  /// Records that cannot be read.
  struct Gap {
    FileDamage where;
    Lsn from = 0;
    Lsn to = kNoLsn;  // kNoLsn: nobody knows how many there were
  };
  Lsn first_lsn = 1;  // oldest kept
  Lsn last_lsn = 0;   // newest that can be read
  std::vector<Gap> gaps;
  std::vector<FileDamage> harmless;  // torn tails, marks: nothing that was promised
};
/// Reads the whole log in dir, which may be missing. visit gets the records before the first gap.
Result<LogCheck> check_log(FileSystem& files, const std::string& dir, const LogVisitor& visit,
                           const CheckProgress& progress);

struct PageFileCheck {
  std::vector<PageRow> rows;         // its table
  std::vector<PageRow> bad;          // pages that fail their checksum
  std::optional<FileDamage> damage;  // the first page, or the whole file
  bool missing = false;              // the file is not there
};
/// Reads a page file that a manifest lists.
PageFileCheck check_page_file(FileSystem& files, const std::string& dir, const PageFileEntry& entry,
                              const CheckProgress& progress);
/// Damage of what the store would read, if there is any: not of pages that a newer file has, too.
std::optional<FileDamage> check_page_store(FileSystem& files, const std::string& dir,
                                           const StoreManifest& store,
                                           const CheckProgress& progress);

}  // namespace ferres
