// A range of addresses for one arena, and the state byte of each of its 64 KiB pages. The memory is
// private and anonymous, asked for without reserving swap: untouched addresses cost nothing, so an
// arena can own far more than it uses and never has to move what readers see.
//
// Threads: base() and states() are constant. bytes() is published by the lane and read by all. A
// state byte changes by atomic read-modify-write alone; who may change which bit stands at the bit.
#pragma once
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>

#include "base/status.h"
#include "base/types.h"
#include "storage/lost_pages.h"

namespace ferres {

inline constexpr uint64_t kPageBytes = 64 << 10;
inline constexpr uint64_t kHugeBytes = 2 << 20;

/// Bits of a page's state. Zero: never touched, or as in its page file and verified.
namespace page_state {
inline constexpr uint8_t kUnverified =
    1;                                   // mapped, checksum not yet checked; cleared by any thread
inline constexpr uint8_t kDamaged = 2;   // checksum mismatch; never cleared; set by any thread
inline constexpr uint8_t kChanged = 4;   // since the last begin_checkpoint; the lane's
inline constexpr uint8_t kPending = 8;   // in the running checkpoint; taken by lane or writer
inline constexpr uint8_t kCopying = 16;  // the checkpoint writer copies it now; the writer's
inline constexpr uint8_t kTouched = 32;  // anonymous memory; the lane's
inline constexpr uint8_t kCold =
    64;  // mapped, advised to be read without its neighbours; the lane's
/// A page that the lane may write at once.
inline constexpr uint8_t kHot = kChanged | kTouched;
}  // namespace page_state

class Reservation {
 public:
  /// kResourceExhausted when the address space has no room. capacity is rounded up to 2 MiB.
  static Result<std::unique_ptr<Reservation>> make(uint64_t capacity);
  ~Reservation();
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;

  std::byte* base() const { return base_; }
  uint64_t capacity() const { return capacity_; }
  uint64_t bytes() const { return bytes_.load(std::memory_order_acquire); }
  void publish_bytes(uint64_t bytes) { bytes_.store(bytes, std::memory_order_release); }
  std::byte* page(uint64_t index) const { return base_ + index * kPageBytes; }
  std::atomic<uint8_t>& state(uint64_t index) const { return states_[index]; }

  /// From now on a mapped page that cannot be read sets `lost`, which outlives the reservation.
  void watch(std::atomic<bool>& lost) { watched_.emplace(base_, capacity_, lost); }
  /// Makes last_used() usable, before any other thread reads. kResourceExhausted without memory.
  Status keep_uses();
  /// Of a page, in minutes of a count that is the arena's user's; 0: not known.
  std::atomic<uint32_t>& last_used(uint64_t index) const { return uses_[index]; }
  /// Asks for transparent huge pages, which are off at first; a hint.
  void advise_huge_pages() const;
  /// A file mapping was put over a part; it counts against the process's bound until the
  /// reservation ends. False, and nothing counted, when the bound is reached.
  bool count_mapping();
  /// There will be so many file mappings in all. False, and nothing counted, beyond the bound.
  bool recount_mappings(uint64_t mappings);

  /// Reads mapped pages into memory of this process, as if each were changed: it then stays there.
  /// False where the system cannot (Linux before 5.14, no memory, a file that cannot be read).
  bool read_into_memory(uint64_t page, uint64_t pages) const;
  /// Hints for whole mapped pages: no reading ahead; as at first; may leave memory (never for a
  /// page that was changed: the change would be lost); read now.
  void advise_random(uint64_t page, uint64_t pages) const;
  void advise_normal(uint64_t page, uint64_t pages) const;
  void advise_release(uint64_t page, uint64_t pages) const;
  void advise_will_need(uint64_t offset, uint64_t length) const;

  /// The capacity for an arena of `bytes` that may grow to bytes_max: 64 MiB first, then bytes_max
  /// at once while large reservations are few, else 4 GiB between.
  static uint64_t tier(uint64_t bytes, uint64_t bytes_max);

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  Reservation(std::byte* base, uint64_t capacity, std::atomic<uint8_t>* states);

  std::byte* const base_;
  const uint64_t capacity_;
  std::atomic<uint64_t> bytes_{0};
  const std::unique_ptr<std::atomic<uint8_t>[], Free> states_;
  std::unique_ptr<std::atomic<uint32_t>[], Free> uses_;
  uint64_t mappings_ = 0;
  std::optional<WatchedRange> watched_;
};

/// A 2 MiB-aligned anonymous range that ends with the object, less what was moved out of it.
class Staging {
 public:
  static Result<std::unique_ptr<Staging>> make(uint64_t bytes);
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  /// The next 2 MiB, to be filled.
  std::byte* chunk() const { return base_ + used_; }
  /// Moves the chunk over `target`: readers see the memory before or after, whole.
  bool move_to(std::byte* target);

 private:
  Staging(std::byte* base, uint64_t bytes) : base_(base), bytes_(bytes) {}
  std::byte* const base_;
  const uint64_t bytes_;
  uint64_t used_ = 0;
};

}  // namespace ferres
