// What the graph knows of vectors: distances from a query to slots and between slots, whatever form
// they are kept in. Two forms: the full vectors themselves (VectorSpace), or short codes of them
// (CodeSpace), which are a fraction of the bytes a walk has to fetch; what a walk on codes finds is
// scored again on full vectors. Distances of one space are comparable with each other only.
//
// Lanes. A graph may keep one-bit codes of a block's neighbours inside the block (quant/lanes.h);
// the space gives it the rotated vectors they are made of, and a query's look-up tables.
//
// Threads: const methods on any thread under an EpochGuard, without locks; the rest is the lane's.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/aligned.h"
#include "base/status.h"
#include "base/types.h"
#include "index/vector_store.h"
#include "quant/lanes.h"
#include "quant/quantizer.h"

namespace ferres {

/// A query made ready for a space, in memory that its thread keeps between queries.
struct SpaceQuery {
  PreparedQuery full;  // for full vectors, also when codes are walked on: to score again
  CodeQuery code;      // code.values: the query in the rotated space, when codes or lanes need it
  CodeQuery sketch;    // when sketches were asked for
  LaneTables lanes;
};

class Space {
 public:
  virtual ~Space() = default;

  /// False: codes need a sample first (train), and no slot has one.
  virtual bool ready() const { return true; }
  /// Slots below it may be asked about.
  virtual Slot slots() const = 0;
  /// False for inner products, in which nothing follows from two short distances.
  virtual bool triangles() const = 0;
  /// True: distances are those of vector_store.h. False: those of codes.
  virtual bool exact() const = 0;
  /// That a component is kept in.
  virtual uint32_t bits() const = 0;

  /// What a distance of a slot, which score() gave, is off by: one standard deviation; 0 when
  /// exact.
  virtual float deviation(const SpaceQuery& query, Slot slot, float distance) const = 0;

  /// How far each of two distances may be off when they are compared: both are seldom that far.
  float doubt(const SpaceQuery& query, Slot slot, float distance) const {
    return 1.5f * deviation(query, slot, distance);
  }
  /// What score() would give, did it not err, where full vectors have this distance.
  virtual float on_codes(float distance) const { return distance; }

  virtual void prepare(std::span<const float> vector, SpaceQuery& query) const = 0;
  virtual void prefetch(const Slot* slots, size_t count) const = 0;
  virtual void score(const SpaceQuery& query, const Slot* slots, size_t count,
                     float* out) const = 0;
  /// Whether there are sketches: codes so short that it pays to look at them first, which tell what
  /// score() is hardly ever below. prepare_bounds() comes after prepare().
  virtual bool has_bounds() const { return false; }
  virtual void prepare_bounds(SpaceQuery&) const {}
  virtual void prefetch_bounds(const Slot*, size_t) const {}
  virtual void bounds(const SpaceQuery&, const Slot*, size_t, float*) const {}
  /// Never NaN.
  virtual void between(Slot from, std::span<const Slot> to, float* out) const = 0;
  float between(Slot a, Slot b) const {
    float distance = 0;
    between(a, {&b, 1}, &distance);
    return distance;
  }

  /// Nothing tells the two apart: copies of one point, or as good as that.
  virtual bool same(Slot a, Slot b) const = 0;

  /// Until the scrub is through, pages are checked before their first use: moves the slots that may
  /// be scored to the front and returns how many. Damaged codes are left out, for they can be made
  /// again; a damaged full vector is kCorruption.
  virtual bool unverified() const = 0;
  virtual Result<size_t> keep_verified(Slot* slots, size_t count) const = 0;

  /// Components of a rotated vector: padded to a multiple of 16.
  virtual uint32_t rotated_dim() const = 0;
  /// What lanes are encoded from: as near to the vector as the space can say.
  virtual void rotated(Slot slot, float* out) const = 0;
  /// Writes a lane of a group from two rotated vectors.
  virtual void encode_lane(const float* from, const float* to, uint32_t lane,
                           std::byte* group) const = 0;

  virtual uint64_t memory_bytes() const = 0;

  // ---- the lane only
  /// Learns from the vectors of some slots, before the first of any is put. Once.
  virtual Status train(std::span<const Slot> sample) = 0;
  /// Keeps the code of a slot, before it is linked. `query` was prepared from its vector.
  virtual Status put(Slot slot, const SpaceQuery& query) = 0;
  /// Overwrites the code of a slot that nobody reads any more.
  virtual void erase(Slot) {}
};

/// The full vectors. `lanes`: a few are asked for at a time, as a graph with lanes does.
std::unique_ptr<Space> make_vector_space(const VectorStore& vectors, bool lanes);
/// Codes in arenas of the store: ids first_arena to first_arena + 2.
Result<std::unique_ptr<Space>> open_code_space(const VectorStore& vectors, PageStore& store,
                                               uint32_t first_arena, const QuantizerSpec& spec);

}  // namespace ferres
