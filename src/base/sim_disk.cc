// State of the simulated disk; see sim_files.h for the model. Not thread-safe.
//
// Names: an operation is a set of changes "entry (directory, name) now holds node". Making one
// durable, or letting it through a power cut, drags along (or is stopped by) every earlier
// operation on the same entry, so no file can lose its last name by reordering alone.
#include "base/sim_disk.h"

#include <algorithm>
#include <set>
#include <utility>

namespace ferres {
namespace {

constexpr uint64_t kSectorBytes = 512;

using EntryKey = std::pair<const SimNode*, std::string>;

std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    std::string part = path.substr(begin, end - begin);
    if (!part.empty() && part != ".") parts.push_back(std::move(part));
    begin = end + 1;
  }
  return parts;
}

Status missing(const std::string& path) {
  return {Code::kNotFound, path + ": no such file or directory (simulated)"};
}

/// Grows the image to `size`; the new bytes are zeros or, as on file systems that order nothing,
/// what the blocks held before.
void grow_without_data(SimImage& image, uint64_t size, Random& random) {
  const uint64_t begin = image.size();
  if (size <= begin) return;
  image.resize(size);
  if (!random.one_in(8)) return;
  std::string stale(static_cast<size_t>(std::min<uint64_t>(size - begin, uint64_t{64} * 1024)),
                    '\0');
  for (char& c : stale)
    c = static_cast<char>(random.next());
  image.write(begin, as_bytes(stale));
}

/// kPrefix: what was issued before the cut; of a write at the cut, the beginning.
void keep_prefix(SimNode& file, uint64_t cut, Random& random) {
  for (const SimFileOp& op : file.pending) {
    if (op.order > cut) return;
    const bool in_flight = op.order == cut;
    if (op.data) {
      const Bytes data = as_bytes(*op.data);
      file.durable.write(op.offset, in_flight ? data.first(random.below(data.size())) : data);
    } else if (!in_flight) {
      file.durable.resize(op.offset);
    }
  }
}

/// kReorder for one write, each sector kept with the chance given.
void keep_sectors(SimImage& image, const SimFileOp& op, uint64_t keep_of_16, Random& random) {
  Bytes data = as_bytes(*op.data);
  for (uint64_t at = op.offset; !data.empty();) {
    const uint64_t whole = std::min<uint64_t>(data.size(), kSectorBytes - at % kSectorBytes);
    const uint64_t part = random.one_in(16) ? random.below(whole) : whole;
    if (random.below(16) < keep_of_16) {
      grow_without_data(image, at, random);
      image.write(at, data.first(part));
    }
    at += whole;
    data = data.subspan(whole);
  }
}

/// kReorder: any subset, drawn by write or by sector.
void keep_any(SimNode& file, Random& random) {
  const uint64_t keep_of_16 = 1 + random.below(15);
  const bool by_sector = random.one_in(2);
  for (const SimFileOp& op : file.pending) {
    const bool keep = random.below(16) < keep_of_16;
    if (!op.data) {
      if (keep) file.durable.resize(op.offset);
    } else if (by_sector) {
      keep_sectors(file.durable, op, keep_of_16, random);
    } else if (keep) {
      keep_sectors(file.durable, op, 16, random);
    }
  }
  if (random.one_in(4)) grow_without_data(file.durable, file.seen.size(), random);
}

}  // namespace

SimDisk::SimDisk() : root_(std::make_shared<SimNode>()) {
  root_->is_dir = true;
}

SimNodePtr SimDisk::clone_node(const SimNodePtr& node, CloneMap& clones) {
  if (!node) return nullptr;
  SimNodePtr& clone = clones[node.get()];
  if (clone) return clone;
  clone = std::make_shared<SimNode>(*node);
  for (auto& entry : clone->seen_entries)
    entry.second = clone_node(entry.second, clones);
  for (auto& entry : clone->durable_entries)
    entry.second = clone_node(entry.second, clones);
  return clone;
}

SimDisk SimDisk::clone() const {
  SimDisk copy = *this;
  CloneMap clones;
  copy.root_ = clone_node(root_, clones);
  for (NameOp& op : copy.names_) {
    for (NameChange& change : op.changes) {
      change.dir = clone_node(change.dir, clones);
      change.node = clone_node(change.node, clones);
    }
  }
  return copy;
}

SimNodePtr SimDisk::find(const std::string& path) const {
  SimNodePtr node = root_;
  for (const std::string& part : parts_of(path)) {
    const auto entry = node->seen_entries.find(part);
    if (entry == node->seen_entries.end()) return nullptr;
    node = entry->second;
  }
  return node;
}

