// One reader's look at the links of a partition's points: which of their other ends it may answer.
// Made under the read's epoch guard, after it pinned its LSN, and used by one thread. Private to
// src/collection.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "collection/collection.h"
#include "collection/partition.h"
#include "collection/read_filter.h"

namespace ferres {

class LinkReader {
 public:
  /// The sight must outlive it.
  LinkReader(const Partition& partition, Lsn pinned, uint64_t now_micros, const Sight& sight)
      : partition_(partition),
        sight_(sight),
        filter_(partition, pinned, now_micros, {}, nullptr),
        links_(partition.relations()) {}

  /// The point of that id, if it may be answered.
  std::optional<Slot> find(std::string_view storage_id) const;
  /// Calls here(slot) for every point of this partition that it is linked with and that may be
  /// answered, and elsewhere(storage_id) for those of others, of which that one knows whether the
  /// link is there; until one returns false.
  template <class Here, class Elsewhere>
  void for_each_end(Slot slot, Here&& here, Elsewhere&& elsewhere) const {
    const Relations::Node node = links_.node_of(slot);
    if (node == 0) return;
    for (const Relations::Node other : links_.neighbours(node)) {
      const Slot newest = links_.slot_of(other);
      if (newest == kNoSlot) {
        const std::string_view id = links_.elsewhere(other);
        if (may_enter(namespace_of_storage_id(id)) && !elsewhere(id)) return;
      } else if (const std::optional<Slot> end = seen(newest); end && !here(*end)) {
        return;
      }
    }
  }
  /// Whether this point's partition knows of a link that the one elsewhere tells of.
  bool knows(Slot slot, std::string_view elsewhere) const {
    const Relations::Node other = links_.node_of(elsewhere);
    return other != 0 && links_.linked(other, links_.node_of(slot));
  }
  std::string id_of(Slot slot) const;
  const Relations::View& links() const { return links_; }
  const ReadFilter& filter() const { return filter_; }
  /// Damage met while asking: the answer must not be given.
  Status damage() const;

 private:
  std::optional<Slot> seen(Slot newest) const;
  bool admits(Slot slot) const;
  bool may_enter(std::string_view ns) const;
  template <class T>
  std::optional<T> valid(Result<T> result) const {
    if (result.ok()) return *std::move(result);
    if (damage_.ok()) damage_ = std::move(result).error();
    return std::nullopt;
  }

  const Partition& partition_;
  const Sight& sight_;
  const ReadFilter filter_;
  const Relations::View links_;
  mutable Status damage_;
};

}  // namespace ferres
