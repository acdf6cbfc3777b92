// Checking a data folder that no server has open: the catalog, every collection and every dropped
// one, and what nothing names. A repair removes left-overs and damaged files of indexes, which the
// next start makes anew, and writes a damaged config.json as the catalog has it; each is one
// removal or one atomic write, so a crash in between leaves less to repair. It never drops points
// or log.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "collection/check.h"

namespace ferres {

struct CheckOptions {
  std::string dir;
  bool repair = false;
  /// Called now and then with the bytes read and those that there are to read, about. May be empty.
  std::function<void(uint64_t done, uint64_t total)> progress;
};

struct CheckReport {
  struct Collection {
    std::string name;
    std::string dir;
    bool dropped = false;  // and kept for a restore
    uint64_t points = 0;
    Lsn lsn = 0;
    bool whole = false;  // see CollectionCheck
  };
  std::vector<Collection> collections;  // in order of their folders
  std::vector<Finding> findings;

  /// No damage is left.
  bool sound() const;
};

/// kConflict when a server has the folder open, kNotFound when it is no data folder; else what was
/// found, which may be damage.
Result<CheckReport> check_database(FileSystem& files, const CheckOptions& options);

}  // namespace ferres
