// The state of the simulated disk and what a power cut does to it: files and directories as they
// are seen, as they are durable, and the operations in between. Only sim_files.cc uses it, under
// its mutex; the model is described in sim_files.h.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "base/sim_files.h"
#include "base/sim_image.h"
#include "base/status.h"

namespace ferres {

struct SimNode;
using SimNodePtr = std::shared_ptr<SimNode>;

/// A write or truncation that no sync has covered.
struct SimFileOp {
  uint64_t order = 0;
  uint64_t offset = 0;                      // of a write; the new size of a truncation
  std::shared_ptr<const std::string> data;  // null: truncation
  uint64_t changed_end = 0;                 // bytes [offset, changed_end) read differently
};

/// A file or a directory, whatever it is called.
struct SimNode {
  bool is_dir = false;
  bool linked = false;  // has a name, and so counts as used space
  SimImage seen;
  SimImage durable;
  std::vector<SimFileOp> pending;
  std::map<std::string, SimNodePtr> seen_entries;
  std::map<std::string, SimNodePtr> durable_entries;
};

class SimDisk {
 public:
  SimDisk();
  /// A copy that shares nothing that either may change.
  SimDisk clone() const;

  // ---- names; null or kNotFound when a part of the path is missing
  SimNodePtr find(const std::string& path) const;
  Result<SimNodePtr> create_file(const std::string& path);
  /// Creates what is missing; `changed` are the directories that got an entry.
  Status make_dirs(const std::string& path, std::vector<SimNodePtr>& changed);
  Status rename(const std::string& from, const std::string& to);
  Status remove(const std::string& path);
  void remove_tree(const std::string& path);
  void sync_dir(const SimNodePtr& dir);

  // ---- content
  /// Writes what fits; kNoSpace when that is not all.
  Status write(SimNode& file, uint64_t offset, Bytes data);
  Status truncate(SimNode& file, uint64_t size);
  static void sync(SimNode& file);
  /// A sync that failed: part of the unsynced pages reached the disk, the others never will unless
  /// they are written again, and are seen new or old.
  static void fail_sync(SimNode& file, Random& random);

  /// Power cut: only what is durable, and the part of the rest that mode and random let through.
  void settle(TearMode mode, Random& random);

  uint64_t used_bytes() const { return used_bytes_; }
  uint64_t capacity_bytes = uint64_t{1} << 50;

 private:
  struct NameChange {
    SimNodePtr dir;
    std::string name;
    SimNodePtr node;  // null: removed
  };
  struct NameOp {  // atomic
    uint64_t order = 0;
    std::vector<NameChange> changes;
  };
  struct Place {
    SimNodePtr dir;
    std::string name;
  };
  using CloneMap = std::unordered_map<const SimNode*, SimNodePtr>;

  static SimNodePtr clone_node(const SimNodePtr& node, CloneMap& clones);
  static void apply_durably(const NameOp& op);
  Result<Place> place_of(const std::string& path) const;
  void change_names(std::vector<NameChange> changes);
  void unlink(SimNode& node);
  void remove_entries(const SimNodePtr& dir);
  uint64_t draw_cut(Random& random) const;
  void settle_names(TearMode mode, uint64_t cut, Random& random);
  void settle_tree(SimNode& dir, TearMode mode, uint64_t cut, Random& random);
  static void settle_file(SimNode& file, TearMode mode, uint64_t cut, Random& random);

  SimNodePtr root_;
  std::vector<NameOp> names_;  // not durable yet, oldest first
  uint64_t next_order_ = 1;
  uint64_t used_bytes_ = 0;
};

}  // namespace ferres
