// The terms of a payload index: an ordered map from 16-byte keys to 32-bit words, as a B+tree of
// blocks. One tree holds every field: a key begins with the field and the type of the value
// (payload/term_key.h), so a value is one look-up and a range of values is one scan.
//
// A node is a block {level, count, words, keys}, as large as it needs to be: 20 bytes a term and
// little more, whatever the order of insertion. Words of a leaf are the map's values, words of an
// inner node are its children. The root's block stands in the arena at a fixed place.
//
// One lane changes it. A node that gains or loses a key is written anew and published by one store
// into its parent; a word alone is stored in place. So readers (under an EpochGuard, through one
// BlockView) always walk a whole tree.
#pragma once
#include <algorithm>
#include <compare>
#include <cstdint>
#include <vector>

#include "payload/block_heap.h"

namespace ferres {

struct TermKey {
  uint64_t high = 0;
  uint64_t low = 0;
  auto operator<=>(const TermKey&) const = default;
};

class TermTree {
 public:
  static constexpr uint32_t kKeysMax = 50;       // 1 KiB: up to there blocks come in fine steps
  static constexpr uint32_t kNone = 0xFFFFFFFF;  // no word has this value

  /// root_offset: where in the arena the root's BlockRef stands; 0 there: empty.
  TermTree(BlockHeap& heap, uint64_t root_offset) : heap_(&heap), root_offset_(root_offset) {}

  // ---- any thread, under a guard
  /// kNone when there is no such key, or when damage was met: see view.damaged().
  static uint32_t find(const BlockView& view, uint64_t root_offset, const TermKey& key);
  /// Calls visit(key, word) for from <= key <= to in order, until one returns false.
  template <class Visit>
  static void scan(const BlockView& view, uint64_t root_offset, const TermKey& from,
                   const TermKey& to, Visit&& visit) {
    const BlockRef root = load_root(view, root_offset);
    if (root != 0) scan_node(view, root, kLevelsMax, &from, &to, visit);
  }

  // ---- the lane only
  uint32_t find(const TermKey& key) const { return find(heap_->view(), root_offset_, key); }
  /// Adds the key or changes its word. kCorruption for damaged nodes.
  Status put(const TermKey& key, uint32_t word);
  /// Nothing when there is no such key.
  Status erase(const TermKey& key);

 private:
  static constexpr uint32_t kLevelsMax = 16;
  static constexpr uint32_t kAhead = 4;  // children fetched before their turn
  struct Node;
  struct Step {
    BlockRef block;
    uint32_t count;
    uint32_t index;  // of the child taken, or where the key is or belongs
  };
  /// A node in place: its arrays lie behind the header.
  struct NodeView {
    BlockRef block = 0;
    uint32_t level = 0;
    uint32_t count = 0;
    const TermKey* keys = nullptr;
    const uint32_t* words = nullptr;
    explicit operator bool() const { return keys != nullptr; }
  };

  static BlockRef load_root(const BlockView& view, uint64_t root_offset);
  /// above: the node must be of a lower level.
  static NodeView node(const BlockView& view, BlockRef block, uint32_t above);
  static uint32_t child_of(const NodeView& node, const TermKey& key);
  static uint32_t lower_bound(const NodeView& node, const TermKey& key);
  static uint32_t upper_bound(const NodeView& node, const TermKey& key);
  /// from, to: null where every key of the node is within the bound.
  template <class Visit>
  static bool scan_node(const BlockView& view, BlockRef block, uint32_t above, const TermKey* from,
                        const TermKey* to, Visit&& visit) {
    const NodeView now = node(view, block, above);
    if (!now) return false;
    if (now.level == 0) {
      const uint32_t end = to == nullptr ? now.count : upper_bound(now, *to);
      for (uint32_t i = from == nullptr ? 0 : lower_bound(now, *from); i < end; ++i)
        if (!visit(now.keys[i], load_word(now.words + i))) return false;
      return true;
    }
    const uint32_t first = from == nullptr ? 0 : child_of(now, *from);
    const uint32_t last = to == nullptr ? now.count - 1 : child_of(now, *to);
    for (uint32_t i = first; i <= last; ++i) {
      if (i + kAhead <= last) prefetch(view, load_word(now.words + i + kAhead));
      if (!scan_node(view, load_word(now.words + i), now.level, i == first ? from : nullptr,
                     i == last ? to : nullptr, visit)) {
        return false;
      }
    }
    return true;
  }
  /// A long scan reads header and words of nodes that lie anywhere: waiting for each would be most
  /// of its time.
  static void prefetch(const BlockView& view, BlockRef block) {
    const std::byte* const at = view.range().base + block * kBlockUnit;
    for (uint64_t line = 0; line < 4; ++line)
      __builtin_prefetch(at + line * 64);
  }

  /// The way from the root to the key's leaf; whether the key is there.
  Result<bool> descend(const TermKey& key, std::vector<Step>& path) const;
  Status read(BlockRef block, Node& node) const;
  Result<BlockRef> write(const Node& node);
  Status split(Node& node, Node& right, uint32_t inserted);
  Status grow_root(const Node& left, const Node& right);
  /// Puts `block` where the path's node at `depth` was.
  void replace(const std::vector<Step>& path, size_t depth, BlockRef block);
  void retire(const Step& step);
  Result<bool> merge(Node& node, Node& parent, const Step& step, const Step& parent_step);
  void set_root(BlockRef block);

  BlockHeap* heap_;
  uint64_t root_offset_;
};

}  // namespace ferres
