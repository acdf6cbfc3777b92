// See reservation.h. The only caller of mmap, mremap and madvise outside base/: they are used on
// anonymous memory alone.
#include "storage/reservation.h"

#include <bit>
#include <string>
#include <vector>

#include <sys/mman.h>

#include "base/mutex.h"

namespace ferres {
namespace {

constexpr uint64_t kSmallTier = 64ull << 20;
constexpr uint64_t kMiddleTier = 4ull << 30;
// Reservations beyond the middle tier may take this much before arenas pass through that tier. A
// move copies the content while the lane waits, so it is avoided while addresses are plenty.
#if defined(__SANITIZE_THREAD__)
constexpr uint64_t kLargeReservationsMax = 512ull << 30;  // TSan leaves a program about 1.5 TiB
#else
constexpr uint64_t kLargeReservationsMax = 16ull << 40;
#endif
// Linux allows 65530 mappings a process by default; a file mapping may split an anonymous one.
constexpr uint64_t kMappingsMax = 20'000;

void advise(std::byte* base, uint64_t bytes, bool huge) {
  // Fails on a kernel without huge pages, where there is nothing to advise.
  (void)::madvise(base, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

std::atomic<uint64_t> large_reservations{0};
std::atomic<uint64_t> file_mappings{0};

/// Nothing is reserved beyond addresses; null when there are none left.
std::byte* map_aligned(uint64_t bytes) {
  const uint64_t asked = bytes + kHugeBytes;
  void* const raw = ::mmap(nullptr, asked, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  auto* const start = static_cast<std::byte*>(raw);
  const uint64_t lead = (kHugeBytes - std::bit_cast<uint64_t>(start) % kHugeBytes) % kHugeBytes;
  if (lead != 0) ::munmap(start, lead);
  ::munmap(start + lead + bytes, kHugeBytes - lead);
  return start + lead;
}

/// Small reservations are slots of larger mappings, as Linux allows a process 65530 mappings and
/// collections come by the thousand. Any thread.
class SlotPool {
 public:
  /// Zeros; null when the address space has no room.
  std::byte* take() {
    const MutexLock lock(mutex_);
    if (free_.empty()) {
      std::byte* const slab = map_aligned(kSlabSlots * kSmallTier);
      if (slab == nullptr) return nullptr;
      // Where the system gives huge pages to all, a thousand small arenas would take 2 MiB each.
      advise(slab, kSlabSlots * kSmallTier, false);
      for (uint64_t i = kSlabSlots; i-- > 0;)
        free_.push_back(slab + i * kSmallTier);
    }
    std::byte* const slot = free_.back();
    free_.pop_back();
    return slot;
  }
  void give_back(std::byte* slot) {
    // A fresh mapping over the slot ends file mappings in it and frees its memory. Without one the
    // slot cannot be used again.
    if (::mmap(slot, kSmallTier, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED) {
      return;
    }
    advise(slot, kSmallTier, false);
    const MutexLock lock(mutex_);
    free_.push_back(slot);
  }

 private:
  static constexpr uint64_t kSlabSlots = 64;
  Mutex mutex_;
  std::vector<std::byte*> free_ GUARDED_BY(mutex_);
};

SlotPool& slots() {
  static SlotPool pool;
  return pool;
}

uint64_t round_to_huge(uint64_t bytes) {
  return (bytes + kHugeBytes - 1) / kHugeBytes * kHugeBytes;
}

Status no_addresses(uint64_t bytes) {
  return {Code::kResourceExhausted,
          "no room for " + std::to_string(bytes) +
              " bytes of addresses: raise the limit on address space (ulimit -v) or on mappings "
              "(vm.max_map_count), or allow overcommit (vm.overcommit_memory)"};
}

}  // namespace

Reservation::Reservation(std::byte* base, uint64_t capacity, std::atomic<uint8_t>* states)
    : base_(base), capacity_(capacity), states_(states) {}

Result<std::unique_ptr<Reservation>> Reservation::make(uint64_t capacity) {
  capacity = round_to_huge(capacity);
  // calloc: the states of a large range are pages of zeros that are not touched before use.
  void* const states = std::calloc(capacity / kPageBytes, sizeof(std::atomic<uint8_t>));
  std::byte* base = nullptr;
  if (states != nullptr) base = capacity == kSmallTier ? slots().take() : map_aligned(capacity);
  if (base == nullptr) {
    std::free(states);
    return no_addresses(capacity);
  }
  if (capacity != kSmallTier) advise(base, capacity, false);
  if (capacity > kMiddleTier) large_reservations.fetch_add(capacity);
  return std::unique_ptr<Reservation>(
      new Reservation(base, capacity, static_cast<std::atomic<uint8_t>*>(states)));
}

Reservation::~Reservation() {
  watched_.reset();
  if (capacity_ == kSmallTier) {
    slots().give_back(base_);
  } else {
    ::munmap(base_, capacity_);
  }
  if (capacity_ > kMiddleTier) large_reservations.fetch_sub(capacity_);
  file_mappings.fetch_sub(mappings_);
}

Status Reservation::keep_uses() {
  // As the states: pages of zeros that are not touched before use.
  uses_.reset(static_cast<std::atomic<uint32_t>*>(
      std::calloc(capacity_ / kPageBytes, sizeof(std::atomic<uint32_t>))));
  if (uses_ != nullptr) return {};
  return {Code::kResourceExhausted, "no memory to note when pages were used"};
}

void Reservation::advise_huge_pages() const {
  advise(base_, capacity_, true);
}

bool Reservation::count_mapping() {
  if (file_mappings.fetch_add(1) >= kMappingsMax) {
    file_mappings.fetch_sub(1);
    return false;
  }
  ++mappings_;
  return true;
}

bool Reservation::recount_mappings(uint64_t mappings) {
  const uint64_t others = file_mappings.fetch_sub(mappings_) - mappings_;
  const bool fits = others + mappings <= kMappingsMax;
  if (fits) mappings_ = mappings;
  file_mappings.fetch_add(mappings_);
  return fits;
}

bool Reservation::read_into_memory(uint64_t first, uint64_t pages) const {
  return ::madvise(page(first), pages * kPageBytes, MADV_POPULATE_WRITE) == 0;
}

void Reservation::advise_normal(uint64_t first, uint64_t pages) const {
  (void)::madvise(page(first), pages * kPageBytes, MADV_NORMAL);
}

void Reservation::advise_random(uint64_t first, uint64_t pages) const {
  (void)::madvise(page(first), pages * kPageBytes, MADV_RANDOM);
}

void Reservation::advise_release(uint64_t first, uint64_t pages) const {
  (void)::madvise(page(first), pages * kPageBytes, MADV_DONTNEED);
}

void Reservation::advise_will_need(uint64_t offset, uint64_t length) const {
  constexpr uint64_t kSystemPage = 4096;
  const uint64_t begin = offset / kSystemPage * kSystemPage;
  (void)::madvise(base_ + begin, offset + length - begin, MADV_WILLNEED);
}

uint64_t Reservation::tier(uint64_t bytes, uint64_t bytes_max) {
  if (bytes <= kSmallTier) return kSmallTier;
  if (bytes_max <= kMiddleTier) return bytes_max;
  if (large_reservations.load() + bytes_max <= kLargeReservationsMax) return bytes_max;
  return bytes <= kMiddleTier ? kMiddleTier : bytes_max;
}

Result<std::unique_ptr<Staging>> Staging::make(uint64_t bytes) {
  bytes = round_to_huge(bytes);
  std::byte* const base = map_aligned(bytes);
  if (base == nullptr) return no_addresses(bytes);
  advise(base, bytes, true);
  return std::unique_ptr<Staging>(new Staging(base, bytes));
}

Staging::~Staging() {
  if (used_ < bytes_) ::munmap(base_ + used_, bytes_ - used_);
}

bool Staging::move_to(std::byte* target) {
  if (used_ == bytes_) return false;
  if (::mremap(chunk(), kHugeBytes, kHugeBytes, MREMAP_MAYMOVE | MREMAP_FIXED, target) ==
      MAP_FAILED) {
    return false;
  }
  used_ += kHugeBytes;
  return true;
}

}  // namespace ferres
