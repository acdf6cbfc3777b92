// Checking a collection's folder at rest: all that is damaged, what that means for the points, and
// what to do. The verdict is not guessed: the newest state is made in memory as a start makes it,
// without the checkpoints found damaged, and its counts are compared. Nothing is changed on disk.
// Takes the memory of a start of that collection. Nobody may have the folder open.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/status.h"
#include "base/types.h"
#include "collection/config.h"
#include "storage/check.h"

namespace ferres {

/// One thing that was found.
struct Finding {
  enum class Kind : uint8_t {
    kDamage,    // of what nothing else in the folder replaces by itself
    kDerived,   // damage of what is made again from the points
    kLeftover,  // a file that nothing names
    kNote,      // nothing depends on it
  };
  Kind kind = Kind::kDamage;
  std::string collection = {};  // empty: of the database itself
  FileDamage where = {};
  std::string advice = {};  // what it means and what to do
  /// What a repair does: removes the file or folder that is named, or gives it this content.
  bool removable = false;
  std::optional<std::string> rewrite = {};
  bool repaired = false;
};
/// "damage", "derived", "leftover", "note".
std::string_view finding_name(Finding::Kind kind);

struct CollectionCheck {
  std::vector<Finding> findings;
  Lsn lsn = 0;          // newest record or checkpoint that can be read
  uint64_t points = 0;  // of the newest state
  /// Whether the newest state is in the folder, if need be after what the findings advise.
  bool whole = false;
};

/// The folder `dir` of the collection that config describes. Fails only when a folder cannot be
/// listed.
Result<CollectionCheck> check_collection(FileSystem& files, const std::string& dir,
                                         const CollectionConfig& config,
                                         const CheckProgress& progress);

}  // namespace ferres
