// See hnsw_graph.h. Every change goes through Arena::mutate, and every word that searches read is
// stored by store_shared between an odd and an even value of the block's sequence.
#include "index/hnsw_graph.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace ferres {
namespace {

// A reader that meets a block in the middle of a change reads again. After so many times (the lane
// lost its CPU there) it takes the words as they are: each is a valid neighbour of before or after.
constexpr int kReadAttempts = 64;

BlockHead& head_at(std::byte* block) {
  return *reinterpret_cast<BlockHead*>(block);
}
uint32_t* words_at(std::byte* block) {
  return reinterpret_cast<uint32_t*>(block + sizeof(BlockHead));
}

/// Keeps a block's sequence odd while it lives.
class BlockChange {
 public:
  explicit BlockChange(BlockHead& head) : head_(head), before_(head.sequence & ~1u) {
    store_shared(&head_.sequence, before_ + 1);
  }
  ~BlockChange() { store_shared(&head_.sequence, before_ + 2); }
  BlockChange(const BlockChange&) = delete;
  BlockChange& operator=(const BlockChange&) = delete;

 private:
  BlockHead& head_;
  const uint32_t before_;
};

uint64_t whole_pages(uint64_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

Status ensure(Arena& arena, uint64_t bytes) {
  return arena.bytes() >= bytes ? Status() : arena.grow(whole_pages(bytes));
}

}  // namespace

// ---- reading, any thread

uint32_t GraphView::levels() const {
  return std::min(load_shared(&header->levels), kUpperLevelsMax + 1);
}

const std::byte* GraphView::block(uint32_t level, Slot slot) const {
  if (level == 0) return slot < slots ? blocks + uint64_t{slot} * block_bytes : nullptr;
  if (slot >= run_slots) return nullptr;
  const uint32_t run = load_shared(reinterpret_cast<const uint32_t*>(runs) + slot);
  const uint64_t number = uint64_t{run_first(run)} + level - 1;
  if (level > run_levels(run) || number >= upper_blocks) return nullptr;
  return upper + number * upper_bytes;
}

const std::byte* GraphView::checked_block(uint32_t level, Slot slot) const {
  const std::byte* const at = block(level, slot);
  const Arena* const unverified = level == 0 ? unverified_blocks : unverified_upper;
  if (at == nullptr || unverified == nullptr) [[likely]]
    return at;
  const auto offset = static_cast<uint64_t>(at - (level == 0 ? blocks : upper));
  return unverified->verify(offset, level == 0 ? block_bytes : upper_bytes).ok() ? at : nullptr;
}

uint32_t GraphView::read(uint32_t level, Slot slot, Slot* ids) const {
  const std::byte* const at = checked_block(level, slot);
  if (at == nullptr) return 0;
  const auto& head = *reinterpret_cast<const BlockHead*>(at);
  const auto* const words = reinterpret_cast<const uint32_t*>(at + sizeof(BlockHead));
  const uint32_t lanes = level == 0 ? 2 * m : m;
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

uint32_t GraphView::read_near(Slot slot, const LaneQuery& query, const LaneLimit& limit, Slot* ids,
                              float* estimates) const {
  const std::byte* const at = checked_block(0, slot);
  if (at == nullptr) return 0;
  const auto& head = *reinterpret_cast<const BlockHead*>(at);
  const auto* const words = reinterpret_cast<const uint32_t*>(at + sizeof(BlockHead));
  const auto filter = code_kernels().filter_lanes;
  const size_t group_bytes = lane_group_bytes(lane_dim);
  float all[kLaneGroup];
  uint32_t near = 0;
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    const uint32_t sequence = load_shared(&head.sequence);
    const uint32_t degree = std::min(load_shared(&head.degree), 2 * m);
    near = 0;
    for (uint32_t first = 0; first < degree; first += kLaneGroup) {
      const std::byte* const group = at + lane_codes_offset(m) + first / kLaneGroup * group_bytes;
      uint32_t mask = filter(lane_block(group), query, lane_dim, limit, all);
      if (degree - first < kLaneGroup) mask &= (1u << (degree - first)) - 1;
      for (; mask != 0; mask &= mask - 1) {
        const auto lane = static_cast<uint32_t>(std::countr_zero(mask));
        ids[near] = load_shared(words + first + lane) & kSlotMask;
        estimates[near++] = all[lane];
      }
    }
    loads_before();
    if ((sequence & 1) == 0 && load_shared(&head.sequence) == sequence) break;
  }
  return near;
}

void GraphView::prefetch(uint32_t level, Slot slot) const {
  if (level != 0 || slot >= slots) return;
  const std::byte* const at = blocks + uint64_t{slot} * block_bytes;
  for (uint32_t i = 0; i < block_bytes; i += 64)
    __builtin_prefetch(at + i);
  __builtin_prefetch(at + block_bytes - 1);
}

// ---- opening

HnswGraph::HnswGraph(const Arenas& arenas, const Options& options)
    : arenas_(arenas),
      in_lists_(arenas.incoming),
      lane_space_(options.lane_space),
      m_(options.m),
      lane_dim_(options.lane_space == nullptr ? 0 : options.lane_space->rotated_dim()),
      rotated_from_(lane_dim_),
      rotated_to_(lane_dim_) {
  refresh();
}

Result<std::unique_ptr<HnswGraph>> HnswGraph::open(PageStore& store, uint32_t first_arena,
                                                   const Options& options) {
  Arenas arenas;
  const uint32_t lane_dim = options.lane_space == nullptr ? 0 : options.lane_space->rotated_dim();
  struct Row {
    Arena** arena;
    const char* name;
    bool huge_pages;
  };
  const Row rows[] = {
      {&arenas.header, "graph header", false},  {&arenas.blocks, "graph blocks", true},
      {&arenas.lengths, "graph lengths", true}, {&arenas.incoming, "graph incoming lists", true},
      {&arenas.runs, "graph runs", true},       {&arenas.upper, "graph upper levels", true}};
  uint32_t id = first_arena;
  for (const Row& row : rows) {
    ArenaSpec spec;
    spec.id = id++;
    spec.name = row.name;
    spec.huge_pages = row.huge_pages;
    TRY_ASSIGN(*row.arena, store.arena(spec));
  }
  if (arenas.header->bytes() < sizeof(GraphHeader)) {
    TRY(arenas.header->grow(whole_pages(sizeof(GraphHeader))));
    GraphHeader fresh;
    fresh.m = options.m;
    fresh.seed = options.seed;
    fresh.lane_dim = lane_dim;
    fresh.lowest_rank = kFirstRank;
    std::fill(std::begin(fresh.roots), std::end(fresh.roots), kNoSlot);
    std::memcpy(arenas.header->mutate(0, sizeof fresh), &fresh, sizeof fresh);
  }
  TRY(arenas.header->verify(0, sizeof(GraphHeader)));
  const auto& header = *reinterpret_cast<const GraphHeader*>(arenas.header->base());
  if (header.magic != kGraphMagic || header.format != kGraphFormat || header.m != options.m ||
      header.lane_dim != lane_dim) {
    return Status(Code::kCorruption, "graph header: another format, number of links or layout");
  }
  return std::unique_ptr<HnswGraph>(new HnswGraph(arenas, options));
}

GraphView HnswGraph::view() const {
  GraphView view;
  view.m = m_;
  view.lane_dim = lane_dim_;
  view.block_bytes = static_cast<uint32_t>(base_block_bytes(m_, lane_dim_));
  view.upper_bytes = static_cast<uint32_t>(upper_block_bytes(m_));
  view.header = reinterpret_cast<const GraphHeader*>(arenas_.header->base());
  const Arena::Range blocks = arenas_.blocks->range();
  const Arena::Range runs = arenas_.runs->range();
  const Arena::Range upper = arenas_.upper->range();
  view.blocks = blocks.base;
  view.runs = runs.base;
  view.upper = upper.base;
  view.slots = static_cast<Slot>(std::min<uint64_t>(blocks.bytes / view.block_bytes, kSlotsMax));
  view.run_slots = static_cast<Slot>(std::min<uint64_t>(runs.bytes / sizeof(uint32_t), kSlotsMax));
  view.upper_blocks =
      static_cast<uint32_t>(std::min<uint64_t>(upper.bytes / view.upper_bytes, 0xFFFFFFFFu));
  if (!arenas_.blocks->all_verified()) view.unverified_blocks = arenas_.blocks;
  if (!arenas_.upper->all_verified()) view.unverified_upper = arenas_.upper;
  return view;
}

void HnswGraph::refresh() {
  lane_view_ = view();
  lane_view_.unverified_blocks = lane_view_.unverified_upper = nullptr;
}

uint64_t HnswGraph::memory_bytes() const {
  uint64_t bytes = 0;
  for (const Arena* arena : {arenas_.header, arenas_.blocks, arenas_.lengths, arenas_.incoming,
                             arenas_.runs, arenas_.upper}) {
    bytes += arena->memory_bytes();
  }
  return bytes;
}

bool HnswGraph::all_verified() const {
  return arenas_.blocks->all_verified() && arenas_.upper->all_verified();
}

// ---- reading, the lane

const GraphHeader& HnswGraph::header() const {
  return *lane_view_.header;
}

const BlockHead& HnswGraph::head(uint32_t level, Slot slot) const {
  static constexpr BlockHead kNone;
  const std::byte* const block = lane_view_.block(level, slot);
  return block == nullptr ? kNone : *reinterpret_cast<const BlockHead*>(block);
}

bool HnswGraph::linked(Slot slot) const {
  return head(0, slot).linked == 1;
}

uint32_t HnswGraph::upper_levels(Slot slot) const {
  if (slot >= lane_view_.run_slots) return 0;
  uint32_t word = 0;
  std::memcpy(&word, lane_view_.runs + uint64_t{slot} * sizeof word, sizeof word);
  return run_levels(word);
}

bool HnswGraph::on_level(uint32_t level, Slot slot) const {
  return head(level, slot).linked == 1;
}

HnswGraph::Lanes HnswGraph::lanes(uint32_t level, Slot slot) const {
  const std::byte* const block = lane_view_.block(level, slot);
  if (block == nullptr) return {};
  Lanes lanes;
  const uint32_t most = lanes_max(level);
  lanes.words = reinterpret_cast<const uint32_t*>(block + sizeof(BlockHead));
  lanes.count = std::min(reinterpret_cast<const BlockHead*>(block)->degree, most);
  lanes.lengths =
      level == 0 ? reinterpret_cast<const float*>(arenas_.lengths->base()) + uint64_t{slot} * most
                 : reinterpret_cast<const float*>(lanes.words + most);
  return lanes;
}

int HnswGraph::find_lane(uint32_t level, Slot from, Slot to) const {
  const Lanes lanes = this->lanes(level, from);
  for (uint32_t i = 0; i < lanes.count; ++i) {
    if (lanes.slot(i) == to) return static_cast<int>(i);
  }
  return -1;
}

std::span<const uint32_t> HnswGraph::incoming(uint32_t level, Slot slot) const {
  return in_lists_.list(head(level, slot));
}

bool HnswGraph::droppable(uint32_t level, Slot from, Slot to) const {
  const BlockHead& target = head(level, to);
  return target.anchors > 1 || head(level, from).rank > target.rank || lane_view_.root(level) == to;
}

// ---- changing, the lane

GraphHeader& HnswGraph::edit_header() {
  return *reinterpret_cast<GraphHeader*>(arenas_.header->mutate(0, sizeof(GraphHeader)));
}

uint64_t HnswGraph::upper_offset(uint32_t level, Slot slot) const {
  return static_cast<uint64_t>(lane_view_.block(level, slot) - lane_view_.upper);
}

std::byte* HnswGraph::edit_block(uint32_t level, Slot slot) {
  if (level == 0) {
    return arenas_.blocks->mutate(uint64_t{slot} * lane_view_.block_bytes, lane_view_.block_bytes);
  }
  return arenas_.upper->mutate(upper_offset(level, slot), lane_view_.upper_bytes);
}

BlockHead& HnswGraph::edit_head(uint32_t level, Slot slot) {
  return head_at(level == 0 ? arenas_.blocks->mutate(uint64_t{slot} * lane_view_.block_bytes,
                                                     sizeof(BlockHead))
                            : arenas_.upper->mutate(upper_offset(level, slot), sizeof(BlockHead)));
}

float* HnswGraph::edit_lengths(uint32_t level, Slot slot, std::byte* block) {
  if (level != 0) return reinterpret_cast<float*>(words_at(block) + m_);
  const uint64_t bytes = uint64_t{2} * m_ * sizeof(float);
  return reinterpret_cast<float*>(arenas_.lengths->mutate(slot * bytes, bytes));
}

Status HnswGraph::ensure_slot(Slot slot) {
  const uint64_t slots = uint64_t{slot} + 1;
  if (slots > kSlotsMax) return Status(Code::kResourceExhausted, "graph: too many slots");
  TRY(ensure(*arenas_.blocks, slots * base_block_bytes(m_, lane_dim_)));
  TRY(ensure(*arenas_.lengths, slots * 2 * m_ * sizeof(float)));
  TRY(ensure(*arenas_.runs, slots * sizeof(uint32_t)));
  refresh();
  return {};
}

Result<uint32_t> HnswGraph::allocate_run(uint32_t levels) {
  GraphHeader& header = edit_header();
  const uint32_t reused = header.upper_free[levels];
  if (reused != 0 && uint64_t{reused} + levels <= lane_view_.upper_blocks) {
    const std::byte* const block = lane_view_.upper + uint64_t{reused} * lane_view_.upper_bytes;
    header.upper_free[levels] = reinterpret_cast<const BlockHead*>(block)->incoming.place;
    return reused;
  }
  header.upper_free[levels] = 0;
  const uint32_t first = std::max(header.upper_end, 1u);
  TRY(ensure(*arenas_.upper, (uint64_t{first} + levels) * lane_view_.upper_bytes));
  refresh();
  header.upper_end = first + levels;
  return first;
}

void HnswGraph::reset_block(uint32_t level, Slot slot) {
  BlockHead& head = edit_head(level, slot);
  const BlockChange change(head);
  store_shared(&head.degree, 0u);
  head.incoming = {};
  head.size_class = 0;
  head.anchors = 0;
  head.rank = kFirstRank + header().additions;
  head.linked = 1;
}

Status HnswGraph::enter(Slot slot, uint32_t upper) {
  TRY(ensure_slot(slot));
  if (slot == rotated_from_slot_) rotated_from_slot_ = kNoSlot;
  upper = std::min(upper, kUpperLevelsMax);
  uint32_t word = 0;
  if (upper > 0) {
    TRY_ASSIGN(const uint32_t first, allocate_run(upper));
    word = run_word(first, upper);
  }
  store_shared(reinterpret_cast<uint32_t*>(
                   arenas_.runs->mutate(uint64_t{slot} * sizeof(uint32_t), sizeof(uint32_t))),
               word);
  GraphHeader& header = edit_header();
  for (uint32_t level = 0; level <= upper; ++level)
    reset_block(level, slot);
  ++header.points;
  ++header.additions;
  return {};
}

void HnswGraph::publish(Slot slot) {
  GraphHeader& header = edit_header();
  const uint32_t levels = upper_levels(slot) + 1;
  for (uint32_t level = 0; level < levels; ++level) {
    if (header.roots[level] == kNoSlot) store_shared(&header.roots[level], slot);
  }
  if (header.levels < levels) store_shared(&header.levels, levels);
}

Status HnswGraph::add_incoming(uint32_t level, Slot from, Slot to) {
  if (lane_view_.block(level, to) == nullptr) return {};
  BlockHead& target = edit_head(level, to);
  TRY(in_lists_.push(target, edit_header().in_lists, from));
  if (head(level, from).rank < target.rank) ++target.anchors;
  return {};
}

void HnswGraph::drop_incoming(uint32_t level, Slot from, Slot to) {
  if (lane_view_.block(level, to) == nullptr) return;
  BlockHead& target = edit_head(level, to);
  if (!in_lists_.drop(target, from)) return;
  if (head(level, from).rank < target.rank && target.anchors > 0) --target.anchors;
}

void HnswGraph::prepare_lane(Slot from, Slot to) {
  if (rotated_from_slot_ != from) lane_space_->rotated(from, rotated_from_.data());
  rotated_from_slot_ = from;
  lane_space_->rotated(to, rotated_to_.data());
}

void HnswGraph::write_lane(std::byte* block, uint32_t lane) const {
  std::byte* const group =
      block + lane_codes_offset(m_) + lane / kLaneGroup * lane_group_bytes(lane_dim_);
  lane_space_->encode_lane(rotated_from_.data(), rotated_to_.data(), lane % kLaneGroup, group);
}

Status HnswGraph::append(uint32_t level, Slot from, uint32_t word, float length) {
  TRY(add_incoming(level, from, word & kSlotMask));
  std::byte* const block = edit_block(level, from);
  BlockHead& head = head_at(block);
  const uint32_t lane = std::min(head.degree, lanes_max(level) - 1);
  edit_lengths(level, from, block)[lane] = length;
  if (carries_codes(level)) prepare_lane(from, word & kSlotMask);
  const BlockChange change(head);
  store_shared(words_at(block) + lane, word);
  if (carries_codes(level)) write_lane(block, lane);
  store_shared(&head.degree, lane + 1);
  return {};
}

Status HnswGraph::replace(uint32_t level, Slot from, uint32_t lane, uint32_t word, float length) {
  const Lanes before = lanes(level, from);
  CHECK(before.words != nullptr);  // the caller found the lane in this block
  drop_incoming(level, from, before.slot(lane));
  if (Status added = add_incoming(level, from, word & kSlotMask); !added.ok()) {
    drop_lane(level, from, lane);
    return added;
  }
  std::byte* const block = edit_block(level, from);
  edit_lengths(level, from, block)[lane] = length;
  if (carries_codes(level)) prepare_lane(from, word & kSlotMask);
  const BlockChange change(head_at(block));
  store_shared(words_at(block) + lane, word);
  if (carries_codes(level)) write_lane(block, lane);
  return {};
}

void HnswGraph::erase(uint32_t level, Slot from, uint32_t lane) {
  const Lanes before = lanes(level, from);
  CHECK(before.words != nullptr);  // the caller found the lane in this block
  drop_incoming(level, from, before.slot(lane));
  drop_lane(level, from, lane);
}

void HnswGraph::drop_lane(uint32_t level, Slot from, uint32_t lane) {
  std::byte* const block = edit_block(level, from);
  BlockHead& head = head_at(block);
  const uint32_t last = std::min(head.degree, lanes_max(level)) - 1;
  float* const lengths = edit_lengths(level, from, block);
  lengths[lane] = lengths[last];
  const BlockChange change(head);
  store_shared(words_at(block) + lane, words_at(block)[last]);
  if (carries_codes(level) && lane != last) {
    std::byte* const groups = block + lane_codes_offset(m_);
    const size_t bytes = lane_group_bytes(lane_dim_);
    copy_lane(groups + last / kLaneGroup * bytes, last % kLaneGroup,
              groups + lane / kLaneGroup * bytes, lane % kLaneGroup, lane_dim_);
  }
  store_shared(&head.degree, last);
}

void HnswGraph::mark_filler(uint32_t level, Slot from, uint32_t lane) {
  // No new sequence: readers mask the bit off.
  uint32_t* const word = words_at(edit_block(level, from)) + lane;
  store_shared(word, *word | kFillerBit);
}

void HnswGraph::detach(uint32_t level, Slot slot) {
  const Lanes lanes = this->lanes(level, slot);
  for (uint32_t i = 0; i < lanes.count; ++i)
    drop_incoming(level, slot, lanes.slot(i));
  BlockHead& head = edit_head(level, slot);
  in_lists_.clear(head, edit_header().in_lists);
  head.anchors = 0;
  head.linked = 0;
}

void HnswGraph::leave(Slot slot) {
  GraphHeader& header = edit_header();
  if (header.points > 0) --header.points;
  while (header.levels > 0 && header.roots[header.levels - 1] == kNoSlot)
    store_shared(&header.levels, header.levels - 1);
  const uint32_t levels = upper_levels(slot);
  if (levels == 0) return;
  auto* const run = reinterpret_cast<uint32_t*>(
      arenas_.runs->mutate(uint64_t{slot} * sizeof(uint32_t), sizeof(uint32_t)));
  const uint32_t first = run_first(*run);
  if (first == 0 || uint64_t{first} + levels > lane_view_.upper_blocks) return;
  // A field that no search reads links the free runs.
  edit_head(1, slot).incoming = {0, header.upper_free[levels]};
  store_shared(run, 0u);
  header.upper_free[levels] = first;
}

void HnswGraph::set_root(uint32_t level, Slot slot) {
  GraphHeader& header = edit_header();
  if (slot != kNoSlot) {
    // The new root sinks below every rank, so its edges become anchors and none anchors it.
    BlockHead& root = edit_head(level, slot);
    const uint64_t before = root.rank;
    root.rank = --header.lowest_rank;
    root.anchors = 0;
    const Lanes lanes = this->lanes(level, slot);
    for (uint32_t i = 0; i < lanes.count; ++i) {
      const Slot to = lanes.slot(i);
      if (lane_view_.block(level, to) != nullptr && head(level, to).rank < before) {
        ++edit_head(level, to).anchors;
      }
    }
  }
  store_shared(&header.roots[level], slot);
}

}  // namespace ferres
