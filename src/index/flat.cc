// See flat.h.
#include "index/flat.h"

#include <bit>
#include <string>

#include "index/scan.h"
#include "index/shared_word.h"
#include "storage/arena_size.h"
#include "storage/page_store.h"

namespace ferres {
namespace {

constexpr uint32_t kWordBits = 64;

const uint64_t* words_of(const Arena::Range& range) {
  return reinterpret_cast<const uint64_t*>(range.base);
}

}  // namespace

Result<std::unique_ptr<ANNIndex>> FlatIndex::open(const IndexConfig& config,
                                                  const VectorStore& vectors, PageStore& store,
                                                  uint32_t first_arena) {
  ArenaSpec spec;
  spec.id = first_arena;
  spec.name = "flat members";
  TRY_ASSIGN(Arena * members, store.arena(spec));
  return std::unique_ptr<ANNIndex>(new FlatIndex(config, vectors, members));
}

FlatIndex::FlatIndex(const IndexConfig& config, const VectorStore& vectors, Arena* members)
    : vectors_(vectors), members_(members), ef_search_(config.ef_search) {}

Status FlatIndex::check_dimension(std::span<const float> vector) const {
  if (vector.size() == vectors_.dim()) return {};
  return Status(Code::kInvalidDimension, "expected a vector of " + std::to_string(vectors_.dim()) +
                                             " numbers, got " + std::to_string(vector.size()));
}

Result<std::unique_ptr<ANNIndex::Plan>> FlatIndex::plan_point(std::span<const float> vector) const {
  TRY(check_dimension(vector));
  return std::make_unique<Plan>();
}

Status FlatIndex::search_explain(std::span<const float> query, const SearchParams& params,
                                 const SlotFilter& filter, Explain& explain) const {
  TRY(check_dimension(query));
  const PreparedQuery prepared = vectors_.prepare(query);
  Scan scan(vectors_, prepared, params.k, filter, explain.hits);
  const Arena::Range range = members_->range();
  // A lost bit would be a lost answer: the whole map is checked before the scrub has been through.
  TRY(members_->verify(0, range.bytes));
  const uint64_t* const words = words_of(range);
  Slot members[kWordBits];
  for (uint64_t i = 0; i < range.bytes / sizeof(uint64_t); ++i) {
    size_t count = 0;
    for (uint64_t bits = load_shared(words + i); bits != 0; bits &= bits - 1)
      members[count++] = static_cast<Slot>(i * kWordBits + std::countr_zero(bits));
    if (count > 0) TRY(scan.add({members, count}));
  }
  scan.finish();
  explain.ef_used = 0;
  explain.layers = 1;
  explain.visited = scan.scored();
  explain.rejected = scan.rejected();
  explain.exhausted = true;
  return {};
}

Status FlatIndex::search(std::span<const float> query, const SearchParams& params,
                         const SlotFilter& filter, std::vector<Hit>& hits, bool* exhausted) const {
  Explain explain;
  explain.hits.swap(hits);
  Status status = search_explain(query, params, filter, explain);
  hits.swap(explain.hits);
  *exhausted = true;
  return status;
}

Status FlatIndex::scan_members(std::span<const float> query, uint32_t k, const SlotSet& members,
                               const SlotFilter& filter, std::vector<Hit>& hits) const {
  TRY(check_dimension(query));
  std::vector<Slot> slots;
  members.for_each([&](Slot slot) { slots.push_back(slot); });
  return scan_slots(vectors_, vectors_.prepare(query), slots, k, filter, hits);
}

uint64_t* FlatIndex::edit_word(Slot slot) {
  const uint64_t offset = uint64_t{slot / kWordBits} * sizeof(uint64_t);
  return reinterpret_cast<uint64_t*>(members_->mutate(offset, sizeof(uint64_t)));
}

Status FlatIndex::add_point(Slot slot, std::span<const float> vector, Plan&) {
  TRY(check_dimension(vector));
  if (slot >= vectors_.view().slots) {
    return Status(Code::kInvalidArgument, "slot " + std::to_string(slot) + " has no vector");
  }
  if (contains(slot)) {
    return Status(Code::kAlreadyExists, "slot " + std::to_string(slot) + " is linked");
  }
  const uint64_t bytes = (uint64_t{slot / kWordBits} + 1) * sizeof(uint64_t);
  if (bytes > members_->bytes()) {
    TRY(members_->grow(arena_size_for(bytes)));
  }
  uint64_t* const word = edit_word(slot);
  store_shared(word, *word | uint64_t{1} << slot % kWordBits);
  return {};
}

void FlatIndex::remove_point(Slot slot) {
  if (!contains(slot)) return;
  uint64_t* const word = edit_word(slot);
  store_shared(word, *word & ~(uint64_t{1} << slot % kWordBits));
}

bool FlatIndex::contains(Slot slot) const {
  const Arena::Range range = members_->range();
  const uint64_t word = slot / kWordBits;
  return word < range.bytes / sizeof(uint64_t) &&
         (load_shared(words_of(range) + word) >> slot % kWordBits & 1) != 0;
}

IndexStats FlatIndex::audit() const {
  IndexStats stats;
  stats.layers = 1;
  const Arena::Range range = members_->range();
  for (uint64_t i = 0; i < range.bytes / sizeof(uint64_t); ++i)
    stats.points += std::popcount(load_shared(words_of(range) + i));
  return stats;
}

}  // namespace ferres
