// See entry_table.h.
#include "index/entry_table.h"

#include <algorithm>
#include <bit>

#include "index/block_change.h"
#include "storage/arena_size.h"

namespace ferres {
namespace {

constexpr uint32_t kEntriesMax = 1024;
// Small graphs take as many as they can: a cluster without an entry is found through others only.
constexpr uint32_t kEveryMin = 16;
// Fewer than this, after many removals: one in kEveryMin additions is taken again.
constexpr uint32_t kEntriesFew = 128;
// A reader that meets a block in the middle of a change reads again, at most so often: what it
// reads are valid slots, and estimates choose starts only.
constexpr int kReadAttempts = 16;
constexpr uint32_t kCodesOffset = (sizeof(EntryBlock) + 63) / 64 * 64;

/// Whether entries are kept as the signs of their vectors, or else as the vectors.
bool by_signs(uint32_t dim) {
  return dim >= kSignsSayEnough;
}
uint32_t block_bytes(uint32_t dim) {
  const size_t values = kLaneGroup * sizeof(float) * (1 + size_t{dim});
  return static_cast<uint32_t>(kCodesOffset + (by_signs(dim) ? lane_group_bytes(dim) : values));
}
const EntryBlock& block_at(const std::byte* base, uint32_t number, uint32_t bytes) {
  return *reinterpret_cast<const EntryBlock*>(base + sizeof(EntryHeader) +
                                              uint64_t{number} * bytes);
}
template <class Block>
auto* codes_of(Block& block) {
  using Byte = std::conditional_t<std::is_const_v<Block>, const std::byte, std::byte>;
  return reinterpret_cast<Byte*>(&block) + kCodesOffset;
}

uint32_t estimate(const std::byte* group, const SpaceQuery& query, uint32_t dim, float limit,
                  float* estimates) {
  if (by_signs(dim)) {
    return code_kernels().filter_lanes(lane_block(group), query.lanes.query(), dim, {0, limit},
                                       estimates);
  }
  const auto* const base = reinterpret_cast<const float*>(group);
  return code_kernels().score_lanes({base + kLaneGroup, base}, query.code.values.data(), dim, limit,
                                    estimates);
}

void copy_values(const std::byte* from_group, uint32_t from_lane, std::byte* to_group,
                 uint32_t to_lane, uint32_t dim) {
  const auto* const from = reinterpret_cast<const float*>(from_group);
  auto* const to = reinterpret_cast<float*>(to_group);
  for (uint32_t row = 0; row <= dim; ++row)
    to[kLaneGroup * row + to_lane] = from[kLaneGroup * row + from_lane];
}

}  // namespace

// ---- reading, any thread

void EntryView::scan(const SpaceQuery& query, Pool& nearest) const {
  if (base == nullptr) return;
  const uint32_t count =
      std::min(load_shared(&reinterpret_cast<const EntryHeader*>(base)->count), count_max);
  const uint32_t bytes = block_bytes(dim);
  float estimates[kLaneGroup];
  Slot slots[kLaneGroup];
  for (uint32_t first = 0; first < count; first += kLaneGroup) {
    const EntryBlock& block = block_at(base, first / kLaneGroup, bytes);
    const float limit = nearest.full() ? key_distance(nearest.limit()) : kFar;
    uint32_t mask = 0;
    for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
      const uint32_t sequence = load_shared(&block.sequence);
      mask = estimate(codes_of(block), query, dim, limit, estimates);
      if (count - first < kLaneGroup) mask &= (1u << (count - first)) - 1;
      for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
        const auto lane = static_cast<uint32_t>(std::countr_zero(rest));
        slots[lane] = load_shared(block.slots + lane);
      }
      loads_before();
      if ((sequence & 1) == 0 && load_shared(&block.sequence) == sequence) break;
    }
    for (; mask != 0; mask &= mask - 1) {
      const auto lane = static_cast<uint32_t>(std::countr_zero(mask));
      nearest.insert(estimates[lane], slots[lane]);
    }
  }
}

// ---- opening

EntryTable::EntryTable(Arena* arena, const Space& space)
    : arena_(arena),
      space_(&space),
      block_bytes_(block_bytes(space.rotated_dim())),
      origin_(space.rotated_dim()),
      rotated_(space.rotated_dim()) {}

Result<EntryTable> EntryTable::open(PageStore& store, uint32_t arena_id, const Space& space) {
  ArenaSpec spec;
  spec.id = arena_id;
  spec.name = "graph entries";
  TRY_ASSIGN(Arena* const arena, store.arena(spec));
  TRY(arena->verify(0, arena->bytes()));
  EntryTable table(arena, space);
  if (table.size() > table.view().count_max) {
    return Status(Code::kCorruption, "graph entries: more of them than there is room for");
  }
  return table;
}

