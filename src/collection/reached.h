// Points that a walk over links came to, in the order in which it found them, by their storage ids.
// One thread. Private to src/collection.
#pragma once
#include <algorithm>
#include <map>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "collection/impl.h"
#include "collection/operations.h"

namespace ferres {

class CollectionImpl::Reached {
 public:
  explicit Reached(size_t max) : max_(max) {}
  /// False when there is no room for another one.
  bool add(std::string id) {
    if (known_.contains(id)) return true;
    cut_ = ids_.size() == max_;
    if (cut_) return false;
    known_.insert(id);
    ids_.push_back(std::move(id));
    return true;
  }
  /// Orders those from `begin` on by their ids: partitions tell them in orders of their own.
  void sort(size_t begin) { std::sort(ids_.begin() + static_cast<ptrdiff_t>(begin), ids_.end()); }
  const std::vector<std::string>& ids() const { return ids_; }
  size_t size() const { return ids_.size(); }
  /// There are more.
  bool cut() const { return cut_; }
  /// The places of those from `begin` on, by the partition that they are in, or may be in.
  std::map<std::string, std::vector<size_t>> groups(size_t begin, bool isolated) const {
    std::map<std::string, std::vector<size_t>> groups;
    for (size_t i = begin; i < ids_.size(); ++i)
      groups[std::string(isolated ? namespace_of_storage_id(ids_[i]) : "")].push_back(i);
    return groups;
  }

 private:
  const size_t max_;
  bool cut_ = false;
  std::vector<std::string> ids_;
  std::unordered_set<std::string> known_;
};

}  // namespace ferres
