// See deaths.h for the order of stores that readers rely on.
#include "collection/deaths.h"

#include <utility>

#include "base/epoch.h"
#include "base/status.h"

namespace ferres {

Deaths::Deaths(uint64_t next)
    : ring_(std::make_unique<Ring>(kCapacityMin)), shared_(ring_.get()), begin_(next), end_(next) {
  memory_bytes_ = kCapacityMin * sizeof(Place);
}

Deaths::Death Deaths::find(uint64_t number) const {
  const Place& place = shared_.load(std::memory_order_acquire)->at(number);
  const Death death{place.born.load(std::memory_order_acquire),
                    place.died.load(std::memory_order_acquire)};
  // Last: what was read above may be of a later death.
  if (number < begin_.load(std::memory_order_acquire)) return {};
  return death;
}

uint64_t Deaths::add(Death death) {
  CHECK(death.born != 0);
  const uint64_t capacity = ring_->mask + 1;
  if (end_ - begin_.load(std::memory_order_relaxed) == capacity) resize(capacity * 2);
  Place& place = ring_->at(end_);
  place.born.store(death.born, std::memory_order_release);
  place.died.store(death.died, std::memory_order_release);
  return end_++;
}

void Deaths::remove(uint64_t number) {
  uint64_t begin = begin_.load(std::memory_order_relaxed);
  if (number < begin) return;
  ring_->at(number).born.store(0, std::memory_order_release);
  while (begin < end_ && ring_->at(begin).born.load(std::memory_order_relaxed) == 0)
    ++begin;
  begin_.store(begin, std::memory_order_release);
  if (begin == end_ && ring_->mask + 1 > kCapacityMin) resize(kCapacityMin);
}

void Deaths::resize(uint64_t capacity) {
  auto next = std::make_unique<Ring>(capacity);
  for (uint64_t number = begin_.load(std::memory_order_relaxed); number < end_; ++number) {
    const Place& from = ring_->at(number);
    Place& to = next->at(number);
    to.born.store(from.born.load(std::memory_order_relaxed), std::memory_order_relaxed);
    to.died.store(from.died.load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
  shared_.store(next.get(), std::memory_order_release);
  std::swap(ring_, next);
  std::erase_if(retired_, [](const Retired& old) { return epoch_passed(old.ticket); });
  retired_.push_back({epoch_advance(), std::move(next)});
  memory_bytes_.store(capacity * sizeof(Place), std::memory_order_relaxed);
}

}  // namespace ferres
