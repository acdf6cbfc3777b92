// The space of full vectors; see space.h. Rotated vectors are made when a lane is written: they are
// needed only then.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "index/scorer.h"
#include "index/space.h"
#include "quant/rotation.h"

namespace ferres {
namespace {

class VectorSpace final : public Space {
 public:
  VectorSpace(const VectorStore& vectors, bool lanes)
      : vectors_(vectors), rotation_(vectors.dim()), lanes_(lanes) {}

  Slot slots() const override { return vectors_.view().slots; }
  bool triangles() const override { return vectors_.metric() != Metric::kDot; }
  bool exact() const override { return true; }
  uint32_t bits() const override { return 32; }
  float deviation(const SpaceQuery&, Slot, float) const override { return 0; }

  void prepare(std::span<const float> vector, SpaceQuery& query) const override {
    vectors_.prepare(vector, query.full);
    float* const values = query.code.values.data_for(rotation_.padded_dim());
    std::memcpy(values, query.full.values.data(), query.full.values.size() * sizeof(float));
    rotation_.apply(values);
    query.lanes.prepare(values, rotation_.padded_dim());
  }

  /// Lanes let a few rows pass at a time: their starts are asked for at once, before the next block
  /// is. Without lanes a batch is large and the scorer looks ahead by itself.
  void prefetch(const Slot* slots, size_t count) const override {
    if (!lanes_) return;
    const VectorView view = vectors_.view();
    for (size_t i = 0; i < count; ++i) {
      if (view.inverse_norms != nullptr) __builtin_prefetch(view.inverse_norms + slots[i]);
      const std::byte* const row = view.row(slots[i]);
      for (uint32_t j = 0; j < std::min(view.stride, kPrefetchBytes); j += kLine)
        __builtin_prefetch(row + j);
    }
  }

  void score(const SpaceQuery& query, const Slot* slots, size_t count, float* out) const override {
    const VectorView view = vectors_.view();
    vectors_.ask_for({slots, count});
    with_metric(view.metric, [&](auto metric) {
      Scorer<metric()>(vectors_, view, query.full.values.data()).score(slots, count, out);
    });
  }

  void between(Slot from, std::span<const Slot> to, float* out) const override {
    score_between(vectors_, vectors_.view(), from, to, out);
  }

  bool same(Slot a, Slot b) const override {
    const VectorView view = vectors_.view();
    return std::memcmp(view.row(a), view.row(b), row_bytes(view.format, view.dim)) == 0;
  }

  bool unverified() const override { return !vectors_.all_verified(); }
  Result<size_t> keep_verified(Slot* slots, size_t count) const override {
    for (size_t i = 0; i < count; ++i)
      TRY(vectors_.verify(slots[i]));
    return count;
  }

  uint32_t rotated_dim() const override { return rotation_.padded_dim(); }
  void rotated(Slot slot, float* out) const override {
    const VectorView view = vectors_.view();
    const float factor = view.metric == Metric::kCosine ? view.inverse_norms[slot] : 1.0f;
    const float* const row = view.floats(slot);
    for (uint32_t i = 0; i < view.dim; ++i)
      out[i] = row[i] * factor;
    std::memset(out + view.dim, 0, (rotation_.padded_dim() - view.dim) * sizeof(float));
    rotation_.apply(out);
  }
  void encode_lane(const float* from, const float* to, uint32_t lane,
                   std::byte* group) const override {
    const CodeMetric metric = triangles() ? CodeMetric::kL2 : CodeMetric::kDot;
    ferres::encode_lane(metric, from, to, rotation_.padded_dim(), lane, group);
    // 1 - cos is half the squared distance of normalised vectors.
    if (vectors_.metric() == Metric::kCosine) scale_lane(lane, 0.5f, group);
  }

  uint64_t memory_bytes() const override { return 0; }
  Status train(std::span<const Slot>) override { return {}; }
  Status put(Slot, const SpaceQuery&) override { return {}; }

 private:
  static constexpr uint32_t kLine = 64;
  static constexpr uint32_t kPrefetchBytes = 8 * kLine;

  const VectorStore& vectors_;
  const Rotation rotation_;
  const bool lanes_;
};

}  // namespace

std::unique_ptr<Space> make_vector_space(const VectorStore& vectors, bool lanes) {
  return std::make_unique<VectorSpace>(vectors, lanes);
}

}  // namespace ferres
