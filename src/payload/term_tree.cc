// See term_tree.h. The first key of an inner node counts as the lowest of all: a key below it
// belongs to the first child. So separators need no upkeep when keys are added in front.
#include "payload/term_tree.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace ferres {
namespace {

constexpr uint64_t kHeaderBytes = 8;

/// Words come first: a scan of whole nodes reads no keys.
uint64_t keys_at(uint32_t count) {
  return kHeaderBytes + (uint64_t{count} + count % 2) * sizeof(uint32_t);
}

uint64_t word_at(uint32_t index) {
  return kHeaderBytes + uint64_t{index} * sizeof(uint32_t);
}

uint64_t node_bytes(uint32_t count) {
  return keys_at(count) + uint64_t{count} * sizeof(TermKey);
}

Status damaged() {
  return {Code::kCorruption, "a node of a tree of terms is damaged"};
}

}  // namespace

/// A node taken out for a change; one key more than a block holds, until it is split.
struct TermTree::Node {
  uint32_t level = 0;
  uint32_t count = 0;
  std::array<TermKey, kKeysMax + 1> keys;
  std::array<uint32_t, kKeysMax + 1> words{};

  void insert(uint32_t at, const TermKey& key, uint32_t word) {
    std::move_backward(keys.begin() + at, keys.begin() + count, keys.begin() + count + 1);
    std::move_backward(words.begin() + at, words.begin() + count, words.begin() + count + 1);
    keys[at] = key;
    words[at] = word;
    ++count;
  }
  void erase(uint32_t at) {
    std::move(keys.begin() + at + 1, keys.begin() + count, keys.begin() + at);
    std::move(words.begin() + at + 1, words.begin() + count, words.begin() + at);
    --count;
  }
  void append(const Node& other) {
    std::copy_n(other.keys.begin(), other.count, keys.begin() + count);
    std::copy_n(other.words.begin(), other.count, words.begin() + count);
    count += other.count;
  }
};

BlockRef TermTree::load_root(const BlockView& view, uint64_t root_offset) {
  if (view.range().bytes < root_offset + sizeof(BlockRef)) return 0;
  return load_word(reinterpret_cast<const BlockRef*>(view.range().base + root_offset));
}

TermTree::NodeView TermTree::node(const BlockView& view, BlockRef block, uint32_t above) {
  const auto* const header = view.get<uint32_t>(block, kHeaderBytes);
  if (header == nullptr) return {};
  NodeView node{block, header[0], header[1], nullptr, nullptr};
  if (node.level >= above || node.count == 0 || node.count > kKeysMax) {
    view.report_damage();
    return {};
  }
  const auto* const bytes = view.get<std::byte>(block, node_bytes(node.count));
  if (bytes == nullptr) return {};
  node.words = reinterpret_cast<const uint32_t*>(bytes + kHeaderBytes);
  node.keys = reinterpret_cast<const TermKey*>(bytes + keys_at(node.count));
  return node;
}

uint32_t TermTree::lower_bound(const NodeView& node, const TermKey& key) {
  return static_cast<uint32_t>(std::lower_bound(node.keys, node.keys + node.count, key) -
                               node.keys);
}

uint32_t TermTree::upper_bound(const NodeView& node, const TermKey& key) {
  return static_cast<uint32_t>(std::upper_bound(node.keys, node.keys + node.count, key) -
                               node.keys);
}

uint32_t TermTree::child_of(const NodeView& node, const TermKey& key) {
  return std::max(upper_bound(node, key), uint32_t{1}) - 1;
}

uint32_t TermTree::find(const BlockView& view, uint64_t root_offset, const TermKey& key) {
  BlockRef block = load_root(view, root_offset);
  if (block == 0) return kNone;
  for (uint32_t above = kLevelsMax;;) {
    const NodeView now = node(view, block, above);
    if (!now) return kNone;
    if (now.level == 0) {
      const uint32_t i = lower_bound(now, key);
      return i < now.count && now.keys[i] == key ? load_word(now.words + i) : kNone;
    }
    block = load_word(now.words + child_of(now, key));
    above = now.level;
  }
}

Result<bool> TermTree::descend(const TermKey& key, std::vector<Step>& path) const {
  const BlockView view = heap_->view();
  BlockRef block = load_root(view, root_offset_);
  for (uint32_t above = kLevelsMax;;) {
    const NodeView now = node(view, block, above);
    if (!now) return damaged();
    if (now.level == 0) {
      const uint32_t i = lower_bound(now, key);
      path.push_back({block, now.count, i});
      return i < now.count && now.keys[i] == key;
    }
    const uint32_t i = child_of(now, key);
    path.push_back({block, now.count, i});
    block = now.words[i];
    above = now.level;
  }
}

Status TermTree::read(BlockRef block, Node& into) const {
  const BlockView view = heap_->view();
  const NodeView from = node(view, block, kLevelsMax);
  if (!from) return damaged();
  into.level = from.level;
  into.count = from.count;
  std::copy_n(from.keys, from.count, into.keys.begin());
  std::copy_n(from.words, from.count, into.words.begin());
  return {};
}

Result<BlockRef> TermTree::write(const Node& node) {
  const uint64_t bytes = node_bytes(node.count);
  TRY_ASSIGN(const BlockRef block, heap_->allocate(bytes));
  auto* at = heap_->edit<std::byte>(block, 0, bytes);
  std::memcpy(at, &node.level, sizeof node.level);
  std::memcpy(at + sizeof node.level, &node.count, sizeof node.count);
  std::memcpy(at + kHeaderBytes, node.words.data(), node.count * sizeof(uint32_t));
  std::memcpy(at + keys_at(node.count), node.keys.data(), node.count * sizeof(TermKey));
  return block;
}

