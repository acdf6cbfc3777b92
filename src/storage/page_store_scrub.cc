// The scrub after opening: every mapped page is checked once, and arenas that a search reads at
// random move from the mapped files to anonymous huge pages, 2 MiB at a time, under the readers'
// feet: a chunk is copied aside, checked there, and put over the mapped one by mremap, which every
// access sees as happening at once.
#include <cstring>

#include "base/crc32c.h"
#include "storage/store_state.h"

namespace ferres {
namespace {

constexpr uint64_t kPagesAChunk = kHugeBytes / kPageBytes;

}  // namespace

bool PageStore::scrub(uint64_t max_bytes) {
  state_->free_retired();
  uint64_t left = std::max(max_bytes, kPageBytes);
  const bool more =
      std::any_of(state_->arenas.begin(), state_->arenas.end(),
                  [&left](const std::unique_ptr<Arena>& arena) { return arena->scrub(left); });
  release_mapped();
  return more;
}

/// True when `left` ran out before the arena's end.
bool Arena::scrub(uint64_t& left) {
  State& a = *state_;
  const bool moves = a.spec.huge_pages && a.attached && bytes() >= kHugeArenaBytes;
  while (a.scrub_page < a.opened.size()) {
    if (left == 0) return true;
    uint64_t pages = 1;
    if (moves && a.scrub_page % kPagesAChunk == 0 && move_chunk(a.scrub_page)) {
      pages = kPagesAChunk;
    } else {
      check_in_place(*a.reservation, a.scrub_page).ignore();  // kept as the store's damage
    }
    a.scrub_page += pages;
    left -= std::min(left, pages * kPageBytes);
  }
  a.staging.reset();
  return false;
}

/// Moves the 2 MiB from page `first` to anonymous memory; false when there is nothing to move, or
/// no addresses to do it: the pages then stay mapped.
bool Arena::move_chunk(uint64_t first) {
  State& a = *state_;
  const Reservation& now = *a.reservation;
  const uint64_t mapped_end = std::min(first + kPagesAChunk, uint64_t{a.opened.size()});
  bool mapped = false;
  for (uint64_t page = first; page < mapped_end; ++page) {
    const bool touched = (now.state(page).load() & page_state::kTouched) != 0;
    mapped = mapped || (a.opened[page].file != 0 && !touched);
  }
  if (!mapped) return false;
  if (a.staging == nullptr) {
    // One range for all chunks: what leaves it in order joins again behind the target, so that the
    // arena does not end as a mapping for each chunk.
    Result<std::unique_ptr<Staging>> staging =
        Staging::make((a.opened.size() - first) * kPageBytes);
    if (!staging.ok()) return false;
    a.staging = *std::move(staging);
  }
  for (uint64_t page = first; page < first + kPagesAChunk; ++page) {
    if (page < mapped_end) check_in_place(now, page).ignore();  // kept as the store's damage
    std::memcpy(a.staging->chunk() + (page - first) * kPageBytes, now.page(page), kPageBytes);
  }
  if (!a.staging->move_to(now.page(first))) return false;
  for (uint64_t page = first; page < first + kPagesAChunk; ++page) {
    const uint8_t before = now.state(page).fetch_or(page_state::kTouched);
    if ((before & page_state::kTouched) == 0) a.touched_pages.fetch_add(1);
  }
  return true;
}

}  // namespace ferres
