// Moving the pages of an arena between tiers. After a checkpoint all that it wrote is mapped, in
// long runs; a page becomes hot by being read into private memory behind its mapping, which readers
// see as the same bytes and which costs no mapping of its own. So the number of mappings is that of
// runs in files, and of changes between cold and not, which advice to the system splits.
#include <algorithm>

#include "storage/store_state.h"

namespace ferres {
namespace {

constexpr uint8_t kBusy = page_state::kChanged | page_state::kPending | page_state::kCopying;

Tier tier_of(uint8_t bits) {
  if ((bits & page_state::kTouched) != 0) return Tier::kHot;
  return (bits & page_state::kCold) != 0 ? Tier::kCold : Tier::kWarm;
}

/// A page that may become or stay hot.
struct Candidate {
  uint32_t last_used = 0;
  bool hot = false;
  uint64_t page = 0;
};

/// Among equals those that need not be moved.
bool keep_before(const Candidate& a, const Candidate& b) {
  if (a.last_used != b.last_used) return a.last_used > b.last_used;
  if (a.hot != b.hot) return a.hot;
  return a.page < b.page;
}

uint64_t count_mappings(const std::vector<Placed>& placed, const std::vector<Tier>& wanted) {
  uint64_t mappings = count_runs(placed);
  for (uint64_t page = 1; page < wanted.size(); ++page)
    mappings += (wanted[page] == Tier::kCold) != (wanted[page - 1] == Tier::kCold) ? 1 : 0;
  return mappings;
}

}  // namespace

Tier Arena::use(uint64_t offset, uint64_t length, uint32_t minute) const {
  const Reservation& now = *now_.load(std::memory_order_acquire);
  Tier coldest = Tier::kHot;
  for (uint64_t page = offset / kPageBytes; page <= (offset + length - 1) / kPageBytes; ++page) {
    std::atomic<uint32_t>& last = now.last_used(page);
    if (last.load(std::memory_order_relaxed) != minute)
      last.store(minute, std::memory_order_relaxed);
    coldest = std::max(coldest, tier_of(now.state(page).load(std::memory_order_relaxed)));
  }
  return coldest;
}

Tier Arena::tier(uint64_t offset) const {
  const Reservation& now = *now_.load(std::memory_order_acquire);
  return tier_of(now.state(offset / kPageBytes).load(std::memory_order_relaxed));
}

TierBytes Arena::tier_bytes() const {
  const Reservation& now = *now_.load(std::memory_order_acquire);
  TierBytes bytes;
  for (uint64_t page = 0; page < pages_of(now.bytes()); ++page) {
    const Tier tier = tier_of(now.state(page).load(std::memory_order_relaxed));
    (tier == Tier::kHot ? bytes.hot : tier == Tier::kWarm ? bytes.warm : bytes.cold) += kPageBytes;
  }
  return bytes;
}

bool Arena::movable(uint64_t page) const {
  const Placed& at = state_->placed[page];
  const uint8_t bits = state_->reservation->state(page).load(std::memory_order_acquire);
  return at.file != 0 && at.length == kPageBytes && (bits & kBusy) == 0;
}

void Arena::begin_moves(const TierPolicy& policy, uint32_t minute) {
  State& a = *state_;
  Reservation& now = *a.reservation;
  std::vector<Tier> wanted(a.placed.size(), Tier::kWarm);
  std::vector<Candidate> candidates;
  uint64_t left = policy.hot_bytes_max / kPageBytes;
  for (uint64_t page = 0; page < pages_of(now.bytes()); ++page) {
    const bool hot = tier_of(now.state(page).load()) == Tier::kHot;
    std::atomic<uint32_t>& last_used = now.last_used(page);
    // Not known: from a start on nobody asked for it, so it is not hot; how cold, time will tell.
    if (last_used.load(std::memory_order_relaxed) == 0)
      last_used = hot ? minute : std::max(minute, policy.hot_minutes + 1) - policy.hot_minutes;
    if (page >= a.placed.size() || !movable(page)) {
      if (hot && left > 0) --left;
      continue;
    }
    const uint32_t last = last_used.load(std::memory_order_relaxed);
    const uint32_t age = std::max(minute, last) - last;
    if (age < policy.hot_minutes) candidates.push_back({last, hot, page});
    if (age >= policy.warm_minutes) wanted[page] = Tier::kCold;
  }
  const uint64_t kept = std::min<uint64_t>(left, candidates.size());
  const auto end = candidates.begin() + static_cast<ptrdiff_t>(kept);
  std::nth_element(candidates.begin(), end, candidates.end(), keep_before);
  std::for_each(candidates.begin(), end,
                [&wanted](const Candidate& kept_hot) { wanted[kept_hot.page] = Tier::kHot; });
  if (!now.recount_mappings(count_mappings(a.placed, wanted))) {
    std::replace(wanted.begin(), wanted.end(), Tier::kCold, Tier::kWarm);
    if (!now.recount_mappings(count_mappings(a.placed, wanted))) return;
  }
  a.wanted_tiers = std::move(wanted);
  a.next_move = 0;
}

bool Arena::move_some(uint64_t max_bytes) {
  State& a = *state_;
  // A page that was written is not in its new file before the commit: the mapping would be of the
  // old one.
  if (a.store->checkpoint != nullptr) return false;
  uint64_t left = std::max(max_bytes, kPageBytes) / kPageBytes;
  const auto moves = [&](uint64_t page) {
    return movable(page) && tier_of(a.reservation->state(page).load()) != a.wanted_tiers[page];
  };
  while (a.next_move < a.wanted_tiers.size()) {
    const uint64_t first = a.next_move++;
    if (!moves(first)) continue;
    const Tier from = tier_of(a.reservation->state(first).load());
    const Tier to = a.wanted_tiers[first];
    uint64_t& last = a.next_move;
    while (last < a.wanted_tiers.size() && last - first < left && moves(last) &&
           tier_of(a.reservation->state(last).load()) == from && a.wanted_tiers[last] == to &&
           !starts_run(a.placed[last - 1], a.placed[last])) {
      ++last;
    }
    move_run(first, last, from, to);
    left -= last - first;
    if (left == 0) return true;
  }
  a.wanted_tiers.clear();
  return false;
}

/// What cannot be moved stays where it is.
void Arena::move_run(uint64_t first, uint64_t last, Tier from, Tier to) {
  const State& a = *state_;
  const Reservation& now = *a.reservation;
  if (to == Tier::kHot) {
    for (uint64_t page = first; page < last; ++page)
      check_in_place(now, page).ignore();  // kept as the store's damage
    if (!now.read_into_memory(first, last - first)) return;
  }
  if (from == Tier::kHot && !a.store->map_run(*this, now, first, last).ok()) return;
  if (from == Tier::kCold) now.advise_normal(first, last - first);
  if (to == Tier::kCold) {
    now.advise_random(first, last - first);
    now.advise_release(first, last - first);
  }
  for (uint64_t page = first; page < last; ++page)
    note_tier(page, from, to);
}

void Arena::note_tier(uint64_t page, Tier from, Tier to) {
  std::atomic<uint8_t>& state = state_->reservation->state(page);
  if (from != Tier::kWarm) {
    const uint8_t bit = from == Tier::kHot ? page_state::kTouched : page_state::kCold;
    state.fetch_and(static_cast<uint8_t>(~bit), std::memory_order_acq_rel);
  }
  if (to != Tier::kWarm) {
    const uint8_t bit = to == Tier::kHot ? page_state::kTouched : page_state::kCold;
    state.fetch_or(bit, std::memory_order_acq_rel);
  }
  if (from == Tier::kHot) state_->touched_pages.fetch_sub(1);
  if (to == Tier::kHot) state_->touched_pages.fetch_add(1);
}

}  // namespace ferres
