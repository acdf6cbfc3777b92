// See hnsw_graph.h. Every change goes through Arena::mutate, and every word that searches read is
// stored by store_shared between an odd and an even value of the block's sequence.
#include "index/hnsw_graph.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "index/block_change.h"
#include "storage/arena_size.h"

namespace ferres {
namespace {

// A reader that meets a block in the middle of a change reads again. After so many times (the lane
// lost its CPU there) it takes the words as they are: each is a valid neighbour of before or after.
constexpr int kReadAttempts = 64;
// Locality of a prefetch: a block is more than the first cache level should give up its place for.
constexpr int kToL2 = 2;

BlockHead& head_at(std::byte* block) {
  return *reinterpret_cast<BlockHead*>(block);
}
uint32_t* words_at(std::byte* block) {
  return reinterpret_cast<uint32_t*>(block + sizeof(BlockHead));
}

Status ensure(Arena& arena, uint64_t bytes) {
  return arena.bytes() >= bytes ? Status() : arena.grow(arena_size_for(bytes));
}

}  // namespace

// ---- reading, any thread

const std::byte* GraphView::block(Slot slot) const {
  return slot < slots ? blocks + uint64_t{slot} * block_bytes : nullptr;
}

const std::byte* GraphView::checked_block(Slot slot) const {
  const std::byte* const at = block(slot);
  if (at == nullptr || unverified == nullptr) [[likely]]
    return at;
  const auto offset = static_cast<uint64_t>(at - blocks);
  return unverified->verify(offset, block_bytes).ok() ? at : nullptr;
}

uint32_t GraphView::read(Slot slot, Slot* ids) const {
  const std::byte* const at = checked_block(slot);
  if (at == nullptr) return 0;
  const auto& head = *reinterpret_cast<const BlockHead*>(at);
  const auto* const words = reinterpret_cast<const uint32_t*>(at + sizeof(BlockHead));
  const uint32_t lanes = 2 * m;
  uint32_t degree = 0;
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    const uint32_t sequence = load_shared(&head.sequence);
    degree = std::min(load_shared(&head.degree), lanes);
    for (uint32_t i = 0; i < degree; ++i)
      ids[i] = load_shared(words + i) & kSlotMask;
    if ((sequence & 1) == 0 && load_shared(&head.sequence) == sequence) break;
  }
  return degree;
}

uint32_t GraphView::read_near(Slot slot, const LaneQuery& query, const LaneLimit& limit,
                              Slot* ids) const {
  const std::byte* const at = checked_block(slot);
  if (at == nullptr) return 0;
  const auto& head = *reinterpret_cast<const BlockHead*>(at);
  const auto* const words = reinterpret_cast<const uint32_t*>(at + sizeof(BlockHead));
  const auto filter = code_kernels().filter_lanes;
  const size_t group_bytes = lane_group_bytes(lane_dim);
  float estimates[kLaneGroup];
  uint32_t near = 0;
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    const uint32_t sequence = load_shared(&head.sequence);
    const uint32_t degree = std::min(load_shared(&head.degree), 2 * m);
    near = 0;
    for (uint32_t first = 0; first < degree; first += kLaneGroup) {
      const std::byte* const group = at + lane_codes_offset(m) + first / kLaneGroup * group_bytes;
      uint32_t mask = filter(lane_block(group), query, lane_dim, limit, estimates);
      if (degree - first < kLaneGroup) mask &= (1u << (degree - first)) - 1;
      for (; mask != 0; mask &= mask - 1) {
        const auto lane = static_cast<uint32_t>(std::countr_zero(mask));
        ids[near++] = load_shared(words + first + lane) & kSlotMask;
      }
    }
    loads_before();
    if ((sequence & 1) == 0 && load_shared(&head.sequence) == sequence) break;
  }
  return near;
}

void GraphView::prefetch(Slot slot) const {
  if (slot >= slots) return;
  const std::byte* const at = blocks + uint64_t{slot} * block_bytes;
  for (uint32_t i = 0; i < block_bytes; i += 64)
    __builtin_prefetch(at + i, 0, kToL2);
  __builtin_prefetch(at + block_bytes - 1, 0, kToL2);
}

// ---- opening