void TermTree::set_root(BlockRef block) {
  store_word(heap_->edit<BlockRef>(0, root_offset_, sizeof(BlockRef)), block);
}

void TermTree::replace(const std::vector<Step>& path, size_t depth, BlockRef block) {
  if (depth == 0) return set_root(block);
  const Step& parent = path[depth - 1];
  store_word(heap_->edit<uint32_t>(parent.block, word_at(parent.index), sizeof(uint32_t)), block);
}

void TermTree::retire(const Step& step) {
  heap_->retire(step.block, node_bytes(step.count));
}

/// Moves the upper part of an overfull node to `right`. Keys that come in ascending order leave
/// full nodes behind.
Status TermTree::split(Node& node, Node& right, uint32_t inserted) {
  const uint32_t keep = inserted + 1 == node.count ? node.count - 1 : node.count / 2;
  right.level = node.level;
  right.count = node.count - keep;
  std::copy_n(node.keys.begin() + keep, right.count, right.keys.begin());
  std::copy_n(node.words.begin() + keep, right.count, right.words.begin());
  node.count = keep;
  return {};
}

Status TermTree::grow_root(const Node& left, const Node& right) {
  Node root;
  root.level = left.level + 1;
  if (root.level >= kLevelsMax) return damaged();
  root.count = 2;
  root.keys[0] = left.keys[0];
  root.keys[1] = right.keys[0];
  TRY_ASSIGN(root.words[0], write(left));
  TRY_ASSIGN(root.words[1], write(right));
  TRY_ASSIGN(const BlockRef block, write(root));
  set_root(block);
  return {};
}

Status TermTree::put(const TermKey& key, uint32_t word) {
  Node node;
  std::vector<Step> path;
  if (load_root(heap_->view(), root_offset_) == 0) {
    node.insert(0, key, word);
    TRY_ASSIGN(const BlockRef block, write(node));
    set_root(block);
    return {};
  }
  TRY_ASSIGN(const bool found, descend(key, path));
  size_t depth = path.size() - 1;
  if (found) {
    const Step& leaf = path[depth];
    store_word(heap_->edit<uint32_t>(leaf.block, word_at(leaf.index), sizeof(uint32_t)), word);
    return {};
  }
  TRY(read(path[depth].block, node));
  uint32_t inserted = path[depth].index;
  node.insert(inserted, key, word);
  for (; node.count > kKeysMax; --depth) {
    Node right;
    TRY(split(node, right, inserted));
    if (depth == 0) {
      TRY(grow_root(node, right));
      for (const Step& step : path)
        retire(step);
      return {};
    }
    Node parent;
    TRY(read(path[depth - 1].block, parent));
    TRY_ASSIGN(parent.words[path[depth - 1].index], write(node));
    TRY_ASSIGN(const BlockRef block, write(right));
    inserted = path[depth - 1].index + 1;
    parent.insert(inserted, right.keys[0], block);
    node = parent;
  }
  TRY_ASSIGN(const BlockRef block, write(node));
  replace(path, depth, block);
  for (; depth < path.size(); ++depth)
    retire(path[depth]);
  return {};
}

/// Joins a node that has become small with a neighbour under the same parent, when the two fit.
Result<bool> TermTree::merge(Node& node, Node& parent, const Step& step, const Step& parent_step) {
  for (const bool with_next : {true, false}) {
    const uint32_t i = parent_step.index;
    if (with_next ? i + 1 >= parent.count : i == 0) continue;
    const uint32_t left = with_next ? i : i - 1;
    const Step other{parent.words[with_next ? i + 1 : i - 1], 0, 0};
    Node sibling;
    TRY(read(other.block, sibling));
    if (sibling.count + node.count > kKeysMax * 3 / 4) continue;
    const uint32_t sibling_count = sibling.count;
    Node joined = with_next ? node : sibling;
    Node& upper = with_next ? sibling : node;
    // A first key counts as the lowest: within the joined node it must be the true separator.
    if (joined.level > 0) upper.keys[0] = parent.keys[left + 1];
    joined.append(upper);
    TRY_ASSIGN(parent.words[left], write(joined));
    parent.erase(left + 1);
    retire(step);
    heap_->retire(other.block, node_bytes(sibling_count));
    return true;
  }
  return false;
}

Status TermTree::erase(const TermKey& key) {
  if (load_root(heap_->view(), root_offset_) == 0) return {};
  std::vector<Step> path;
  TRY_ASSIGN(const bool found, descend(key, path));
  if (!found) return {};
  size_t depth = path.size() - 1;
  Node node;
  TRY(read(path[depth].block, node));
  node.erase(path[depth].index);
  for (; depth > 0 && node.count < kKeysMax / 4; --depth) {
    Node parent;
    TRY(read(path[depth - 1].block, parent));
    if (node.count == 0) {
      parent.erase(path[depth - 1].index);
      retire(path[depth]);
    } else {
      TRY_ASSIGN(const bool merged, merge(node, parent, path[depth], path[depth - 1]));
      if (!merged) break;
    }
    node = parent;
  }
  if (depth == 0 && node.count == 0) {
    set_root(0);
  } else if (depth == 0 && node.level > 0 && node.count == 1) {
    set_root(node.words[0]);
  } else {
    TRY_ASSIGN(const BlockRef block, write(node));
    replace(path, depth, block);
  }
  retire(path[depth]);
  return {};
}

}  // namespace ferres
