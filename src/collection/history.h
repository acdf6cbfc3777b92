// What a collection was at any moment that is kept: the newest checkpoint not after it plus the log
// up to it. A restore record in between means that what came before it does not count: the state
// goes on from the record's source, which is older. (One of a namespace alone does that to its
// points.) So there is one log and one order of LSNs, and a restore is undone by another one.
//
// Functions of files alone. Any thread, beside the lane, as long as nothing of the history is
// removed meanwhile.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/status.h"
#include "base/types.h"
#include "collection/config.h"
#include "collection/partitions.h"
#include "storage/log_history.h"

namespace ferres {

inline std::string manifest_dir_of(const std::string& collection_dir) {
  return collection_dir + "/checkpoints";
}
inline std::string log_dir_of(const std::string& collection_dir) {
  return collection_dir + "/wal";
}

/// Where a state is taken from, and what it becomes.
struct StateSource {
  FileSystem* files = nullptr;
  std::string dir;  // of the collection
  CollectionConfig config;
  uint64_t payload_bytes_max = 0;  // see CollectionOptions
  bool isolated = false;           // whether each namespace shall have a partition of its own
  std::vector<Lsn> passed_over;    // checkpoints that are not to be used
  /// Every page of the points is read and checked first; damaged checkpoints are passed over.
  bool checked = false;
  std::optional<std::string> ns;  // all that the state is for; nothing: for all namespaces
  bool set_aside = false;         // namespaces that cannot be opened are left as they are
  bool as_found = false;          // in the checkpoint's form, whatever `isolated` says
  /// Not empty: the state gets its page files in this folder, copies of the checkpoint's.
  std::string copy_dir;
  /// Called now and then with the records applied and those that there are to apply; an error ends
  /// the work.
  std::function<Status(uint64_t done, uint64_t total)> progress;
};

/// Of the partitions that a state gets.
PartitionSetup setup_of(const StateSource& source);

/// A state and how it came about.
struct State {
  std::shared_ptr<Partitions> partitions;  // published at the LSN asked for
  uint64_t replayed = 0;                   // records
};

/// The state at an LSN that is in the log. kNotFound when the history that is kept begins later.
Result<State> state_at(const StateSource& source, Lsn lsn);

/// Partitions of the other kind with the same points, at the same LSN: with page files written, but
/// in no checkpoint yet. Needs the history as it is. `from` is used up.
Result<std::shared_ptr<Partitions>> convert(const StateSource& source, Partitions& from);

/// Partitions with the points of one namespace and no others, at the same LSN.
Result<std::shared_ptr<Partitions>> only_namespace(const StateSource& source, std::string_view ns,
                                                   Partitions& from);

/// The newest checkpoint whose points can be opened; the empty state and LSN 0 when there is none.
/// Damaged ones are logged and passed over, for the log may reach back far enough. Of isolated
/// namespaces the points are opened when they are first needed: what cannot be opened then, the
/// caller passes over.
struct OpenedCheckpoint {
  std::shared_ptr<Partitions> partitions;
  Lsn lsn = 0;
};
Result<OpenedCheckpoint> open_newest_checkpoint(const StateSource& source);

}  // namespace ferres
