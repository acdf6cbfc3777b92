// Distances for a walk: the kernel and the metric are chosen once a search, and the rows of a batch
// are fetched ahead of the arithmetic (memory, not arithmetic, limits a walk). Gives the same
// values as distances() of vector_store.h. Any thread, under an EpochGuard.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <type_traits>

#include "base/status.h"
#include "base/types.h"
#include "index/vector_store.h"
#include "kernels/distance.h"

namespace ferres {

template <Metric metric>
class Scorer {
 public:
  /// `query` is prepared (VectorStore::prepare); the view and the store outlive the scorer.
  Scorer(const VectorStore& vectors, const VectorView& view, const float* query)
      : many_(metric == Metric::kEuclidean ? kernels().l2_squared_many : kernels().dot_many),
        view_(view),
        query_(query),
        vectors_(vectors),
        unverified_(!vectors.all_verified()) {}

  /// From a stored vector, which for cosine is not normalised.
  Scorer(const VectorStore& vectors, const VectorView& view, Slot from)
      : Scorer(vectors, view, view.floats(from, kGroup)) {
    if constexpr (metric == Metric::kCosine) scale_ = view.inverse_norms[from];
  }

  /// out[i] = distance from the query to slots[i]; every slot is below view.slots.
  void score(const Slot* slots, size_t count, float* out) const {
    const float* rows[kGroup];
    for (size_t i = 0; i < count && i < kAhead; ++i)
      prefetch(slots[i]);
    for (size_t done = 0; done < count; done += kGroup) {
      const size_t n = std::min(count - done, kGroup);
      for (size_t i = 0; i < n; ++i) {
        rows[i] = view_.floats(slots[done + i], i);
        if (done + i + kAhead < count) prefetch(slots[done + i + kAhead]);
      }
      many_(query_, rows, n, view_.dim, out + done);
      for (size_t i = 0; i < n; ++i)
        out[done + i] = finish(out[done + i], slots[done + i]);
    }
  }

  /// Checks the pages behind the rows while the store is not verified yet.
  bool unverified() const { return unverified_; }
  Status verify(const Slot* slots, size_t count) const {
    for (size_t i = 0; i < count; ++i)
      TRY(vectors_.verify(slots[i]));
    return {};
  }

  Slot slots() const { return view_.slots; }

 private:
  static constexpr size_t kGroup = 8;   // rows that kernels take abreast
  static constexpr size_t kAhead = 16;  // rows asked for before they are needed
  static constexpr size_t kLines = 2;   // of each; the CPU's own prefetcher follows
  static constexpr size_t kLine = 64;

  void prefetch(Slot slot) const {
    if constexpr (metric == Metric::kCosine) __builtin_prefetch(view_.inverse_norms + slot);
    const std::byte* const row = view_.row(slot);
    for (size_t i = 0; i < std::min<size_t>(kLines * kLine, view_.stride); i += kLine)
      __builtin_prefetch(row + i);
  }

  float finish(float raw, Slot slot) const {
    if constexpr (metric == Metric::kCosine) {
      // A vector without direction is at a right angle to everything.
      const float inverse = view_.inverse_norms[slot];
      return inverse == 0 || scale_ == 0 ? 1.0f : 1.0f - raw * (inverse * scale_);
    }
    if constexpr (metric == Metric::kDot) {
      return std::isnan(raw) ? std::numeric_limits<float>::infinity() : -raw;
    }
    return raw;
  }

  decltype(DistanceKernels::dot_many) many_;
  const VectorView& view_;
  const float* query_;
  const VectorStore& vectors_;
  const bool unverified_;
  float scale_ = 1;
};

/// Calls body(std::integral_constant<Metric, m>()) for the metric in force.
template <class Body>
auto with_metric(Metric metric, Body&& body) {
  switch (metric) {
    case Metric::kDot:
      return body(std::integral_constant<Metric, Metric::kDot>());
    case Metric::kEuclidean:
      return body(std::integral_constant<Metric, Metric::kEuclidean>());
    case Metric::kCosine:
      break;
  }
  return body(std::integral_constant<Metric, Metric::kCosine>());
}

/// Distances between stored vectors: from one slot to `count` others, all below view.slots.
inline void score_between(const VectorStore& vectors, const VectorView& view, Slot from,
                          std::span<const Slot> to, float* out) {
  with_metric(view.metric, [&](auto metric) {
    Scorer<metric()>(vectors, view, from).score(to.data(), to.size(), out);
  });
}

}  // namespace ferres