HnswGraph::HnswGraph(const Arenas& arenas, EntryTable entries, const Options& options)
    : arenas_(arenas),
      in_lists_(arenas.incoming),
      entries_(std::move(entries)),
      space_(*options.space),
      m_(options.m),
      lane_dim_(options.lane_dim()),
      rotated_from_(lane_dim_),
      rotated_to_(lane_dim_) {
  refresh();
}

uint32_t HnswGraph::Options::lane_dim() const {
  return lanes ? space->rotated_dim() : 0;
}

Result<std::unique_ptr<HnswGraph>> HnswGraph::open(PageStore& store, uint32_t first_arena,
                                                   const Options& options) {
  Arenas arenas;
  struct Row {
    Arena** arena;
    const char* name;
    bool huge_pages;
    bool lane_only;
  };
  const Row rows[] = {{&arenas.header, "graph header", false, false},
                      {&arenas.blocks, "graph blocks", true, false},
                      {&arenas.lengths, "graph lengths", true, true},
                      {&arenas.incoming, "graph incoming lists", true, true}};
  uint32_t id = first_arena;
  for (const Row& row : rows) {
    ArenaSpec spec;
    spec.id = id++;
    spec.name = row.name;
    if (row.lane_only) spec.residency = options.lane_residency;
    spec.huge_pages = row.huge_pages && spec.residency == Residency::kMemory;
    TRY_ASSIGN(*row.arena, store.arena(spec));
  }
  TRY_ASSIGN(EntryTable entries, EntryTable::open(store, id, *options.space));
  if (arenas.header->bytes() < sizeof(GraphHeader)) {
    TRY(arenas.header->grow(arena_size_for(sizeof(GraphHeader))));
    GraphHeader fresh;
    fresh.m = options.m;
    fresh.seed = options.seed;
    fresh.lane_dim = options.lane_dim();
    fresh.lowest_rank = kFirstRank;
    std::memcpy(arenas.header->mutate(0, sizeof fresh), &fresh, sizeof fresh);
  }
  TRY(arenas.header->verify(0, sizeof(GraphHeader)));
  const auto& header = *reinterpret_cast<const GraphHeader*>(arenas.header->base());
  if (header.magic != kGraphMagic || header.format != kGraphFormat || header.m != options.m ||
      header.lane_dim != options.lane_dim()) {
    return Status(Code::kCorruption, "graph header: another format, number of links or layout");
  }
  return std::unique_ptr<HnswGraph>(new HnswGraph(arenas, std::move(entries), options));
}

GraphView HnswGraph::view() const {
  GraphView view;
  view.m = m_;
  view.lane_dim = lane_dim_;
  view.block_bytes = static_cast<uint32_t>(graph_block_bytes(m_, lane_dim_));
  view.header = reinterpret_cast<const GraphHeader*>(arenas_.header->base());
  view.entries = entries_.view();
  const Arena::Range blocks = arenas_.blocks->range();
  view.blocks = blocks.base;
  view.slots = static_cast<Slot>(std::min<uint64_t>(blocks.bytes / view.block_bytes, kSlotsMax));
  if (!arenas_.blocks->all_verified()) view.unverified = arenas_.blocks;
  return view;
}

void HnswGraph::refresh() {
  lane_view_ = view();
  lane_view_.unverified = nullptr;
}

uint64_t HnswGraph::memory_bytes() const {
  uint64_t bytes = entries_.memory_bytes();
  for (const Arena* arena : {arenas_.header, arenas_.blocks, arenas_.lengths, arenas_.incoming})
    bytes += arena->memory_bytes();
  return bytes;
}

bool HnswGraph::all_verified() const {
  return arenas_.blocks->all_verified();
}

// ---- reading, the lane

const GraphHeader& HnswGraph::header() const {
  return *lane_view_.header;
}

const BlockHead& HnswGraph::head(Slot slot) const {
  static constexpr BlockHead kNone;
  const std::byte* const block = lane_view_.block(slot);
  return block == nullptr ? kNone : *reinterpret_cast<const BlockHead*>(block);
}

bool HnswGraph::linked(Slot slot) const {
  return head(slot).linked == 1;
}

