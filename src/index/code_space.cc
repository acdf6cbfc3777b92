// The space of codes; see space.h. A vector is normalised for cosine, centred on the mean of a
// sample (not for inner products, whose order a shift would change), rotated, and given to a
// quantizer. Arenas: +0 CodeHeader, then the mean (padded_dim floats), then the quantizer's
// parameters; +1 codes, slot x stride, a whole number of cache lines; +2, where codes are long, a
// sketch of each, a one-bit code.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

#include "index/space.h"
#include "quant/rotation.h"
#include "storage/arena_size.h"
#include "storage/page_store.h"

namespace ferres {
namespace {

constexpr uint64_t kMagic = 0x3130454443524546;  // "FERCDE01"
constexpr uint32_t kFormat = 2;
constexpr uint32_t kLine = 64;
constexpr size_t kSampleMax = 10000;
constexpr size_t kBatch = 64;
// Codes so many times as long as their sketches have them.
constexpr uint32_t kSketchTimes = 5;
// What codes of fewer bits decode to is too rough to tell a neighbour's direction from.
constexpr uint32_t kDecodedBitsMin = 4;

struct CodeHeader {
  uint64_t magic = kMagic;
  uint32_t format = kFormat;
  uint32_t padded_dim = 0;
  uint32_t stride = 0;
  uint32_t trained = 0;
  uint32_t parameters_bytes = 0;
  char quantizer[36] = {};
};

Status ensure(Arena& arena, uint64_t bytes) {
  if (arena.bytes() >= bytes) return {};
  return arena.grow(arena_size_for(bytes));
}

CodeMetric code_metric(Metric metric) {
  return metric == Metric::kDot ? CodeMetric::kDot : CodeMetric::kL2;
}

uint32_t stride_of(const Quantizer& quantizer) {
  return (quantizer.code_bytes() + kLine - 1) / kLine * kLine;
}

class CodeSpace final : public Space {
 public:
  /// `sketcher` and `sketches` are null where there are none.
  CodeSpace(const VectorStore& vectors, std::unique_ptr<Quantizer> quantizer,
            std::unique_ptr<Quantizer> sketcher, Arena* header, Arena* codes, Arena* sketches)
      : vectors_(vectors),
        quantizer_(std::move(quantizer)),
        sketcher_(std::move(sketcher)),
        rotation_(vectors.dim()),
        stride_(stride_of(*quantizer_)),
        sketch_stride_(sketcher_ == nullptr ? 0 : stride_of(*sketcher_)),
        header_(header),
        codes_(codes),
        sketches_(sketches),
        mean_(rotation_.padded_dim()) {}

  /// Takes what a store holds, or leaves the space untrained.
  Status load() {
    if (header_->bytes() < sizeof(CodeHeader)) return {};
    TRY(header_->verify(0, sizeof(CodeHeader)));
    CodeHeader header;
    std::memcpy(&header, header_->base(), sizeof header);
    if (header.magic != kMagic || header.format != kFormat ||
        header.padded_dim != rotation_.padded_dim() || header.stride != stride_ ||
        std::string_view(header.quantizer) != quantizer_->name()) {
      return {Code::kCorruption, "code header: another quantizer, size or format"};
    }
    if (header.trained == 0) return {};
    const uint64_t end = sizeof header + mean_.size() * sizeof(float) + header.parameters_bytes;
    if (end > header_->bytes()) return {Code::kCorruption, "code header: cut short"};
    TRY(header_->verify(0, end));
    const std::byte* const from = header_->base() + sizeof header;
    std::memcpy(mean_.data(), from, mean_.size() * sizeof(float));
    TRY(quantizer_->set_parameters(
        {reinterpret_cast<const char*>(from + mean_.size() * sizeof(float)),
         header.parameters_bytes}));
    ready_.store(true, std::memory_order_release);
    return {};
  }

  bool ready() const override { return ready_.load(std::memory_order_acquire); }
  Slot slots() const override {
    return static_cast<Slot>(std::min<uint64_t>(codes_->range().bytes / stride_, kNoSlot));
  }
  bool triangles() const override { return vectors_.metric() != Metric::kDot; }
  bool exact() const override { return false; }
  uint32_t bits() const override { return quantizer_->bits(); }

  float deviation(const SpaceQuery& query, Slot slot, float distance) const override {
    return quantizer_->deviation(query.code, code(slot), distance);
  }

  float on_codes(float distance) const override {
    // 1 - q.v, and |q - v|^2 of unit vectors.
    return vectors_.metric() == Metric::kCosine ? 2 * distance : distance;
  }

  void prepare(std::span<const float> vector, SpaceQuery& query) const override {
    vectors_.prepare(vector, query.full);
    float* const values = query.code.values.data_for(rotation_.padded_dim());
    transform(query.full.values.data(), values);
    quantizer_->prepare(query.code);
    query.lanes.prepare(values, rotation_.padded_dim());
  }

