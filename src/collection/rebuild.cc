// Derived state that is built anew: at once, when the one in force is damaged, or beside it, when
// another index is wanted. What is built beside learns the slots in shares, in order; writes reach
// it for the slots that it knows already, and it meets the others on its way. It takes over when it
// knows and has linked all. It is in no checkpoint until then: after a crash it is begun again.
#include <algorithm>

#include "base/epoch.h"
#include "base/logging.h"
#include "collection/partition.h"

namespace ferres {
namespace {

// A quantizer that learns its ranges is taught again when there are so many times the points.
constexpr uint64_t kRetrainGrowth = 8;

bool same_index(const IndexConfig& a, const IndexConfig& b) {
  return a.type == b.type && a.layout == b.layout && a.m == b.m && a.quantizer == b.quantizer;
}

}  // namespace

Status Partition::rebuild_derived() {
  building_.reset();  // what replaces the damaged one is what is wanted
  building_left_ = kNotBuilding;
  TRY_ASSIGN(std::unique_ptr<Derived> fresh, open_derived(fresh_index(), wanted_));
  TRY(know_slots(*fresh, slots_->header().slots));
  put_in_force(std::move(fresh));
  return {};
}

Status Partition::want_index(const IndexConfig& wanted) {
  wanted_ = wanted;
  Derived& derived = *derived_.load();
  derived.index->set_ef_search(wanted.ef_search);
  if (building_ != nullptr && same_index(building_->config, wanted)) {
    building_->index->set_ef_search(wanted.ef_search);
    return {};
  }
  building_.reset();
  building_left_ = kNotBuilding;
  return same_index(derived.config, wanted) ? Status() : start_building();
}

Status Partition::start_building() {
  TRY_ASSIGN(building_, open_derived(fresh_index(), wanted_));
  building_->known = 0;
  building_left_ = live_.load();
  log_info("index.build", {{"collection", setup_.config.name}, {"points", live_.load()}});
  return {};
}

Status Partition::retrain_if_due() {
  const Derived& derived = *derived_.load();
  const bool learns = derived.config.quantizer && derived.config.quantizer->kind == "sq8";
  if (!learns || building_ != nullptr || derived.trained_points == 0 ||
      live_ < derived.trained_points * kRetrainGrowth) {
    return {};
  }
  return start_building();
}

/// Brings slots [derived.known, end) into the views. Those that are unlinked from the views in
/// force wait for their last readers alone: nobody would take them out of these again.
Status Partition::know_slots(Derived& derived, Slot end) const {
  std::vector<Slot> gone;
  gone.reserve(unlinked_.size());
  for (const Dying& entry : unlinked_)
    gone.push_back(entry.slot);
  std::sort(gone.begin(), gone.end());
  const SlotTable::View view = slots_->view();
  for (Slot slot = derived.known == kNoSlot ? 0 : derived.known; slot < end; ++slot) {
    if (!view.used(slot) || std::binary_search(gone.begin(), gone.end(), slot)) continue;
    TRY_ASSIGN(const Record record, heap_->read(view.record(slot)));
    TRY(derived.ids->insert(hash_of(storage_id(record.ns, record.id)), slot));
    if (record.has_vector && view.living(slot)) derived.tail.push(slot);
    derived.payload->add(slot, record.ns, record.metadata_json);
  }
  return {};
}

Result<bool> Partition::build_some(size_t max, bool graph, Executor& executor) {
  Derived& next = *building_;
  const Slot slots = slots_->header().slots;
  if (next.known < slots) {
    const Slot end = std::min(slots - next.known, kKnownAtOnce) + next.known;
    next.payload->set_limit(payload_limit());
    TRY(know_slots(next, end));
    next.known = end;
  } else if (graph && next.tail.size() > 0) {
    TRY_ASSIGN([[maybe_unused]] const size_t linked, link(next, max, executor));
  } else {
    return true;
  }
  building_left_ = slots - next.known + next.tail.size();
  return false;
}

void Partition::finish_building() {
  building_->known = kNoSlot;
  put_in_force(std::move(building_));
  building_left_ = kNotBuilding;
  log_info("index.built", {{"collection", setup_.config.name}, {"points", live_.load()}});
}

void Partition::put_in_force(std::unique_ptr<Derived> next) {
  ++builds_ended_;
  Derived* const old = derived_.exchange(next.release(), std::memory_order_acq_rel);
  if (old == nullptr) return;
  epoch_wait(epoch_advance());
  delete old;
}

std::optional<uint64_t> Partition::building_left() const {
  const uint64_t left = building_left_.load(std::memory_order_relaxed);
  return left == kNotBuilding ? std::nullopt : std::optional(left);
}

}  // namespace ferres
