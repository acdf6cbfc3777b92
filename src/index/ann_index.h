// The interface of every vector index, and the factory. An index orders slots by distance to a
// query; it never sees point ids, payloads or LSNs. The vectors themselves stay in the VectorStore.
//
// Threads: const methods run on any number of threads under an EpochGuard and take no lock. The
// rest belongs to the collection's lane, beside readers. plan_point (all the searching of an
// insert) is const, so plans are made in parallel; add_point is short. A plan may be stale:
// add_point offers the slots added since the plan was made as further candidates, so points planned
// together still meet. A slot that was removed may be given out again only after an epoch has
// passed.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/slot_set.h"
#include "base/status.h"
#include "base/types.h"
#include "index/vector_store.h"
#include "quant/quantizer.h"
#include "storage/page_store.h"

namespace ferres {

struct Hit {
  float distance = 0;
  Slot slot = 0;
};

/// Which slots may be answered. Thread-safe, cheap, called under the search's guard.
class SlotFilter {
 public:
  virtual ~SlotFilter() = default;
  virtual bool admits(Slot slot) const = 0;
  /// Asks the memory for what admits() will look at soon.
  virtual void prefetch(Slot) const {}
  /// False: rejects next to nothing (visibility only), so the index checks finished candidates.
  /// True: a user's condition; the index checks while it walks.
  virtual bool selective() const = 0;
  /// No more slots than this are admitted; ~0 when nobody knows.
  virtual uint64_t matches_max() const { return ~uint64_t{0}; }
  /// A set that holds all admitted slots and next to no others; null when nobody has one.
  virtual const SlotSet* members() const { return nullptr; }
};

struct SearchParams {
  uint32_t k = 10;
  uint32_t ef = 0;          // 0: current_ef_search(); raised to k
  uint32_t visits_max = 0;  // selective filters: give up walking after so many distances; 0: none
  Slot without = kNoSlot;   // a graph walks as if this slot were not in it
};

struct Explain {
  std::vector<Hit> hits;
  uint32_t ef_used = 0;
  uint32_t layers = 0;    // a table of entries and the graph are two
  uint64_t visited = 0;   // distances computed
  uint64_t rejected = 0;  // candidates that the filter refused
  bool exhausted = true;  // false: visits_max stopped the walk before it was sure
};

struct IndexStats {
  uint64_t points = 0;
  uint64_t unreachable = 0;
  uint32_t layers = 0;
};

/// Where a graph keeps what its walk reads. kCompact: links and one code a point. kFast: also the
/// one-bit codes of a point's neighbours inside its block, about 5 bytes a dimension.
enum class GraphLayout : uint8_t { kCompact, kFast };

struct IndexConfig {
  std::string type = "hnsw";  // "hnsw" or "flat"
  GraphLayout layout = GraphLayout::kCompact;
  std::optional<QuantizerSpec> quantizer;  // of the codes to walk on; none: on full vectors
  uint32_t m = 16;                         // half the links of a point
  uint32_t ef_construction = 200;
  uint32_t ef_search = 50;
  uint64_t seed = 42;
};

class ANNIndex {
 public:
  /// What an insert found out before it takes its turn in the lane.
  class Plan {
   public:
    virtual ~Plan() = default;
  };

  virtual ~ANNIndex() = default;

  // ---- any thread, under an EpochGuard
  virtual Result<std::unique_ptr<Plan>> plan_point(std::span<const float> vector) const = 0;
  /// The nearest admitted points, nearest first, at most params.k. Appends to nothing: hits is
  /// cleared. Returns false in *exhausted when visits_max stopped it (hits are then a best effort).
  virtual Status search(std::span<const float> query, const SearchParams& params,
                        const SlotFilter& filter, std::vector<Hit>& hits,
                        bool* exhausted) const = 0;
  virtual Status search_explain(std::span<const float> query, const SearchParams& params,
                                const SlotFilter& filter, Explain& explain) const = 0;
  /// The nearest admitted ones of `members`, all of them linked, by comparing the query with each:
  /// exact but for what codes confuse beyond the depth that is scored again.
  virtual Status scan_members(std::span<const float> query, uint32_t k, const SlotSet& members,
                              const SlotFilter& filter, std::vector<Hit>& hits) const = 0;
  virtual uint32_t current_ef_search() const = 0;
  virtual void set_ef_search(uint32_t ef) = 0;  // atomic
  virtual uint64_t memory_bytes() const = 0;

  // ---- the lane only
  /// True until train() was called, for an index whose codes need a sample of the data.
  virtual bool needs_training() const { return false; }
  /// Learns from the vectors of some slots, before the first is planned.
  virtual Status train(std::span<const Slot>) { return {}; }
  /// Links a slot whose vector is in the VectorStore.
  virtual Status add_point(Slot slot, std::span<const float> vector, Plan& plan) = 0;
  /// Unlinks a slot and repairs the graph around it. Nothing when it is not linked.
  virtual void remove_point(Slot slot) = 0;
  /// Overwrites what is kept of the vector of a slot that was removed, once nobody reads it.
  virtual void erase(Slot) {}
  virtual bool contains(Slot slot) const = 0;
  /// Checks that something leads to each of the next `slots` slots from *next on, and moves *next
  /// on: to 0 behind the last. Returns to how many points nothing leads.
  virtual uint64_t audit_some(Slot* next, uint32_t slots) const = 0;
  /// Counts and the reachability audit; walks everything.
  virtual IndexStats audit() const = 0;
};

/// kInvalidArgument for an unknown type or parameters out of range.
Status validate_index(const IndexConfig& config);

/// Creates the index over `vectors`, or opens the one in `store`: its arenas have the ids
/// [first_arena, first_arena + 16) there, and their content is saved by the store's checkpoints.
/// kInvalidArgument for an unknown type or parameters out of range.
Result<std::unique_ptr<ANNIndex>> create_ann_index(const IndexConfig& config,
                                                   const VectorStore& vectors, PageStore& store,
                                                   uint32_t first_arena);

/// Exact: scans `slots` in order. Used by the flat index, for unlinked tails and for small filters.
Status scan_slots(const VectorStore& vectors, const PreparedQuery& query,
                  std::span<const Slot> slots, uint32_t k, const SlotFilter& filter,
                  std::vector<Hit>& hits);

}  // namespace ferres
