// Which slots one read may answer: visible at its LSN, not expired, in its namespace, matching its
// filter. The payload index is asked once, at the beginning; records are read for what it is not
// sure of, and for expiry. Made under the read's epoch guard, after it pinned its LSN, and used by
// one thread. Private to src/collection.
#pragma once
#include <optional>
#include <string>

#include "collection/partition.h"
#include "filter/predicate.h"
#include "index/ann_index.h"

namespace ferres {

class ReadFilter : public SlotFilter {
 public:
  ReadFilter(const Partition& partition, Lsn pinned, uint64_t now_micros, std::string_view ns,
             const Predicate* predicate);

  bool admits(Slot slot) const override;
  void prefetch(Slot slot) const override { view_.prefetch(slot); }
  bool selective() const override { return tag_ != 0 || predicate_ != nullptr; }
  uint64_t matches_max() const override { return matches_; }
  /// Not while some are unsure: a walk among many that are refused later would find too few.
  const SlotSet* members() const override {
    return answer_ && !verified_ && (tag_ == 0 || answer_->namespace_sure) ? &answer_->matches.slots
                                                                           : nullptr;
  }
  /// Calls visit(slot) for every slot that may be admitted, in ascending order.
  template <class Visit>
  void for_each_candidate(Visit&& visit) const {
    if (answer_) return answer_->matches.slots.for_each(visit);
    for (Slot slot = 0; slot < view_.count(); ++slot)
      visit(slot);
  }
  /// Never answers this slot (the point whose vector is the query).
  void exclude(Slot slot) { excluded_ = slot; }
  /// Refuses everything from that time of the monotonic clock on, and damage() says why.
  void give_up_at(const Clock& clock, uint64_t nanos) {
    clock_ = &clock;
    until_nanos_ = nanos;
  }
  /// Answers only slots that have a vector.
  void require_vector() { needs_vector_ = true; }
  /// Damage met while asking: the answer must not be given.
  Status damage() const { return damage_.clone(); }
  /// So many times admits() refused a slot whose point is dead, or not there yet.
  uint64_t invisible() const { return invisible_; }
  const Partition& partition() const { return partition_; }
  const SlotTable::View& view() const { return view_; }
  Lsn pinned() const { return pinned_; }

 private:
  bool is_late() const;

  const Partition& partition_;
  SlotTable::View view_;
  Lsn pinned_;
  uint64_t now_micros_;
  std::string ns_;
  uint32_t tag_ = 0;
  const Predicate* predicate_;
  std::shared_ptr<const PayloadIndex::Answer> answer_;  // null: all slots are candidates
  uint64_t matches_ = ~uint64_t{0};
  bool verified_ = false;  // some candidates are unsure
  Slot excluded_ = kNoSlot;
  bool needs_vector_ = false;
  const Clock* clock_ = nullptr;  // null: there is time
  uint64_t until_nanos_ = 0;
  mutable uint64_t asked_ = 0;
  mutable uint64_t invisible_ = 0;
  mutable Status damage_;
};

/// The name, or empty for none: an empty name means no namespace.
std::string_view namespace_of(const std::optional<std::string>& ns);
/// The one that a read is within: its own wins over its filter's.
std::string_view namespace_of(const std::optional<std::string>& ns, const Predicate* filter);

}  // namespace ferres
