// See scan.h. Rows of the next chunk are fetched while one is scored; within a chunk the kernels
// interleave. Hits are kept in a heap: k may be thousands.
#include "index/scan.h"

#include <algorithm>

#include "index/scorer.h"

namespace ferres {
namespace {

bool nearer(const Hit& a, const Hit& b) {
  return a.distance != b.distance ? a.distance < b.distance : a.slot < b.slot;
}

}  // namespace

Scan::Scan(const VectorStore& vectors, const PreparedQuery& query, uint32_t k,
           const SlotFilter& filter, std::vector<Hit>& hits)
    : vectors_(vectors),
      query_(query),
      k_(k),
      filter_(filter),
      hits_(hits),
      view_(vectors.view()),
      unverified_(!vectors.all_verified()) {
  hits_.clear();
}

Status Scan::add(std::span<const Slot> slots) {
  Slot chunk[kChunk] = {};
  size_t count = 0;
  for (const Slot slot : slots) {
    if (slot >= view_.slots) continue;
    if (!filter_.admits(slot)) {
      ++rejected_;
      continue;
    }
    if (unverified_) TRY(vectors_.verify(slot));
    chunk[count++] = slot;
    if (count < kChunk) continue;
    score(chunk, count);
    count = 0;
  }
  score(chunk, count);
  return {};
}

void Scan::score(const Slot* slots, size_t count) {
  if (k_ == 0) return;
  vectors_.ask_for({slots, count});
  float distances[kChunk];
  with_metric(view_.metric, [&](auto metric) {
    Scorer<metric()>(vectors_, view_, query_.values.data()).score(slots, count, distances);
  });
  scored_ += count;
  for (size_t i = 0; i < count; ++i) {
    const Hit hit = {distances[i], slots[i]};
    if (hits_.size() == k_) {
      if (!nearer(hit, hits_.front())) continue;
      std::pop_heap(hits_.begin(), hits_.end(), nearer);
      hits_.back() = hit;
    } else {
      hits_.push_back(hit);
    }
    std::push_heap(hits_.begin(), hits_.end(), nearer);
  }
}

void Scan::finish() {
  std::sort_heap(hits_.begin(), hits_.end(), nearer);
}

Status scan_slots(const VectorStore& vectors, const PreparedQuery& query,
                  std::span<const Slot> slots, uint32_t k, const SlotFilter& filter,
                  std::vector<Hit>& hits) {
  Scan scan(vectors, query, k, filter, hits);
  TRY(scan.add(slots));
  scan.finish();
  return {};
}

}  // namespace ferres