Result<SimDisk::Place> SimDisk::place_of(const std::string& path) const {
  std::vector<std::string> parts = parts_of(path);
  if (parts.empty()) return Status(Code::kIo, path + ": is the root (simulated)");
  SimNodePtr dir = root_;
  for (size_t i = 0; i + 1 < parts.size(); i++) {
    const auto entry = dir->seen_entries.find(parts[i]);
    if (entry == dir->seen_entries.end()) return missing(path);
    dir = entry->second;
  }
  if (!dir->is_dir) return Status(Code::kIo, path + ": not a directory (simulated)");
  return Place{dir, std::move(parts.back())};
}

void SimDisk::change_names(std::vector<NameChange> changes) {
  for (const NameChange& change : changes) {
    auto& entries = change.dir->seen_entries;
    if (change.node) {
      change.node->linked = true;
      entries[change.name] = change.node;
    } else {
      entries.erase(change.name);
    }
  }
  names_.push_back({next_order_++, std::move(changes)});
}

void SimDisk::unlink(SimNode& node) {
  if (node.linked && !node.is_dir) used_bytes_ -= node.seen.size();
  node.linked = false;
}

Result<SimNodePtr> SimDisk::create_file(const std::string& path) {
  TRY_ASSIGN(const Place place, place_of(path));
  auto node = std::make_shared<SimNode>();
  change_names({{place.dir, place.name, node}});
  return node;
}

Status SimDisk::make_dirs(const std::string& path, std::vector<SimNodePtr>& changed) {
  SimNodePtr dir = root_;
  for (const std::string& part : parts_of(path)) {
    const auto entry = dir->seen_entries.find(part);
    SimNodePtr next = entry == dir->seen_entries.end() ? nullptr : entry->second;
    if (!next) {
      next = std::make_shared<SimNode>();
      next->is_dir = true;
      change_names({{dir, part, next}});
      changed.push_back(dir);
    }
    if (!next->is_dir) return {Code::kAlreadyExists, path + ": a file is there (simulated)"};
    dir = next;
  }
  return {};
}

Status SimDisk::rename(const std::string& from, const std::string& to) {
  TRY_ASSIGN(const Place source, place_of(from));
  TRY_ASSIGN(const Place target, place_of(to));
  const SimNodePtr node = find(from);
  const SimNodePtr replaced = find(to);
  if (!node) return missing(from);
  if (node == replaced) return {};
  if (replaced) {
    if (replaced->is_dir != node->is_dir || !replaced->seen_entries.empty()) {
      return {Code::kIo, to + ": cannot be replaced by " + from + " (simulated)"};
    }
    unlink(*replaced);
  }
  change_names({{source.dir, source.name, nullptr}, {target.dir, target.name, node}});
  return {};
}

Status SimDisk::remove(const std::string& path) {
  TRY_ASSIGN(const Place place, place_of(path));
  const SimNodePtr node = find(path);
  if (!node) return missing(path);
  if (node->is_dir) return {Code::kIo, path + ": is a directory (simulated)"};
  unlink(*node);
  change_names({{place.dir, place.name, nullptr}});
  return {};
}

void SimDisk::remove_entries(const SimNodePtr& dir) {
  while (!dir->seen_entries.empty()) {
    const auto [name, node] = *dir->seen_entries.begin();
    if (node->is_dir) remove_entries(node);
    unlink(*node);
    change_names({{dir, name, nullptr}});
  }
}

void SimDisk::remove_tree(const std::string& path) {
  const SimNodePtr node = find(path);
  const Result<Place> place = place_of(path);
  if (!node || !place.ok()) return;
  if (node->is_dir) remove_entries(node);
  unlink(*node);
  change_names({{place->dir, place->name, nullptr}});
}

void SimDisk::apply_durably(const NameOp& op) {
  for (const NameChange& change : op.changes) {
    if (change.node) {
      change.dir->durable_entries[change.name] = change.node;
    } else {
      change.dir->durable_entries.erase(change.name);
    }
  }
}

void SimDisk::sync_dir(const SimNodePtr& dir) {
  std::set<EntryKey> needed;
  std::vector<bool> chosen(names_.size());
  for (size_t i = names_.size(); i-- > 0;) {
    for (const NameChange& change : names_[i].changes) {
      if (change.dir == dir || needed.contains({change.dir.get(), change.name})) chosen[i] = true;
    }
    if (!chosen[i]) continue;
    for (const NameChange& change : names_[i].changes) {
      needed.insert({change.dir.get(), change.name});
    }
  }
  std::vector<NameOp> left;
  for (size_t i = 0; i < names_.size(); i++) {
    if (chosen[i]) {
      apply_durably(names_[i]);
    } else {
      left.push_back(std::move(names_[i]));
    }
  }
  names_ = std::move(left);
}