  void prefetch(const Slot* slots, size_t count) const override {
    prefetch_lines(*codes_, stride_, slots, count);
  }

  void score(const SpaceQuery& query, const Slot* slots, size_t count, float* out) const override {
    by_batches(*codes_, stride_, {slots, count}, [&](const std::byte* const* codes, size_t n) {
      quantizer_->distances(query.code, codes, n, out);
      out += n;
    });
  }

  bool has_bounds() const override {
    return sketcher_ != nullptr && codes_->all_verified() && sketches_->all_verified();
  }
  void prepare_bounds(SpaceQuery& query) const override {
    float* const values = query.sketch.values.data_for(rotation_.padded_dim());
    std::copy_n(query.code.values.data(), rotation_.padded_dim(), values);
    sketcher_->prepare(query.sketch);
  }
  void prefetch_bounds(const Slot* slots, size_t count) const override {
    prefetch_lines(*sketches_, sketch_stride_, slots, count);
  }
  void bounds(const SpaceQuery& query, const Slot* slots, size_t count, float* out) const override {
    const std::span all(slots, count);
    by_batches(*sketches_, sketch_stride_, all, [&](const std::byte* const* sketches, size_t n) {
      sketcher_->bounds(query.sketch, sketches, n, out);
      out += n;
    });
  }

  void between(Slot from, std::span<const Slot> to, float* out) const override {
    float* next = out;
    by_batches(*codes_, stride_, to, [&](const std::byte* const* codes, size_t n) {
      quantizer_->distances_between(code(from), codes, n, next);
      next += n;
    });
    // The lane may meet a damaged page before it is found out.
    for (size_t i = 0; i < to.size(); ++i)
      out[i] = std::isnan(out[i]) ? std::numeric_limits<float>::max() : out[i];
  }

  bool same(Slot a, Slot b) const override {
    return std::memcmp(code(a), code(b), quantizer_->code_bytes()) == 0;
  }

  bool unverified() const override { return !codes_->all_verified(); }
  Result<size_t> keep_verified(Slot* slots, size_t count) const override {
    size_t kept = 0;
    for (size_t i = 0; i < count; ++i) {
      slots[kept] = slots[i];
      kept += codes_->verify(uint64_t{slots[i]} * stride_, stride_).ok();
    }
    return kept;
  }

  uint32_t rotated_dim() const override { return rotation_.padded_dim(); }
  void rotated(Slot slot, float* out) const override {
    if (quantizer_->bits() >= kDecodedBitsMin || !vectors_.verify(slot).ok()) {
      quantizer_->decode(code(slot), out);
      return;
    }
    vectors_.ask_for({&slot, 1});
    const VectorView view = vectors_.view();
    thread_local PreparedQuery full;
    vectors_.prepare({view.floats(slot), view.dim}, full);
    transform(full.values.data(), out);
  }
  void encode_lane(const float* from, const float* to, uint32_t lane,
                   std::byte* group) const override {
    ferres::encode_lane(code_metric(vectors_.metric()), from, to, rotation_.padded_dim(), lane,
                        group);
  }

  uint64_t memory_bytes() const override {
    return codes_->memory_bytes() + header_->memory_bytes() +
           (sketches_ == nullptr ? 0 : sketches_->memory_bytes());
  }

  Status train(std::span<const Slot> sample) override {
    if (ready()) return {};
    const size_t count = std::min(sample.size(), kSampleMax);
    const uint32_t dim = rotation_.padded_dim();
    const VectorView view = vectors_.view();
    if (triangles()) centre(sample.first(count), view);
    if (quantizer_->needs_training()) {
      std::vector<float> rows(count * dim);
      for (size_t i = 0; i < count; ++i) {
        const PreparedQuery full = vectors_.prepare({view.floats(sample[i]), view.dim});
        AlignedVector<float> values(dim);
        transform(full.values.data(), values.data());
        std::memcpy(&rows[i * dim], values.data(), dim * sizeof(float));
      }
      quantizer_->train(rows);
    }
    TRY(save());
    ready_.store(true, std::memory_order_release);
    return {};
  }

  Status put(Slot slot, const SpaceQuery& query) override {
    TRY(ensure(*codes_, (uint64_t{slot} + 1) * stride_));
    quantizer_->encode(query.code.values.data(), codes_->mutate(uint64_t{slot} * stride_, stride_));
    if (sketcher_ == nullptr) return {};
    TRY(ensure(*sketches_, (uint64_t{slot} + 1) * sketch_stride_));
    sketcher_->encode(query.code.values.data(),
                      sketches_->mutate(uint64_t{slot} * sketch_stride_, sketch_stride_));
    return {};
  }
  void erase(Slot slot) override {
    erase(*codes_, slot, stride_);
    if (sketcher_ != nullptr) erase(*sketches_, slot, sketch_stride_);
  }

