// Rows in one arena, their inverse norms in another. A row is padded to whole cache lines: no row
// shares a line with its neighbour, and every row starts on one. The norms stand apart because they
// are 4 bytes a point: the whole array stays in the caches while rows do not. Norms are taken in
// double, so that every finite vector with a norm that a float can hold has one. Threads: as in the
// head of vector_store.h.
#include "index/vector_store.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <span>

#include "base/aligned.h"
#include "base/status.h"
#include "base/types.h"
#include "index/row_format.h"
#include "kernels/distance.h"
#include "storage/arena.h"
#include "storage/arena_size.h"
#include "storage/page_store.h"

namespace ferres {
namespace {

constexpr uint32_t kLine = 64;
constexpr uint32_t kLineFloats = kLine / sizeof(float);
// Rows read from the disk may take so much of the process's memory, or one part in so many of all.
constexpr uint64_t kReadBytesMin = 16 << 20;
constexpr uint64_t kReadShare = 16;
// Reading a row may bring so much into memory: the system maps what it has around it.
constexpr uint64_t kFaultAround = 64 << 10;
// As many rows as the kernels take abreast.
constexpr size_t kBatch = 8;
// Between these the product of two norms, and of their inverses, stays a normal float.
constexpr float kInverseNormMin = 1e-15f;
constexpr float kInverseNormMax = 1e15f;

/// Eight sums side by side: one would wait for each addition in turn.
double norm_of(std::span<const float> vector) {
  std::array<double, 8> sums{};
  size_t i = 0;
  for (; i + sums.size() <= vector.size(); i += sums.size()) {
    for (size_t j = 0; j < sums.size(); ++j)
      sums[j] += double{vector[i + j]} * vector[i + j];
  }
  for (; i < vector.size(); ++i)
    sums[0] += double{vector[i]} * vector[i];
  return std::sqrt(((sums[0] + sums[1]) + (sums[2] + sums[3])) +
                   ((sums[4] + sums[5]) + (sums[6] + sums[7])));
}

/// A query's length 1, or 0 when it has none. In floats wherever no square overflows or vanishes:
/// every search pays for it.
void normalise(std::span<float> vector) {
  std::array<float, 16> sums{};
  size_t i = 0;
  for (; i + sums.size() <= vector.size(); i += sums.size()) {
    for (size_t j = 0; j < sums.size(); ++j)
      sums[j] += vector[i + j] * vector[i + j];
  }
  for (; i < vector.size(); ++i)
    sums[0] += vector[i] * vector[i];
  const float squares = std::accumulate(sums.begin(), sums.end(), 0.0f);
  if (squares > 1e-25f && squares < 1e35f) {
    const float factor = 1 / std::sqrt(squares);
    for (float& value : vector)
      value *= factor;
    return;
  }
  const double norm = norm_of(vector);
  const double factor = norm > 0 && std::isfinite(norm) ? 1 / norm : 0;
  for (float& value : vector)
    value = static_cast<float>(value * factor);
}

/// 0 when the vector has no direction: zero, not finite, or too large or small for a float.
float inverse_norm(std::span<const float> vector) {
  const double norm = norm_of(vector);
  if (!(norm > 0) || norm > double{std::numeric_limits<float>::max()}) return 0;
  const auto inverse = static_cast<float>(1 / norm);
  return std::isfinite(inverse) ? inverse : 0;
}

/// A vector without direction is at a right angle to everything. The product is asked for first: a
/// row without a norm may give an infinite one.
float cosine_distance(float product, float inverse) {
  return inverse == 0 ? 1.0f : 1.0f - product * inverse;
}

/// Infinities of both signs in one sum make NaN, which no heap can order: farthest instead.
float dot_distance(float product) {
  return std::isnan(product) ? std::numeric_limits<float>::infinity() : -product;
}

float cosine_in_double(std::span<const float> a, std::span<const float> b) {
  double product = 0;
  for (size_t i = 0; i < a.size(); ++i)
    product += double{a[i]} * b[i];
  return static_cast<float>(1 - product / (norm_of(a) * norm_of(b)));
}

float cosine_between(const VectorView& view, Slot a, Slot b) {
  const float inverse_a = view.inverse_norms[a];
  const float inverse_b = view.inverse_norms[b];
  if (inverse_a == 0 || inverse_b == 0) return 1;
  if (std::min(inverse_a, inverse_b) < kInverseNormMin ||
      std::max(inverse_a, inverse_b) > kInverseNormMax) {
    return cosine_in_double({view.floats(a, 0), view.dim}, {view.floats(b, 1), view.dim});
  }
  return 1.0f -
         kernels().dot(view.floats(a, 0), view.floats(b, 1), view.dim) * (inverse_a * inverse_b);
}

/// Grows by more than it needs, so that most puts do not.
Status ensure(Arena& arena, uint64_t bytes) {
  if (arena.bytes() >= bytes) return {};
  return arena.grow(arena_size_for(bytes));
}

}  // namespace

Result<std::unique_ptr<VectorStore>> VectorStore::open(PageStore& points, uint32_t first_arena,
                                                       Metric metric, uint32_t dim,
                                                       VectorPlace place) {
  CHECK(dim > 0);
  ArenaSpec rows;
  rows.id = first_arena;
  rows.name = "vectors";
  rows.residency = place.residency;
  rows.huge_pages = place.residency == Residency::kMemory;
  TRY_ASSIGN(Arena * rows_arena, points.arena(rows));
  Arena* norms_arena = nullptr;
  if (metric == Metric::kCosine) {
    ArenaSpec norms;
    norms.id = first_arena + 1;
    norms.name = "inverse norms";
    norms.bytes_max = (uint64_t{kNoSlot} + 1) * sizeof(float);
    norms.huge_pages = true;
    TRY_ASSIGN(norms_arena, points.arena(norms));
  }
  return std::unique_ptr<VectorStore>(
      new VectorStore(points, rows_arena, norms_arena, metric, dim, place));
}

VectorStore::VectorStore(PageStore& points, Arena* rows, Arena* norms, Metric metric, uint32_t dim,
                         VectorPlace place)
    : points_(points),
      rows_(rows),
      norms_(norms),
      metric_(metric),
      dim_(dim),
      place_(place),
      stride_((static_cast<uint32_t>(row_bytes(place.format, dim)) + kLine - 1) / kLine * kLine) {}

Status VectorStore::put(Slot slot, std::span<const float> vector) {
  CHECK(vector.size() == dim_);
  TRY(ensure(*rows_, (uint64_t{slot} + 1) * stride_));
  std::byte* const row = rows_->mutate(uint64_t{slot} * stride_, row_bytes(place_.format, dim_));
  encode_row(place_.format, vector, row);
  if (place_.residency == Residency::kTiered) use({&slot, 1});
  if (norms_ != nullptr) {
    TRY(ensure(*norms_, (uint64_t{slot} + 1) * sizeof(float)));
    // Of what is kept: a rebuilt index then sees the same.
    const float inverse = inverse_norm(
        place_.format == RowFormat::kF32 ? vector : std::span(view().floats(slot), dim_));
    std::memcpy(norms_->mutate(uint64_t{slot} * sizeof(float), sizeof(float)), &inverse,
                sizeof(float));
  }
  return {};
}

Status VectorStore::copy(Slot slot, const VectorStore& other, Slot from) {
  TRY(other.verify(from));
  const VectorView source = other.view();
  TRY(ensure(*rows_, (uint64_t{slot} + 1) * stride_));
  std::memcpy(rows_->mutate(uint64_t{slot} * stride_, stride_), source.row(from), stride_);
  if (place_.residency == Residency::kTiered) use({&slot, 1});
  if (norms_ == nullptr) return {};
  TRY(ensure(*norms_, (uint64_t{slot} + 1) * sizeof(float)));
  std::memcpy(norms_->mutate(uint64_t{slot} * sizeof(float), sizeof(float)),
              source.inverse_norms + from, sizeof(float));
  return {};
}

void VectorStore::erase(Slot slot) {
  if ((uint64_t{slot} + 1) * stride_ > rows_->bytes()) return;
  std::memset(rows_->mutate(uint64_t{slot} * stride_, stride_), 0, stride_);
}

VectorView VectorStore::view() const {
  VectorView view;
  view.stride = stride_;
  view.dim = dim_;
  view.metric = metric_;
  view.format = place_.format;
  const Arena::Range rows = rows_->range();
  view.rows = rows.base;
  uint64_t slots = rows.bytes / stride_;
  if (norms_ != nullptr) {
    const Arena::Range norms = norms_->range();
    view.inverse_norms = reinterpret_cast<const float*>(norms.base);
    slots = std::min(slots, norms.bytes / sizeof(float));
  }
  view.slots = static_cast<Slot>(std::min(slots, uint64_t{kNoSlot}));
  return view;
}

PreparedQuery VectorStore::prepare(std::span<const float> query) const {
  PreparedQuery prepared;
  prepare(query, prepared);
  return prepared;
}

void VectorStore::prepare(std::span<const float> query, PreparedQuery& prepared) const {
  CHECK(query.size() == dim_);
  prepared.values.assign(query.begin(), query.end());
  if (metric_ != Metric::kCosine) return;
  normalise(prepared.values);
}

const float* VectorView::decode(Slot slot, size_t place) const {
  thread_local AlignedVector<float> memory;
  const size_t padded = (size_t{dim} + kLineFloats - 1) / kLineFloats * kLineFloats;
  if (memory.size() < kPlaces * padded) memory.resize(kPlaces * padded);
  float* const out = memory.data() + place * padded;
  decode_row(format, row(slot), {out, dim});
  return out;
}

std::vector<float> VectorStore::get(Slot slot) const {
  ask_for({&slot, 1});
  std::vector<float> vector(dim_);
  decode_row(place_.format, view().row(slot), vector);
  return vector;
}

/// Only cold rows are worth a call of the system.
void VectorStore::use(std::span<const Slot> slots) const {
  const uint32_t minute = minute_.load(std::memory_order_relaxed);
  uint64_t cold = 0;
  for (const Slot slot : slots) {
    if (rows_->use(uint64_t{slot} * stride_, stride_, minute) != Tier::kCold) continue;
    rows_->will_need(uint64_t{slot} * stride_, stride_);
    ++cold;
  }
  if (cold != 0) asked_bytes_.fetch_add(cold * (stride_ + kFaultAround), std::memory_order_relaxed);
}

void VectorStore::ask_the_disk(std::span<const Slot> slots) const {
  for (const Slot slot : slots)
    rows_->will_need(uint64_t{slot} * stride_, stride_);
  asked_bytes_.fetch_add(slots.size() * (stride_ + kFaultAround), std::memory_order_relaxed);
}

bool VectorStore::release_due() const {
  const uint64_t asked = asked_bytes_.load(std::memory_order_relaxed);
  return asked > kReadBytesMin && asked > rows_->range().bytes / kReadShare;
}

void VectorStore::release() {
  asked_bytes_.store(0, std::memory_order_relaxed);
  points_.release_mapped();
}

Status VectorStore::verify(Slot slot) const {
  TRY(rows_->verify(uint64_t{slot} * stride_, stride_));
  if (norms_ == nullptr) return {};
  return norms_->verify(uint64_t{slot} * sizeof(float), sizeof(float));
}

bool VectorStore::all_verified() const {
  return rows_->all_verified() && (norms_ == nullptr || norms_->all_verified());
}

uint64_t VectorStore::memory_bytes() const {
  return rows_->memory_bytes() + (norms_ == nullptr ? 0 : norms_->memory_bytes());
}

void distances(const VectorView& view, const PreparedQuery& query, const Slot* slots, size_t count,
               float* out) {
  const DistanceKernels& table = kernels();
  const auto many = view.metric == Metric::kEuclidean ? table.l2_squared_many : table.dot_many;
  std::array<const float*, kBatch> rows;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (size_t done = 0; done < count; done += kBatch) {
    const size_t n = std::min(kBatch, count - done);
    for (size_t i = 0; i < n; ++i)
      rows[i] = view.floats(slots[done + i], i);
    const size_t next = std::min(done + 2 * kBatch, count);
    for (size_t i = done + kBatch; i < next; ++i)
      prefetch_row(view, slots[i]);
    float* const batch = out + done;
    many(query.values.data(), rows.data(), n, view.dim, batch);
    if (view.metric == Metric::kCosine) {
      for (size_t i = 0; i < n; ++i) {
        batch[i] = cosine_distance(batch[i], view.inverse_norms[slots[done + i]]);
      }
    } else if (view.metric == Metric::kDot) {
      for (size_t i = 0; i < n; ++i)
        batch[i] = dot_distance(batch[i]);
    }
  }
}

float distance_between(const VectorView& view, Slot a, Slot b) {
  switch (view.metric) {
    case Metric::kCosine:
      return cosine_between(view, a, b);
    case Metric::kDot:
      return dot_distance(kernels().dot(view.floats(a, 0), view.floats(b, 1), view.dim));
    case Metric::kEuclidean:
      return kernels().l2_squared(view.floats(a, 0), view.floats(b, 1), view.dim);
  }
  return 0;
}

}  // namespace ferres
