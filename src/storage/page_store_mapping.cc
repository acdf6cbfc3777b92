// Pages that leave memory for their page files: after a checkpoint those that it wrote, and after
// reading those of kDisk arenas. Readers may be at work on a page meanwhile: a mapping replaces
// another at once, with the same content.
#include "storage/page_file.h"
#include "storage/store_state.h"

namespace ferres {
namespace {

constexpr uint8_t kBusy = page_state::kChanged | page_state::kPending | page_state::kCopying;

}  // namespace

/// A page of a checkpoint is to be read from its file from now on.
bool PageStore::State::leaves_memory(const Arena& arena, const Checkpoint::Page& page) {
  const Arena::State& a = *arena.state_;
  const uint8_t bits = a.reservation->state(page.page).load(std::memory_order_acquire);
  if ((bits & kBusy) != 0 || page.length != kPageBytes) return false;
  if (a.spec.residency != Residency::kMemory) return true;
  // A page that is in memory stays there. One that was mapped at opening, changed or not, is a
  // mapping of an older file, whose space the disk gets back only when nobody maps it.
  const bool opened = page.page < a.opened.size() && a.opened[page.page].file != 0;
  const bool moved = a.spec.huge_pages && arena.bytes() >= kHugeArenaBytes;  // by the scrub
  return opened && !moved && arena.bytes() > kPageBytes;
}

Status PageStore::State::map_run(const Arena& arena, const Reservation& at, uint64_t first,
                                 uint64_t last) const {
  const Arena::State& a = *arena.state_;
  const Placed& begin = a.placed[first];
  const Placed& end = a.placed[last - 1];
  TRY_ASSIGN(const std::unique_ptr<File> file,
             disk->open(path_of(page_file_name(family, begin.file)), OpenMode::kRead));
  const uint64_t bytes = (last - 1 - first) * kPageBytes + end.length;
  TRY(file->map(begin.offset(), MutableBytes(at.page(first), bytes)));
  if (a.spec.residency == Residency::kDisk) at.advise_random(first, last - first);
  return {};
}

void PageStore::State::map_written(const Checkpoint& done) const {
  const std::vector<Checkpoint::Page>& pages = done.pages();
  const Arena* counted = nullptr;
  bool room = false;
  for (size_t i = 0; i < pages.size();) {
    const Arena& arena = *arenas[pages[i].arena];
    Arena::State& a = *arena.state_;
    const uint64_t first = pages[i].page;
    uint64_t last = first;
    while (i < pages.size() && pages[i].arena == a.index && pages[i].page == last &&
           leaves_memory(arena, pages[i])) {
      ++i;
      ++last;
    }
    if (last == first) {
      ++i;
      continue;
    }
    if (&arena != counted) room = a.reservation->recount_mappings(count_runs(a.placed));
    counted = &arena;
    // What cannot be mapped stays as it is.
    if (!room || !map_run(arena, *a.reservation, first, last).ok()) continue;
    for (uint64_t page = first; page < last; ++page) {
      const auto clear = static_cast<uint8_t>(~(page_state::kTouched | page_state::kCold));
      const uint8_t before = a.reservation->state(page).fetch_and(clear);
      if ((before & page_state::kTouched) != 0) a.touched_pages.fetch_sub(1);
    }
  }
}

void PageStore::release_mapped() {
  for (const std::unique_ptr<Arena>& arena : state_->arenas) {
    const Arena::State& a = *arena->state_;
    if (a.spec.residency != Residency::kDisk && a.spec.residency != Residency::kTiered) continue;
    const auto mapped = [&a](uint64_t page) {
      const uint8_t bits = a.reservation->state(page).load(std::memory_order_relaxed);
      return a.placed[page].file != 0 && (bits & page_state::kTouched) == 0;
    };
    for (uint64_t page = 0; page < a.placed.size();) {
      const uint64_t first = page;
      while (page < a.placed.size() && mapped(page))
        ++page;
      if (page == first) {
        ++page;
      } else {
        a.reservation->advise_release(first, page - first);
      }
    }
  }
}

}  // namespace ferres