EntryView EntryTable::view() const {
  const Arena::Range range = arena_->range();
  EntryView view;
  if (range.bytes < sizeof(EntryHeader)) return view;
  view.base = range.base;
  view.dim = space_->rotated_dim();
  view.count_max = static_cast<uint32_t>((range.bytes - sizeof(EntryHeader)) / block_bytes_) *
                   static_cast<uint32_t>(kLaneGroup);
  return view;
}

uint32_t EntryTable::size() const {
  if (arena_->bytes() < sizeof(EntryHeader)) return 0;
  return reinterpret_cast<const EntryHeader*>(arena_->base())->count;
}

// ---- changing, the lane

EntryHeader& EntryTable::edit_header() {
  return *reinterpret_cast<EntryHeader*>(arena_->mutate(0, sizeof(EntryHeader)));
}

EntryBlock& EntryTable::edit_block(uint32_t number) {
  return *reinterpret_cast<EntryBlock*>(
      arena_->mutate(sizeof(EntryHeader) + uint64_t{number} * block_bytes_, block_bytes_));
}

void EntryTable::set_count(uint32_t count) {
  store_shared(&edit_header().count, count);
}

uint32_t EntryTable::find(Slot slot) const {
  const uint32_t count = size();
  for (uint32_t i = 0; i < count; ++i) {
    if (block_at(arena_->base(), i / kLaneGroup, block_bytes_).slots[i % kLaneGroup] == slot)
      return i;
  }
  return count;
}

void EntryTable::write(uint32_t lane, Slot slot, std::byte* group) {
  space_->rotated(slot, rotated_.data());
  if (by_signs(space_->rotated_dim())) {
    space_->encode_lane(origin_.data(), rotated_.data(), lane, group);
    return;
  }
  // |q - x|^2 is |q|^2 + 2 (|x|^2 / 2 - q.x), and the nearest are those of the least in brackets.
  auto* const base = reinterpret_cast<float*>(group);
  base[lane] = 0;
  for (uint32_t j = 0; j < space_->rotated_dim(); ++j) {
    const float value = rotated_[j];
    base[kLaneGroup * (1 + size_t{j}) + lane] = value;
    if (space_->triangles()) base[lane] += value * value / 2;
  }
}

Status EntryTable::added(Slot slot, uint64_t number) {
  const uint32_t count = size();
  uint32_t every = kEveryMin;
  if (count >= kEntriesFew) {
    every = std::max(reinterpret_cast<const EntryHeader*>(arena_->base())->every, kEveryMin);
  }
  if (number % every != 0) return {};
  if (count >= kEntriesMax) {
    thin();
    return {};
  }
  const uint64_t bytes = sizeof(EntryHeader) + uint64_t{block_bytes_} * (count / kLaneGroup + 1);
  if (arena_->bytes() < bytes) {
    TRY(arena_->grow(arena_size_for(bytes)));
  }
  edit_header().every = every;
  const uint32_t lane = count % kLaneGroup;
  EntryBlock& block = edit_block(count / kLaneGroup);
  {
    const BlockChange change(block.sequence);
    store_shared(block.slots + lane, slot);
    write(lane, slot, codes_of(block));
  }
  set_count(count + 1);
  return {};
}

void EntryTable::copy(uint32_t from, uint32_t to) {
  const EntryBlock& source = block_at(arena_->base(), from / kLaneGroup, block_bytes_);
  const Slot slot = source.slots[from % kLaneGroup];
  EntryBlock& target = edit_block(to / kLaneGroup);
  const BlockChange change(target.sequence);
  store_shared(target.slots + to % kLaneGroup, slot);
  const auto copy_code = by_signs(space_->rotated_dim()) ? copy_lane : copy_values;
  copy_code(codes_of(source), from % kLaneGroup, codes_of(target), to % kLaneGroup,
            space_->rotated_dim());
}

void EntryTable::removed(Slot slot) {
  const uint32_t count = size();
  const uint32_t at = find(slot);
  if (at == count) return;
  if (at != count - 1) copy(count - 1, at);
  set_count(count - 1);
}

void EntryTable::thin() {
  const uint32_t half = size() / 2;
  for (uint32_t i = 1; i < half; ++i)
    copy(2 * i, i);
  set_count(half);
  edit_header().every *= 2;
}

}  // namespace ferres
