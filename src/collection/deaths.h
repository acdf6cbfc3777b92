// When the points that died were born and died: what a reader at an older LSN still asks of a slot
// whose row has no room for two LSNs (collection/slot_table.h). In memory only: nobody reads at an
// LSN from before a start.
//
// Deaths are numbered; the ones whose slots were not released yet lie in a ring, which doubles when
// it is full and is small again when it is empty. One lane adds and removes; a reader under an
// EpochGuard finds a death by the number that it loaded from a row. The number may be over by then,
// and its place taken by a later death: begin_ moves first, so a reader that met the later one
// knows.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/types.h"

namespace ferres {

class Deaths {
 public:
  struct Death {
    Lsn born = 0;
    Lsn died = 0;
  };

  /// `next`: numbers below it are over; a death from before a start is nobody's to see.
  explicit Deaths(uint64_t next);

  /// Any thread, under a guard. {0, 0} when it is over: then every reader that can still ask
  /// began after the death.
  Death find(uint64_t number) const;
  uint64_t memory_bytes() const { return memory_bytes_.load(std::memory_order_relaxed); }

  // ---- the lane only
  uint64_t next() const { return end_; }
  uint64_t add(Death death);
  /// The slot is about to be released. In any order.
  void remove(uint64_t number);

 private:
  static constexpr uint64_t kCapacityMin = 64;

  struct Place {
    std::atomic<Lsn> born{0};  // 0: removed
    std::atomic<Lsn> died{0};
  };
  struct Ring {
    explicit Ring(uint64_t capacity)
        : mask(capacity - 1), places(std::make_unique<Place[]>(capacity)) {}
    Place& at(uint64_t number) const { return places[number & mask]; }
    uint64_t mask;
    std::unique_ptr<Place[]> places;
  };
  struct Retired {
    uint64_t ticket;
    std::unique_ptr<Ring> ring;
  };
  void resize(uint64_t capacity);

  std::unique_ptr<Ring> ring_;
  std::atomic<const Ring*> shared_;  // ring_, for readers
  std::atomic<uint64_t> begin_;
  uint64_t end_;
  std::vector<Retired> retired_;
  std::atomic<uint64_t> memory_bytes_{0};
};

}  // namespace ferres
