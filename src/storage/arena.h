// An arena: a growing byte range at a stable address, persisted page-wise by checkpoints. Every
// view keeps what it has per point in arenas (index = slot x stride), so that opening maps files
// and does not load, and a checkpoint is the set of changed 64 KiB pages (storage/page_store.h).
//
// Threads: one lane mutates (under its own exclusion); readers hold an EpochGuard, take base() once
// and read without locks; words that change under readers are accessed through std::atomic_ref by
// the owner of the layout. A checkpoint writer runs beside the lane: before the lane first changes
// a page that the running checkpoint still has to write, mutate() hands the old content over (copy
// on write by the only writer; bounded buffer, the lane waits when it is full).
//
// The address is stable within a reservation. An arena starts with a small reservation (a thousand
// collections must fit the address space) and moves at most twice, to a larger one; the old range
// stays readable, with its content as of the move, until the epoch passes. Readers therefore never
// follow an index at or beyond the capacity they loaded with the base (see Range).
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>

#include "base/status.h"
#include "base/types.h"
#include "storage/reservation.h"
#include "storage/tiers.h"

namespace ferres {

class PageStore;

class Arena {
 public:
  struct Range {
    const std::byte* base = nullptr;
    uint64_t bytes = 0;  // readable: grown so far
  };

  ~Arena();

  // ---- any thread, under an EpochGuard
  /// Base and size as one consistent pair: every byte below `bytes` may be read from `base` while
  /// the guard lives.
  Range range() const {
    const Reservation* const now = now_.load(std::memory_order_acquire);
    return {now->base(), now->bytes()};
  }
  const std::byte* base() const { return range().base; }
  /// Checks the checksum of the mapped pages that hold [offset, offset + length) before their first
  /// use. After the scrub (all_verified) it costs one load. kCorruption names file and offset, and
  /// sets the store's damage.
  Status verify(uint64_t offset, uint64_t length) const {
    return all_verified() ? Status() : verify_pages(offset, length);
  }
  bool all_verified() const { return unverified_.load(std::memory_order_acquire) == 0; }
  /// Starts reading [offset, offset + length), which is below bytes(), from the disk, and does not
  /// wait for it. A hint.
  void will_need(uint64_t offset, uint64_t length) const;
  /// kTiered: notes that the range, which is below bytes() and not empty, is used in this minute
  /// (of any count that begins above 0), and says where it is: its coldest page.
  Tier use(uint64_t offset, uint64_t length, uint32_t minute) const;
  Tier tier(uint64_t offset) const;
  TierBytes tier_bytes() const;

  // ---- the lane only
  uint64_t bytes() const { return range().bytes; }
  /// Makes [0, bytes) addressable; new bytes are zero. Never shrinks.
  Status grow(uint64_t bytes);
  /// The range for writing. Marks its pages changed, and saves their old content for a running
  /// checkpoint. A page that fails its checksum sets the store's damage() and is returned anyway:
  /// the lane looks at damage() before it acknowledges or checkpoints.
  std::byte* mutate(uint64_t offset, uint64_t length) {
    const Reservation* const now = now_.load(std::memory_order_relaxed);
    const uint64_t page = offset / kPageBytes;
    // Acquire: a page that the checkpoint writer has finished copying may be overwritten.
    if (now->state(page).load(std::memory_order_acquire) != page_state::kHot ||
        offset % kPageBytes + length > kPageBytes) {
      mutate_pages(offset, length);
    }
    return now->base() + offset;
  }
  /// kTiered: decides where each page is to be as of now, by the minutes given to use(). What was
  /// not moved yet by the decision before is forgotten.
  void begin_moves(const TierPolicy& policy, uint32_t minute);
  /// Moves up to about max_bytes; true while there is more to move. Nothing, and false, while a
  /// checkpoint runs: after it moves are to be begun again.
  bool move_some(uint64_t max_bytes);
  /// Memory in use: pages touched (anonymous), not the reservation.
  uint64_t memory_bytes() const;

 private:
  friend class PageStore;
  friend class Checkpoint;
  struct State;
  Arena(std::unique_ptr<State> state, Reservation* first);
  Status verify_pages(uint64_t offset, uint64_t length) const;
  Status verify_page(const Reservation& now, uint64_t page) const;
  Status check_in_place(const Reservation& now, uint64_t page) const;
  void mark_verified(const Reservation& now, uint64_t page) const;
  Status damage_of(uint64_t page) const;
  void mutate_pages(uint64_t offset, uint64_t length);
  void prepare_page(const Reservation& now, uint64_t page);
  Status move_to_tier(uint64_t bytes);
  void bring_over(const Reservation& old, const Reservation& next, uint64_t first, uint64_t last);
  bool scrub(uint64_t& left);
  bool move_chunk(uint64_t first);
  bool movable(uint64_t page) const;
  void move_run(uint64_t first, uint64_t last, Tier from, Tier to);
  void note_tier(uint64_t page, Tier from, Tier to);

  std::atomic<Reservation*> now_;
  mutable std::atomic<uint64_t> unverified_{0};  // pages with kUnverified
  std::unique_ptr<State> state_;
};

}  // namespace ferres