Status SimDisk::write(SimNode& file, uint64_t offset, Bytes data) {
  const uint64_t before = file.seen.size();
  const uint64_t room = capacity_bytes > used_bytes_ ? capacity_bytes - used_bytes_ : 0;
  const uint64_t end_max = before + room;
  const bool fits = offset + data.size() <= end_max;
  if (!fits) data = data.first(static_cast<size_t>(end_max > offset ? end_max - offset : 0));
  if (!data.empty()) {
    file.seen.write(offset, data);
    if (file.linked) used_bytes_ += file.seen.size() - before;
    file.pending.push_back({next_order_++, offset,
                            std::make_shared<const std::string>(as_text(data)),
                            offset + data.size()});
  }
  if (fits) return {};
  return {Code::kNoSpace, "no space left on the simulated disk"};
}

Status SimDisk::truncate(SimNode& file, uint64_t size) {
  const uint64_t before = file.seen.size();
  if (size > before && file.linked && used_bytes_ + (size - before) > capacity_bytes) {
    return {Code::kNoSpace, "no space left on the simulated disk"};
  }
  file.seen.resize(size);
  if (file.linked) used_bytes_ += size - before;  // wraps back when it shrinks
  file.pending.push_back({next_order_++, size, nullptr, std::max(size, before)});
  return {};
}

void SimDisk::sync(SimNode& file) {
  file.durable.resize(file.seen.size());
  for (const SimFileOp& op : file.pending) {
    const uint64_t last =
        (std::min(op.changed_end, file.seen.size()) + kSimPageBytes - 1) / kSimPageBytes;
    for (uint64_t page = op.offset / kSimPageBytes; page < last; page++) {
      file.durable.copy_page(file.seen, page);
    }
  }
  file.pending.clear();
}

void SimDisk::fail_sync(SimNode& file, Random& random) {
  std::set<uint64_t> pages;
  for (const SimFileOp& op : file.pending) {
    for (uint64_t at = op.offset / kSimPageBytes; at * kSimPageBytes < op.changed_end; at++) {
      pages.insert(at);
    }
  }
  file.pending.clear();
  if (random.one_in(2)) file.durable.resize(file.seen.size());
  for (const uint64_t page : pages) {
    if (random.one_in(2)) {
      file.durable.copy_page(file.seen, page);
    } else if (random.one_in(2)) {
      file.seen.copy_page(file.durable, page);
    }
  }
}

/// The order number up to which everything is kept (kPrefix).
uint64_t SimDisk::draw_cut(Random& random) const {
  std::vector<uint64_t> orders;
  std::set<const SimNode*> visited;
  const auto visit = [&](const auto& self, const SimNodePtr& node) -> void {
    if (!node || !visited.insert(node.get()).second) return;
    for (const SimFileOp& op : node->pending)
      orders.push_back(op.order);
    for (const auto& entry : node->seen_entries)
      self(self, entry.second);
    for (const auto& entry : node->durable_entries)
      self(self, entry.second);
  };
  visit(visit, root_);
  for (const NameOp& op : names_) {
    orders.push_back(op.order);
    for (const NameChange& change : op.changes) {
      visit(visit, change.dir);
      visit(visit, change.node);
    }
  }
  std::sort(orders.begin(), orders.end());
  const uint64_t kept = random.below(orders.size() + 1);
  return kept == orders.size() ? next_order_ : orders[kept];
}

void SimDisk::settle(TearMode mode, Random& random) {
  const uint64_t cut = mode == TearMode::kPrefix ? draw_cut(random) : 0;
  settle_names(mode, cut, random);
  used_bytes_ = 0;
  settle_tree(*root_, mode, cut, random);
}

void SimDisk::settle_names(TearMode mode, uint64_t cut, Random& random) {
  const uint64_t keep_of_16 = 1 + random.below(15);
  std::set<EntryKey> stopped;
  for (const NameOp& op : names_) {
    bool keep = mode == TearMode::kPrefix
                    ? op.order < cut
                    : mode == TearMode::kReorder && random.below(16) < keep_of_16;
    for (const NameChange& change : op.changes) {
      if (stopped.contains({change.dir.get(), change.name})) keep = false;
    }
    if (keep) {
      apply_durably(op);
      continue;
    }
    for (const NameChange& change : op.changes)
      stopped.insert({change.dir.get(), change.name});
  }
  names_.clear();
}

void SimDisk::settle_tree(SimNode& dir, TearMode mode, uint64_t cut, Random& random) {
  dir.seen_entries = dir.durable_entries;
  for (const auto& entry : dir.seen_entries) {
    SimNode& node = *entry.second;
    node.linked = true;
    if (node.is_dir) {
      settle_tree(node, mode, cut, random);
    } else {
      settle_file(node, mode, cut, random);
      used_bytes_ += node.seen.size();
    }
  }
}

void SimDisk::settle_file(SimNode& file, TearMode mode, uint64_t cut, Random& random) {
  if (mode == TearMode::kPrefix) keep_prefix(file, cut, random);
  if (mode == TearMode::kReorder && !file.pending.empty()) keep_any(file, random);
  file.pending.clear();
  file.seen = file.durable;
}

}  // namespace ferres
