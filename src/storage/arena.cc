// See arena.h. Growth, verification before first use, and the lane's slow path to a page.
#include "storage/arena.h"

#include <cstring>

#include "base/crc32c.h"
#include "base/epoch.h"
#include "storage/page_file.h"
#include "storage/store_state.h"

namespace ferres {
namespace {

/// Copies words of a page that the lane may begin to change: the copy is then thrown away
/// (verify_page), so the race is harmless. Here alone TSan is told not to look.
__attribute__((no_sanitize("thread"))) void copy_racing(const std::byte* from, uint64_t* to,
                                                        uint64_t words) {
  const auto* const source = reinterpret_cast<const uint64_t*>(from);
  for (uint64_t i = 0; i < words; ++i)
    to[i] = __atomic_load_n(source + i, __ATOMIC_RELAXED);
}

}  // namespace

Arena::Arena(std::unique_ptr<State> state, Reservation* first)
    : now_(first), state_(std::move(state)) {}

Arena::~Arena() = default;

Status Arena::grow(uint64_t bytes) {
  Reservation* const now = now_.load(std::memory_order_relaxed);
  if (bytes <= now->bytes()) return {};
  if (bytes > state_->spec.bytes_max) {
    return {Code::kTooLarge, "arena " + state_->name + ": " + std::to_string(bytes) +
                                 " bytes, more than its limit of " +
                                 std::to_string(state_->spec.bytes_max)};
  }
  if (bytes > now->capacity()) {
    TRY(move_to_tier(bytes));
  } else {
    now->publish_bytes(bytes);
  }
  if (state_->spec.huge_pages && !state_->huge_advised && bytes >= kHugeArenaBytes) {
    now_.load(std::memory_order_relaxed)->advise_huge_pages();
    state_->huge_advised = true;
  }
  return {};
}

Status Arena::move_to_tier(uint64_t bytes) {
  const Reservation& old = *state_->reservation;
  TRY_ASSIGN(std::unique_ptr<Reservation> next,
             Reservation::make(Reservation::tier(bytes, state_->spec.bytes_max)));
  next->watch(state_->store->lost);
  if (state_->spec.residency == Residency::kTiered) TRY(next->keep_uses());
  if (state_->huge_advised) next->advise_huge_pages();
  const uint64_t pages = pages_of(old.bytes());
  // All mapped content passes through here, so this is the moment to check it: afterwards no page
  // is unverified, and a reader's late check of the old range finds nothing left to do.
  for (uint64_t page = 0; page < std::min(pages, uint64_t{state_->opened.size()}); ++page)
    if (!all_verified()) check_in_place(old, page).ignore();  // kept as the store's damage
  const MutexLock lock(state_->move_mutex);
  const std::vector<Placed>& placed = state_->placed;
  const auto mapped = [&](uint64_t page) {
    return page < placed.size() && placed[page].file != 0 &&
           (old.state(page).load(std::memory_order_acquire) & page_state::kTouched) == 0;
  };
  for (uint64_t first = 0; first < pages;) {
    uint64_t last = first + 1;
    while (last < pages && mapped(first) && mapped(last) &&
           !starts_run(placed[last - 1], placed[last])) {
      ++last;
    }
    bring_over(old, *next, first, last);
    first = last;
  }
  next->publish_bytes(bytes);
  now_.store(next.get(), std::memory_order_release);
  std::swap(state_->reservation, next);
  state_->store->retired.emplace_back(epoch_advance(), std::move(next));
  state_->staging.reset();
  return {};
}

/// Pages [first, last) of the old range come into the next one: by mapping their file there too, if
/// the arena is one that stays on disk and they are unchanged, else by copying.
void Arena::bring_over(const Reservation& old, const Reservation& next, uint64_t first,
                       uint64_t last) {
  const uint8_t bits = old.state(first).load(std::memory_order_acquire);
  const bool touched = (bits & page_state::kTouched) != 0;
  const bool placed = first < state_->placed.size() && state_->placed[first].file != 0;
  if (!touched && !placed) return;  // zeros
  const bool maps = !touched && state_->spec.residency != Residency::kMemory &&
                    state_->store->map_run(*this, next, first, last).ok();
  for (uint64_t page = first; page < last; ++page) {
    const uint8_t state = old.state(page).load(std::memory_order_acquire);
    if (!maps) std::memcpy(next.page(page), old.page(page), kPageBytes);
    const uint8_t in_memory = maps ? 0 : page_state::kTouched;
    const auto kept = static_cast<uint8_t>(state & ~page_state::kCold);
    next.state(page).store(kept | in_memory, std::memory_order_relaxed);
    if (state_->spec.residency == Residency::kTiered)
      next.last_used(page) = old.last_used(page).load();
    if (!maps && !touched) state_->touched_pages.fetch_add(1);
  }
}

void Arena::will_need(uint64_t offset, uint64_t length) const {
  now_.load(std::memory_order_acquire)->advise_will_need(offset, length);
}

void Arena::mutate_pages(uint64_t offset, uint64_t length) {
  if (length == 0) return;
  const Reservation& now = *now_.load(std::memory_order_relaxed);
  CHECK(offset <= now.bytes() && length <= now.bytes() - offset);
  for (uint64_t page = offset / kPageBytes; page <= (offset + length - 1) / kPageBytes; ++page)
    prepare_page(now, page);
}

void Arena::prepare_page(const Reservation& now, uint64_t page) {
  std::atomic<uint8_t>& state = now.state(page);
  uint8_t bits = state.load(std::memory_order_acquire);
  if (bits == page_state::kHot) return;
  if ((bits & page_state::kUnverified) != 0 && (bits & page_state::kDamaged) == 0) {
    // Under the mutex a reader that saw a mismatch can tell damage from our change.
    const MutexLock lock(state_->verify_mutex);
    check_in_place(now, page).ignore();  // kept as the store's damage
  }
  if ((bits & (page_state::kPending | page_state::kCopying)) != 0)
    state_->store->checkpoint->capture(now, state_->index, page);
  bits = state.fetch_or(page_state::kHot, std::memory_order_acq_rel);
  if ((bits & page_state::kChanged) == 0) state_->changed_pages.fetch_add(1);
  if ((bits & page_state::kTouched) == 0) state_->touched_pages.fetch_add(1);
}

Status Arena::verify_pages(uint64_t offset, uint64_t length) const {
  if (length == 0) return {};
  const Reservation& now = *now_.load(std::memory_order_acquire);
  if (offset > now.bytes() || length > now.bytes() - offset) {
    return {Code::kCorruption, "arena " + state_->name + ": bytes " + std::to_string(offset) +
                                   " to " + std::to_string(offset + length) + " of " +
                                   std::to_string(now.bytes())};
  }
  for (uint64_t page = offset / kPageBytes; page <= (offset + length - 1) / kPageBytes; ++page)
    TRY(verify_page(now, page));
  return {};
}

Status Arena::verify_page(const Reservation& now, uint64_t page) const {
  const uint8_t bits = now.state(page).load(std::memory_order_acquire);
  if ((bits & page_state::kDamaged) != 0) return damage_of(page);
  if ((bits & page_state::kUnverified) == 0) return {};
  const Placed& expected = state_->opened[page];
  std::vector<uint64_t> copy(expected.length / sizeof(uint64_t));
  copy_racing(now.page(page), copy.data(), copy.size());
  if (crc32c(std::as_bytes(std::span(copy))) == expected.crc) {
    mark_verified(now, page);
    return {};
  }
  // Damage, or the lane has begun to change the page: it did so under the mutex, if it did.
  const MutexLock lock(state_->verify_mutex);
  return check_in_place(now, page);
}

Status Arena::check_in_place(const Reservation& now, uint64_t page) const {
  const uint8_t bits = now.state(page).load(std::memory_order_acquire);
  if ((bits & page_state::kDamaged) != 0) return damage_of(page);
  if ((bits & page_state::kUnverified) == 0) return {};
  const Placed& expected = state_->opened[page];
  if (crc32c(Bytes(now.page(page), expected.length)) == expected.crc) {
    mark_verified(now, page);
    return {};
  }
  now.state(page).fetch_or(page_state::kDamaged, std::memory_order_acq_rel);
  return state_->store->report_damage(damage_of(page));
}

void Arena::mark_verified(const Reservation& now, uint64_t page) const {
  const auto clear = static_cast<uint8_t>(~page_state::kUnverified);
  const uint8_t before = now.state(page).fetch_and(clear, std::memory_order_acq_rel);
  if ((before & page_state::kUnverified) != 0) unverified_.fetch_sub(1, std::memory_order_acq_rel);
}

Status Arena::damage_of(uint64_t page) const {
  const Placed& at = state_->opened[page];
  const PageStore::State& store = *state_->store;
  return {Code::kCorruption, store.path_of(page_file_name(store.family, at.file)) + ": byte " +
                                 std::to_string(at.offset()) + ": page " + std::to_string(page) +
                                 " of arena " + state_->name + " fails its checksum"};
}

uint64_t Arena::memory_bytes() const {
  return std::min(state_->touched_pages.load() * kPageBytes, round_to_disk_page(bytes()));
}

}  // namespace ferres