 private:
  static void erase(Arena& codes, Slot slot, uint32_t stride) {
    if ((uint64_t{slot} + 1) * stride > codes.bytes()) return;
    std::memset(codes.mutate(uint64_t{slot} * stride, stride), 0, stride);
  }
  const std::byte* code(Slot slot) const { return codes_->range().base + uint64_t{slot} * stride_; }
  static void prefetch_lines(const Arena& arena, uint32_t stride, const Slot* slots, size_t count) {
    const std::byte* const base = arena.range().base;
    for (size_t i = 0; i < count; ++i) {
      const std::byte* const code = base + uint64_t{slots[i]} * stride;
      for (uint32_t line = 0; line < stride; line += kLine)
        __builtin_prefetch(code + line);
    }
  }
  /// Calls take(codes, n) for the codes of up to kBatch slots at a time.
  template <class Take>
  static void by_batches(const Arena& arena, uint32_t stride, std::span<const Slot> slots,
                         Take&& take) {
    const std::byte* const base = arena.range().base;
    const std::byte* codes[kBatch];
    for (; !slots.empty(); slots = slots.subspan(std::min(kBatch, slots.size()))) {
      const size_t n = std::min(kBatch, slots.size());
      for (size_t i = 0; i < n; ++i)
        codes[i] = base + uint64_t{slots[i]} * stride;
      take(codes, n);
    }
  }

  void transform(const float* full, float* values) const {
    const uint32_t dim = vectors_.dim();
    for (uint32_t i = 0; i < dim; ++i)
      values[i] = full[i] - mean_[i];
    for (uint32_t i = dim; i < rotation_.padded_dim(); ++i)
      values[i] = 0;
    rotation_.apply(values);
  }

  void centre(std::span<const Slot> sample, const VectorView& view) {
    std::vector<double> sums(view.dim);
    size_t counted = 0;
    for (const Slot slot : sample) {
      const PreparedQuery full = vectors_.prepare({view.floats(slot), view.dim});
      bool usable = true;
      for (const float value : full.values)
        usable = usable && std::fabs(value) < 1e15f;
      if (!usable) continue;
      for (uint32_t i = 0; i < view.dim; ++i)
        sums[i] += double{full.values[i]};
      ++counted;
    }
    for (uint32_t i = 0; i < view.dim; ++i) {
      mean_[i] = counted == 0 ? 0 : static_cast<float>(sums[i] / static_cast<double>(counted));
    }
  }

  Status save() {
    const std::string parameters = quantizer_->parameters();
    CodeHeader header;
    header.padded_dim = rotation_.padded_dim();
    header.stride = stride_;
    header.trained = 1;
    header.parameters_bytes = static_cast<uint32_t>(parameters.size());
    std::memcpy(header.quantizer, quantizer_->name().data(), quantizer_->name().size());
    std::string bytes(sizeof header, '\0');
    std::memcpy(bytes.data(), &header, sizeof header);
    bytes.append(reinterpret_cast<const char*>(mean_.data()), mean_.size() * sizeof(float));
    bytes += parameters;
    TRY(ensure(*header_, bytes.size()));
    std::memcpy(header_->mutate(0, bytes.size()), bytes.data(), bytes.size());
    return {};
  }

  const VectorStore& vectors_;
  const std::unique_ptr<Quantizer> quantizer_;
  const std::unique_ptr<Quantizer> sketcher_;
  const Rotation rotation_;
  const uint32_t stride_;
  const uint32_t sketch_stride_;
  Arena* const header_;
  Arena* const codes_;
  Arena* const sketches_;
  AlignedVector<float> mean_;  // written before ready_, constant afterwards
  std::atomic<bool> ready_{false};
};

}  // namespace

Result<std::unique_ptr<Space>> open_code_space(const VectorStore& vectors, PageStore& store,
                                               uint32_t first_arena, const QuantizerSpec& spec) {
  const CodeMetric metric = code_metric(vectors.metric());
  const uint32_t dim = Rotation::pad(vectors.dim());
  TRY_ASSIGN(auto quantizer, create_quantizer(spec, metric, dim));
  TRY_ASSIGN(Arena * header, store.arena({.id = first_arena, .name = "code header"}));
  TRY_ASSIGN(Arena * codes,
             store.arena({.id = first_arena + 1, .name = "codes", .huge_pages = true}));
  TRY_ASSIGN(auto sketcher, create_quantizer({.kind = "rabitq", .bits = 1}, metric, dim));
  Arena* sketches = nullptr;
  if (stride_of(*quantizer) >= kSketchTimes * stride_of(*sketcher)) {
    TRY_ASSIGN(sketches,
               store.arena({.id = first_arena + 2, .name = "sketches", .huge_pages = true}));
  } else {
    sketcher.reset();
  }
  auto space = std::make_unique<CodeSpace>(vectors, std::move(quantizer), std::move(sketcher),
                                           header, codes, sketches);
  TRY(space->load());
  return std::unique_ptr<Space>(std::move(space));
}

}  // namespace ferres