HnswGraph::Lanes HnswGraph::lanes(Slot slot) const {
  const std::byte* const block = lane_view_.block(slot);
  if (block == nullptr) return {};
  Lanes lanes;
  const uint32_t most = lanes_max();
  lanes.words = reinterpret_cast<const uint32_t*>(block + sizeof(BlockHead));
  lanes.count = std::min(reinterpret_cast<const BlockHead*>(block)->degree, most);
  lanes.lengths = reinterpret_cast<const float*>(arenas_.lengths->base()) + uint64_t{slot} * most;
  return lanes;
}

int HnswGraph::find_lane(Slot from, Slot to) const {
  const Lanes lanes = this->lanes(from);
  for (uint32_t i = 0; i < lanes.count; ++i) {
    if (lanes.slot(i) == to) return static_cast<int>(i);
  }
  return -1;
}

std::span<const uint32_t> HnswGraph::incoming(Slot slot) const {
  return in_lists_.list(head(slot));
}

bool HnswGraph::droppable(Slot from, Slot to) const {
  const BlockHead& target = head(to);
  return target.anchors > 1 || head(from).rank > target.rank || lane_view_.root() == to;
}

// ---- changing, the lane

GraphHeader& HnswGraph::edit_header() {
  return *reinterpret_cast<GraphHeader*>(arenas_.header->mutate(0, sizeof(GraphHeader)));
}

std::byte* HnswGraph::edit_block(Slot slot) {
  return arenas_.blocks->mutate(uint64_t{slot} * lane_view_.block_bytes, lane_view_.block_bytes);
}

BlockHead& HnswGraph::edit_head(Slot slot) {
  return head_at(
      arenas_.blocks->mutate(uint64_t{slot} * lane_view_.block_bytes, sizeof(BlockHead)));
}

float* HnswGraph::edit_lengths(Slot slot) {
  const uint64_t bytes = uint64_t{2} * m_ * sizeof(float);
  return reinterpret_cast<float*>(arenas_.lengths->mutate(slot * bytes, bytes));
}

Status HnswGraph::ensure_slot(Slot slot) {
  const uint64_t slots = uint64_t{slot} + 1;
  if (slots > kSlotsMax) return Status(Code::kResourceExhausted, "graph: too many slots");
  TRY(ensure(*arenas_.blocks, slots * lane_view_.block_bytes));
  TRY(ensure(*arenas_.lengths, slots * 2 * m_ * sizeof(float)));
  refresh();
  return {};
}

void HnswGraph::reset_block(Slot slot) {
  BlockHead& head = edit_head(slot);
  const BlockChange change(head.sequence);
  store_shared(&head.degree, 0u);
  head.incoming = {};
  head.size_class = 0;
  head.anchors = 0;
  head.rank = kFirstRank + header().additions;
  head.linked = 1;
}

Status HnswGraph::enter(Slot slot) {
  TRY(ensure_slot(slot));
  if (slot == rotated_from_slot_) rotated_from_slot_ = kNoSlot;
  if (slot == rotated_to_slot_) rotated_to_slot_ = kNoSlot;
  reset_block(slot);
  GraphHeader& header = edit_header();
  ++header.points;
  ++header.additions;
  return {};
}

void HnswGraph::publish(Slot slot) {
  GraphHeader& header = edit_header();
  if (header.root == kNoSlot) store_shared(&header.root, slot);
  // Out of memory for an entry: a start less.
  // Multiples of the golden ratio: clusters whose points arrive by turns get theirs all the same.
  const uint64_t turn = (header.additions - 1 + header.seed) * 0x9E3779B97F4A7C15u >> 32;
  entries_.added(slot, turn).ignore();
}

Status HnswGraph::add_incoming(Slot from, Slot to) {
  if (lane_view_.block(to) == nullptr) return {};
  BlockHead& target = edit_head(to);
  TRY(in_lists_.push(target, edit_header().in_lists, from));
  if (head(from).rank < target.rank) ++target.anchors;
  return {};
}

void HnswGraph::drop_incoming(Slot from, Slot to) {
  if (lane_view_.block(to) == nullptr) return;
  BlockHead& target = edit_head(to);
  if (!in_lists_.drop(target, from)) return;
  if (head(from).rank < target.rank && target.anchors > 0) --target.anchors;
}

void HnswGraph::prepare_lane(Slot from, Slot to) {
  if (rotated_from_slot_ != from) space_.rotated(from, rotated_from_.data());
  rotated_from_slot_ = from;
  if (rotated_to_slot_ != to) space_.rotated(to, rotated_to_.data());
  rotated_to_slot_ = to;
}

