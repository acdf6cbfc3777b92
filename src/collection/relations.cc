// See relations.h. Words of a node that readers look at change in place; the rest of the header is
// written at a checkpoint.
#include "collection/relations.h"

#include <cstring>

#include "base/hash.h"
#include "base/random.h"
#include "storage/arena_size.h"

namespace ferres {
namespace {

constexpr uint32_t kVersion = 1;
constexpr uint64_t kRootOffset = 4;

Status damaged(std::string_view what) {
  return {Code::kCorruption, "the links between points are damaged: " + std::string(what)};
}

}  // namespace

/// At the beginning of the blocks' arena.
struct Relations::Header {
  uint32_t version = 0;
  BlockRef root = {};  // of the tree of points elsewhere
  uint64_t seed = 0;   // of their ids' hashes
  uint64_t nodes = 0;
  uint64_t links = 0;
  uint64_t retired = 0;  // blocks listed in the third arena
  BlockHeap::Header heap;
};

struct Relations::NodeBlock {
  uint32_t links = StoredSets::kEmpty;  // a set of nodes
  uint32_t slot = 0;                    // + 1; 0: elsewhere
  BlockRef text = 0;                    // of one elsewhere: its storage id
  uint32_t text_bytes = 0;
};

Result<std::unique_ptr<Relations>> Relations::open(PageStore& store, uint32_t first_arena) {
  TRY_ASSIGN(Arena * blocks, store.arena({.id = first_arena, .name = "relations"}));
  TRY_ASSIGN(Arena * slots, store.arena({.id = first_arena + 1, .name = "relations by slot"}));
  TRY_ASSIGN(Arena * retired, store.arena({.id = first_arena + 2, .name = "relations retired"}));
  std::unique_ptr<Relations> relations(new Relations(blocks, slots, retired));
  TRY(relations->load());
  return relations;
}

Status Relations::load() {
  static_assert(sizeof(Header) <= BlockHeap::kFirstByte);
  static_assert(offsetof(Header, root) == kRootOffset);
  static_assert(sizeof(NodeBlock) == kBlockUnit);
  if (blocks_->bytes() < BlockHeap::kFirstByte) return {};
  TRY(blocks_->verify(0, sizeof(Header)));
  const Header& saved = *header();
  if (saved.version > kVersion) {
    return {Code::kUnimplemented, "the links between points are of version " +
                                      std::to_string(saved.version) + ", this server reads " +
                                      std::to_string(kVersion)};
  }
  const uint64_t retired_bytes = saved.retired * sizeof(BlockHeap::Retired);
  if (saved.version == 0 || saved.heap.end > blocks_->bytes() || retired_bytes > retired_->bytes())
    return damaged("their header");
  TRY(retired_->verify(0, retired_bytes));
  // Asked by every read of a point's links: checked at once, as the slots are.
  TRY(slots_->verify(0, slots_->bytes()));
  use_heap(saved.heap);
  std::vector<BlockHeap::Retired> retired(saved.retired);
  if (!retired.empty()) std::memcpy(retired.data(), retired_->base(), retired_bytes);
  heap_->recover(retired);
  nodes_ = saved.nodes;
  links_ = saved.links;
  count_bytes();
  return {};
}

Status Relations::create() {
  TRY(blocks_->grow(arena_size_for(sizeof(Header))));
  auto* const fresh = reinterpret_cast<Header*>(blocks_->mutate(0, sizeof(Header)));
  fresh->seed = random_seed();
  fresh->heap = {};
  store_word(&fresh->version, kVersion);
  use_heap({});
  return {};
}

void Relations::use_heap(const BlockHeap::Header& header) {
  heap_ = std::make_unique<BlockHeap>(*blocks_, header);
  elsewhere_ = std::make_unique<TermTree>(*heap_, kRootOffset);
  sets_ = std::make_unique<StoredSets>(*heap_);
}

const Relations::Header* Relations::header() const {
  return reinterpret_cast<const Header*>(blocks_->base());
}

TermKey Relations::key_of(std::string_view elsewhere) const {
  const Hash128 hash = hash_bytes_128(as_bytes(elsewhere), header()->seed);
  return {hash.high, hash.low};
}

uint64_t Relations::memory_bytes() const {
  return blocks_->memory_bytes() + slots_->memory_bytes() + retired_->memory_bytes();
}

// ---- readers

Relations::View::View(const Relations& relations)
    : relations_(&relations), blocks_(*relations.blocks_), slots_(relations.slots_->range()) {}

Relations::Node Relations::View::node_of(Slot slot) const {
  const uint64_t offset = uint64_t{slot} * sizeof(Node);
  if (offset + sizeof(Node) > slots_.bytes) return 0;
  return load_word(reinterpret_cast<const Node*>(slots_.base + offset));
}

Relations::Node Relations::View::node_of(std::string_view elsewhere) const {
  if (relations_->empty()) return 0;
  const uint32_t found = TermTree::find(blocks_, kRootOffset, relations_->key_of(elsewhere));
  return found == TermTree::kNone ? 0 : found;
}

std::vector<Relations::Node> Relations::View::neighbours(Node node) const {
  std::vector<Node> found;
  const auto* const block = blocks_.get<NodeBlock>(node, sizeof(NodeBlock));
  if (block != nullptr) StoredSets::append(blocks_, load_word(&block->links), found);
  return found;
}

bool Relations::View::linked(Node a, Node b) const {
  const auto* const block = blocks_.get<NodeBlock>(a, sizeof(NodeBlock));
  return block != nullptr && StoredSets::contains(blocks_, load_word(&block->links), b);
}

Slot Relations::View::slot_of(Node node) const {
  const auto* const block = blocks_.get<NodeBlock>(node, sizeof(NodeBlock));
  const uint32_t slot = block == nullptr ? 0 : load_word(&block->slot);
  return slot == 0 ? kNoSlot : slot - 1;
}

std::string_view Relations::View::elsewhere(Node node) const {
  const auto* const block = blocks_.get<NodeBlock>(node, sizeof(NodeBlock));
  if (block == nullptr) return {};
  const auto* const text = blocks_.get<char>(block->text, block->text_bytes);
  return text == nullptr ? std::string_view() : std::string_view(text, block->text_bytes);
}

Status Relations::View::damage() const {
  return blocks_.damaged() ? damaged("a page of them") : Status();
}

// ---- the lane

Result<Relations::NodeBlock> Relations::read(Node node) const {
  const auto* const block = heap_->view().get<NodeBlock>(node, sizeof(NodeBlock));
  if (block == nullptr) return damaged("a node lies outside of its arena");
  return *block;
}

Relations::Node Relations::node_at(Slot slot) const {
  const Arena::Range range = slots_->range();
  const uint64_t offset = uint64_t{slot} * sizeof(Node);
  return offset + sizeof(Node) > range.bytes
             ? 0
             : load_word(reinterpret_cast<const Node*>(range.base + offset));
}

Status Relations::set_node(Slot slot, Node node) {
  const uint64_t offset = uint64_t{slot} * sizeof(Node);
  const uint64_t end = offset + sizeof(Node);
  if (end > slots_->bytes()) {
    if (node == 0) return {};
    TRY(slots_->grow(arena_size_for(end)));
  }
  store_word(reinterpret_cast<Node*>(slots_->mutate(offset, sizeof(Node))), node);
  return {};
}

Result<Relations::Node> Relations::make_node(const NodeBlock& content) {
  TRY_ASSIGN(const Node node, heap_->allocate(sizeof(NodeBlock)));
  *heap_->edit<NodeBlock>(node, 0, sizeof(NodeBlock)) = content;
  nodes_.fetch_add(1, std::memory_order_relaxed);
  return node;
}

Result<Relations::Node> Relations::node_for(Slot slot) {
  if (heap_ == nullptr) TRY(create());
  if (const Node known = node_at(slot); known != 0) return known;
  TRY_ASSIGN(const Node node, make_node({.slot = slot + 1}));
  TRY(set_node(slot, node));
  return node;
}

Result<Relations::Node> Relations::node_for(std::string_view elsewhere) {
  if (heap_ == nullptr) TRY(create());
  if (const Node known = find(elsewhere); known != 0) return known;
  const auto bytes = static_cast<uint32_t>(elsewhere.size());
  TRY_ASSIGN(const BlockRef text, heap_->allocate(bytes));
  std::memcpy(heap_->edit<char>(text, 0, bytes), elsewhere.data(), bytes);
  TRY_ASSIGN(const Node node, make_node({.text = text, .text_bytes = bytes}));
  TRY(elsewhere_->put(key_of(elsewhere), node));
  return node;
}

Relations::Node Relations::find(std::string_view elsewhere) const {
  if (heap_ == nullptr) return 0;
  const uint32_t found = elsewhere_->find(key_of(elsewhere));
  return found == TermTree::kNone ? 0 : found;
}

Result<bool> Relations::connect(Node a, Node b) {
  TRY_ASSIGN(const NodeBlock first, read(a));
  if (StoredSets::contains(heap_->view(), first.links, b)) return false;
  TRY_ASSIGN(const NodeBlock second, read(b));
  TRY_ASSIGN(const uint32_t to_b, sets_->add(first.links, b));
  store_word(&heap_->edit<NodeBlock>(a, 0, sizeof(NodeBlock))->links, to_b);
  TRY_ASSIGN(const uint32_t to_a, sets_->add(second.links, a));
  store_word(&heap_->edit<NodeBlock>(b, 0, sizeof(NodeBlock))->links, to_a);
  links_.fetch_add(1, std::memory_order_relaxed);
  count_bytes();
  return true;
}

Result<bool> Relations::link(Slot a, Slot b) {
  TRY_ASSIGN(const Node first, node_for(a));
  TRY_ASSIGN(const Node second, node_for(b));
  return connect(first, second);
}

Result<bool> Relations::link(Slot a, std::string_view elsewhere) {
  TRY_ASSIGN(const Node first, node_for(a));
  TRY_ASSIGN(const Node second, node_for(elsewhere));
  return connect(first, second);
}

/// A node without links is none.
Status Relations::drop(Node node, const NodeBlock& content) {
  if (content.slot != 0) {
    TRY(set_node(content.slot - 1, 0));
  } else {
    const auto* const text = heap_->view().get<char>(content.text, content.text_bytes);
    if (text == nullptr) return damaged("an id lies outside of its arena");
    TRY(elsewhere_->erase(key_of({text, content.text_bytes})));
    heap_->retire(content.text, content.text_bytes);
  }
  heap_->retire(node, sizeof(NodeBlock));
  nodes_.fetch_sub(1, std::memory_order_relaxed);
  return {};
}

/// The half of a link that `from` has.
Status Relations::cut(Node from, Node other) {
  TRY_ASSIGN(const NodeBlock content, read(from));
  TRY_ASSIGN(const uint32_t left, sets_->remove(content.links, other));
  store_word(&heap_->edit<NodeBlock>(from, 0, sizeof(NodeBlock))->links, left);
  return left == StoredSets::kEmpty ? drop(from, content) : Status();
}

Result<bool> Relations::disconnect(Node a, Node b) {
  if (a == 0 || b == 0) return false;
  TRY_ASSIGN(const NodeBlock first, read(a));
  if (!StoredSets::contains(heap_->view(), first.links, b)) return false;
  TRY(cut(a, b));
  TRY(cut(b, a));
  links_.fetch_sub(1, std::memory_order_relaxed);
  count_bytes();
  return true;
}

Result<bool> Relations::unlink(Slot a, Slot b) {
  return disconnect(node_at(a), node_at(b));
}

Result<bool> Relations::unlink(Slot a, std::string_view elsewhere) {
  return disconnect(node_at(a), find(elsewhere));
}

/// The old slot goes on naming the node, for those who still see the point there.
Status Relations::follow(Slot from, Slot to) {
  if (heap_ == nullptr) return {};
  const Node node = from == kNoSlot ? 0 : node_at(from);
  if (node == 0 && node_at(to) == 0) return {};
  TRY(set_node(to, node));
  if (node == 0) return {};
  TRY_ASSIGN([[maybe_unused]] const NodeBlock content, read(node));
  store_word(&heap_->edit<NodeBlock>(node, 0, sizeof(NodeBlock))->slot, to + 1);
  return {};
}

Status Relations::remove(Slot slot) {
  if (heap_ == nullptr) return {};
  const Node node = node_at(slot);
  if (node == 0) return {};
  TRY_ASSIGN(const NodeBlock content, read(node));
  std::vector<Node> others;
  const BlockView view = heap_->view();
  StoredSets::append(view, content.links, others);
  if (view.damaged()) return damaged("a set of them");
  for (const Node other : others)
    TRY(cut(other, node));
  TRY(sets_->release(content.links));
  TRY(drop(node, content));
  links_.fetch_sub(others.size(), std::memory_order_relaxed);
  count_bytes();
  return {};
}

void Relations::seal() {
  if (heap_ != nullptr) heap_->seal();
}

void Relations::erase_free() {
  if (heap_ != nullptr) heap_->erase_free();
}

Status Relations::save() {
  if (heap_ == nullptr) return {};
  const std::vector<BlockHeap::Retired> retired = heap_->retired();
  const uint64_t bytes = retired.size() * sizeof(BlockHeap::Retired);
  if (bytes > retired_->bytes()) TRY(retired_->grow(arena_size_for(bytes)));
  if (bytes > 0) std::memcpy(retired_->mutate(0, bytes), retired.data(), bytes);
  auto* const saved = reinterpret_cast<Header*>(blocks_->mutate(0, sizeof(Header)));
  saved->nodes = nodes_;
  saved->links = links_;
  saved->retired = retired.size();
  saved->heap = heap_->header();
  return {};
}

Status Relations::audit(const SlotTable::View& slots, Slot count) const {
  if (heap_ == nullptr) return {};
  const View view(*this);
  uint64_t halves = 0;
  uint64_t elsewhere = 0;
  std::string wrong;
  for (Slot slot = 0; slot < count; ++slot) {
    const Node node = slots.living(slot) ? view.node_of(slot) : 0;
    if (node == 0) continue;
    if (view.slot_of(node) != slot) wrong = "slot " + std::to_string(slot) + " has another's node";
    for (const Node other : view.neighbours(node)) {
      ++halves;
      const Slot end = view.slot_of(other);
      if (end == kNoSlot) ++elsewhere;
      const bool there = end == kNoSlot ? view.node_of(view.elsewhere(other)) == other
                                        : slots.living(end) && view.node_of(end) == other;
      if (!there || !view.linked(other, node))
        wrong = "slot " + std::to_string(slot) + " is linked with what does not know of it";
    }
  }
  TRY(view.damage());
  if (!wrong.empty()) return damaged(wrong);
  if ((halves + elsewhere) / 2 == links()) return {};
  return damaged("there are " + std::to_string((halves + elsewhere) / 2) + ", and the count says " +
                 std::to_string(links()));
}

}  // namespace ferres
