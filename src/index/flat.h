// The exact index: its members as one bit a slot, scanned in order. For small collections, where a
// scan is faster than a graph and always right. A bitmap and not a list: members come and go by one
// atomic store, and a scan beside them misses nothing that was there all the time. Threads: as in
// ann_index.h. Its one arena, first_arena, holds the bits in 64-bit words.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "index/ann_index.h"

namespace ferres {

class FlatIndex : public ANNIndex {
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
  /// Kept for those who ask; a scan has no use for it.
  uint32_t current_ef_search() const override { return ef_search_.load(std::memory_order_relaxed); }
  void set_ef_search(uint32_t ef) override { ef_search_.store(ef, std::memory_order_relaxed); }
  uint64_t memory_bytes() const override { return members_->memory_bytes(); }

  Status add_point(Slot slot, std::span<const float> vector, Plan& plan) override;
  void remove_point(Slot slot) override;
  bool contains(Slot slot) const override;
  uint64_t audit_some(Slot* next, uint32_t) const override {
    *next = 0;
    return 0;
  }
  IndexStats audit() const override;

 private:
  FlatIndex(const IndexConfig& config, const VectorStore& vectors, Arena* members);
  Status check_dimension(std::span<const float> vector) const;
  /// The word that holds the slot's bit, for writing.
  uint64_t* edit_word(Slot slot);

  const VectorStore& vectors_;
  Arena* members_;
  std::atomic<uint32_t> ef_search_;
};

}  // namespace ferres
