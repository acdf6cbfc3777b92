// The graph index: HNSW's base level, one stored graph (hnsw_graph.h), entered by a table of its
// points (entry_table.h), walked by hnsw_walk.h, with its edges chosen by hnsw_linker.h. This file
// is the ANNIndex: what an insert plans, what it takes its turn with, and how a search uses its
// filter. Threads: as in ann_index.h.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "index/ann_index.h"
#include "index/hnsw_graph.h"
#include "index/hnsw_linker.h"
#include "index/hnsw_walk.h"
#include "index/slot_map.h"
#include "index/space.h"
#include "index/vector_store.h"

namespace ferres {

class HnswIndex : public ANNIndex {
 public:
  static Result<std::unique_ptr<ANNIndex>> open(const IndexConfig& config,
                                                const VectorStore& vectors, PageStore& store,
                                                uint32_t first_arena);

  Result<std::unique_ptr<Plan>> plan_point(std::span<const float> vector) const override;
  Status search(std::span<const float> query, const SearchParams& params, const SlotFilter& filter,
                std::vector<Hit>& hits, bool* exhausted) const override;
  Status search_explain(std::span<const float> query, const SearchParams& params,
                        const SlotFilter& filter, Explain& explain) const override;
  Status scan_members(std::span<const float> query, uint32_t k, const SlotSet& members,
                      const SlotFilter& filter, std::vector<Hit>& hits) const override;
  uint32_t current_ef_search() const override { return ef_search_.load(std::memory_order_relaxed); }
  void set_ef_search(uint32_t ef) override;
  uint64_t memory_bytes() const override { return graph_->memory_bytes() + space_->memory_bytes(); }

  bool needs_training() const override { return !space_->ready(); }
  Status train(std::span<const Slot> sample) override { return space_->train(sample); }
  Status add_point(Slot slot, std::span<const float> vector, Plan& plan) override;
  void remove_point(Slot slot) override;
  void erase(Slot slot) override { space_->erase(slot); }
  bool contains(Slot slot) const override { return graph_->linked(slot); }
  uint64_t audit_some(Slot* next, uint32_t slots) const override;
  IndexStats audit() const override;
  /// For tests and benchmarks.
  const HnswGraph& graph() const { return *graph_; }
  const Space& space() const { return *space_; }

 private:
  // Points that a plan may have missed are offered to it. Beyond so many it is made anew: scoring
  // them costs as much as half a walk.
  static constexpr uint32_t kRecent = 1024;

  struct PointPlan : Plan {
    uint64_t additions = 0;       // made when so many points had been added since the start
    std::vector<Hit> candidates;  // nearest first
    std::vector<Choice> choices;
    SlotMap scored;  // every distance that the walk computed
  };

  HnswIndex(const IndexConfig& config, const VectorStore& vectors, std::unique_ptr<Space> space,
            std::unique_ptr<HnswGraph> graph);

  Status check_dimension(std::span<const float> vector) const;
  Status make_plan(std::span<const float> vector, PointPlan& plan) const;
  template <class Blocks>
  void look_past_copies(const Blocks& blocks, PointPlan& plan) const;
  /// Brings a plan up to date; chooses again when that changed its candidates.
  void refresh_plan(Slot slot, PointPlan& plan) const;
  /// Searches for the stored points that are due, drawn from all, and mends the graph where it does
  /// not lead to them: what comes later can cut off what was there.
  Status probe_some();
  Status probe(Slot slot);
  Result<bool> leads_to(Slot slot, uint32_t pool) const;

  /// Calls body(blocks) with the way in which this graph's blocks are read.
  template <class Body>
  auto with_blocks(const SpaceQuery& query, Body&& body) const;
  template <class Blocks>
  void run_search(const Blocks& blocks, const SearchParams& params, const SlotFilter& filter,
                  Explain& explain) const;
  /// The k nearest admitted ones of a pool, by the distances of full vectors.
  Status collect(const Pool& pool, uint32_t k, const SlotFilter* filter,
                 std::vector<Hit>& hits) const;
  Status rescore(const VectorView& view, uint32_t k, std::vector<Hit>& hits) const;
  float doubt(const Hit& hit) const;

  const VectorStore& vectors_;
  const IndexConfig config_;
  std::unique_ptr<Space> space_;
  std::unique_ptr<HnswGraph> graph_;
  HnswLinker linker_;
  // Candidates of an insert. Half of ef_construction gives the searches that all of it gives in
  // HNSW: fillers and one-lane replacement make more of each candidate, and farther ones than these
  // only took lanes from nearer fillers.
  const uint32_t plan_pool_;
  uint64_t probes_ = 0;  // since the start; the lane only
  float probes_due_ = 0;
  std::atomic<uint32_t> ef_search_;
  std::atomic<uint64_t> additions_{0};  // since the start
  std::array<Slot, kRecent> recent_{};  // the last of them, by number; the lane only
};

}  // namespace ferres
