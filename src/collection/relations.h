// The links that users make between points of a partition: which point is linked with which, in
// three arenas of the points store, for links are nobody else's to tell but the log's. A point with
// links has a node, which keeps its number while updates give the point new slots; a link stands in
// the sets of both its nodes, so a hub costs what any point costs. Nodes, sets and texts are blocks
// of one heap (payload/block_heap.h), sets those of payload/stored_set.h.
//
// A node may also stand for a point elsewhere: of a namespace with page files of its own, known by
// its storage id. Each of the two partitions then has one half of the link, and the link is there
// when both have (collection/linked.h): what one of them loses, by a drop or a restore, is gone for
// the other without being told.
//
// One lane writes. Readers under an EpochGuard take a View. Links have no LSN: a reader sees them
// as they are when it looks, which is never older than the LSN that it pinned.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/types.h"
#include "collection/slot_table.h"
#include "payload/block_heap.h"
#include "payload/stored_set.h"
#include "payload/term_tree.h"
#include "storage/arena.h"
#include "storage/page_store.h"

namespace ferres {

class Relations {
 public:
  static constexpr uint32_t kArenas = 3;
  /// A node's number, below 2^31; 0: none. Given to another point only after an epoch.
  using Node = BlockRef;

  /// Uses the arenas [first_arena, first_arena + kArenas) of the store. kCorruption when the header
  /// is damaged.
  static Result<std::unique_ptr<Relations>> open(PageStore& store, uint32_t first_arena);

  // ---- any thread, under an EpochGuard
  class View;
  bool empty() const { return nodes_.load(std::memory_order_relaxed) == 0; }
  /// Of links to elsewhere each half.
  uint64_t links() const { return links_.load(std::memory_order_relaxed); }
  /// No room for more.
  bool full() const { return used_bytes_.load(std::memory_order_relaxed) > kBytesMax; }
  uint64_t memory_bytes() const;

  // ---- the lane only
  /// Whether it was new.
  Result<bool> link(Slot a, Slot b);
  Result<bool> link(Slot a, std::string_view elsewhere);
  /// Whether it was there.
  Result<bool> unlink(Slot a, Slot b);
  Result<bool> unlink(Slot a, std::string_view elsewhere);
  /// The point in `from` (kNoSlot: it is new) is in `to` from now on.
  Status follow(Slot from, Slot to);
  /// All links of a point.
  Status remove(Slot slot);
  /// What was removed is reused when the readers of now are gone.
  void seal();
  /// Overwrites what is left of what was removed.
  void erase_free();
  /// Saves what is kept in memory into the arenas, before a checkpoint.
  Status save();
  /// Whether something was ever linked: then the arenas hold what older servers do not know.
  bool used() const { return heap_ != nullptr; }
  /// kCorruption unless every link is in both sets and between living points.
  Status audit(const SlotTable::View& slots, Slot count) const;

 private:
  static constexpr uint64_t kBytesMax = 16ull << 30;  // half of what a heap of blocks can have
  struct Header;
  struct NodeBlock;

  Relations(Arena* blocks, Arena* slots, Arena* retired)
      : blocks_(blocks), slots_(slots), retired_(retired) {}
  Status load();
  Status create();
  const Header* header() const;
  void use_heap(const BlockHeap::Header& header);
  TermKey key_of(std::string_view elsewhere) const;
  Result<NodeBlock> read(Node node) const;
  Node node_at(Slot slot) const;
  Status set_node(Slot slot, Node node);
  Result<Node> make_node(const NodeBlock& content);
  Result<Node> node_for(Slot slot);
  Result<Node> node_for(std::string_view elsewhere);
  Node find(std::string_view elsewhere) const;
  Result<bool> connect(Node a, Node b);
  Result<bool> disconnect(Node a, Node b);
  Status cut(Node from, Node other);
  Status drop(Node node, const NodeBlock& content);
  void count_bytes() { used_bytes_ = heap_->used_bytes(); }

  Arena* blocks_;
  Arena* slots_;  // the node of each slot
  Arena* retired_;
  std::unique_ptr<BlockHeap> heap_;  // null: nothing was ever linked
  std::unique_ptr<TermTree> elsewhere_;
  std::unique_ptr<StoredSets> sets_;
  std::atomic<uint64_t> nodes_{0};
  std::atomic<uint64_t> links_{0};
  std::atomic<uint64_t> used_bytes_{0};
};

/// One reader's look, by one thread under one guard.
class Relations::View {
 public:
  explicit View(const Relations& relations);
  /// 0: no links.
  Node node_of(Slot slot) const;
  Node node_of(std::string_view elsewhere) const;
  /// The other ends of its links, ascending.
  std::vector<Node> neighbours(Node node) const;
  bool linked(Node a, Node b) const;
  /// kNoSlot: it is elsewhere. The slot of the newest version, which the reader may not see yet.
  Slot slot_of(Node node) const;
  /// The storage id of a point elsewhere.
  std::string_view elsewhere(Node node) const;
  /// Damage met while asking: the answer must not be given.
  Status damage() const;

 private:
  const Relations* relations_;
  BlockView blocks_;
  Arena::Range slots_;
};

}  // namespace ferres