void HnswGraph::write_lane(std::byte* block, uint32_t lane) const {
  std::byte* const group =
      block + lane_codes_offset(m_) + lane / kLaneGroup * lane_group_bytes(lane_dim_);
  space_.encode_lane(rotated_from_.data(), rotated_to_.data(), lane % kLaneGroup, group);
}

Status HnswGraph::append(Slot from, uint32_t word, float length) {
  TRY(add_incoming(from, word & kSlotMask));
  std::byte* const block = edit_block(from);
  BlockHead& head = head_at(block);
  const uint32_t lane = std::min(head.degree, lanes_max() - 1);
  edit_lengths(from)[lane] = length;
  if (carries_codes()) prepare_lane(from, word & kSlotMask);
  const BlockChange change(head.sequence);
  store_shared(words_at(block) + lane, word);
  if (carries_codes()) write_lane(block, lane);
  store_shared(&head.degree, lane + 1);
  return {};
}

Status HnswGraph::replace(Slot from, uint32_t lane, uint32_t word, float length) {
  const Lanes before = lanes(from);
  CHECK(before.words != nullptr);  // the caller found the lane in this block
  drop_incoming(from, before.slot(lane));
  if (Status added = add_incoming(from, word & kSlotMask); !added.ok()) {
    drop_lane(from, lane);
    return added;
  }
  std::byte* const block = edit_block(from);
  edit_lengths(from)[lane] = length;
  if (carries_codes()) prepare_lane(from, word & kSlotMask);
  const BlockChange change(head_at(block).sequence);
  store_shared(words_at(block) + lane, word);
  if (carries_codes()) write_lane(block, lane);
  return {};
}

void HnswGraph::erase(Slot from, uint32_t lane) {
  const Lanes before = lanes(from);
  CHECK(before.words != nullptr);  // the caller found the lane in this block
  drop_incoming(from, before.slot(lane));
  drop_lane(from, lane);
}

void HnswGraph::drop_lane(Slot from, uint32_t lane) {
  std::byte* const block = edit_block(from);
  BlockHead& head = head_at(block);
  const uint32_t last = std::min(head.degree, lanes_max()) - 1;
  float* const lengths = edit_lengths(from);
  lengths[lane] = lengths[last];
  const BlockChange change(head.sequence);
  store_shared(words_at(block) + lane, words_at(block)[last]);
  if (carries_codes() && lane != last) {
    std::byte* const groups = block + lane_codes_offset(m_);
    const size_t bytes = lane_group_bytes(lane_dim_);
    copy_lane(groups + last / kLaneGroup * bytes, last % kLaneGroup,
              groups + lane / kLaneGroup * bytes, lane % kLaneGroup, lane_dim_);
  }
  store_shared(&head.degree, last);
}

void HnswGraph::mark_filler(Slot from, uint32_t lane) {
  // No new sequence: readers mask the bit off.
  uint32_t* const word = words_at(edit_block(from)) + lane;
  store_shared(word, *word | kFillerBit);
}

void HnswGraph::detach(Slot slot) {
  const Lanes lanes = this->lanes(slot);
  for (uint32_t i = 0; i < lanes.count; ++i)
    drop_incoming(slot, lanes.slot(i));
  BlockHead& head = edit_head(slot);
  in_lists_.clear(head, edit_header().in_lists);
  head.anchors = 0;
  head.linked = 0;
}

void HnswGraph::leave(Slot slot) {
  GraphHeader& header = edit_header();
  if (header.points > 0) --header.points;
  entries_.removed(slot);
}

void HnswGraph::set_root(Slot slot) {
  GraphHeader& header = edit_header();
  if (slot != kNoSlot) {
    // The new root sinks below every rank, so its edges become anchors and none anchors it.
    BlockHead& root = edit_head(slot);
    const uint64_t before = root.rank;
    root.rank = --header.lowest_rank;
    root.anchors = 0;
    const Lanes lanes = this->lanes(slot);
    for (uint32_t i = 0; i < lanes.count; ++i) {
      const Slot to = lanes.slot(i);
      if (lane_view_.block(to) != nullptr && head(to).rank < before) {
        ++edit_head(to).anchors;
      }
    }
  }
  store_shared(&header.root, slot);
}

}  // namespace ferres
