// How a partition's views change with the log's records, which the lane applies in LSN order, also
// during recovery. Deterministic in content: the same log gives the same points, whatever slots
// they get.
#include <algorithm>

#include "base/epoch.h"
#include "collection/partition.h"

namespace ferres {

static_assert(RecordHeap::kAlignment == SlotTable::kRecordAlignment);

void Partition::begin_record(const LogRecord& record) {
  last_write_ = record.unix_micros;
  derived_.load()->payload->set_limit(payload_limit());
}

Status Partition::put_point(const PointRecord& point, std::span<const float> vector,
                            const LogRecord& record) {
  Record written;
  written.ns = point.ns;
  written.id = point.id;
  written.metadata_json = point.metadata_json;
  written.created_seconds =
      point.created_seconds != 0 ? point.created_seconds : record.unix_micros / 1'000'000;
  if (point.ttl_seconds != 0) {
    // A ttl beyond the end of time is no ttl.
    const uint64_t seconds_max = (~uint64_t{0} - record.unix_micros) / 1'000'000;
    if (point.ttl_seconds < seconds_max) {
      written.expires_micros = record.unix_micros + point.ttl_seconds * 1'000'000;
    }
  }
  if (point.expires_micros != 0) written.expires_micros = point.expires_micros;
  written.has_vector = !vector.empty();
  TRY(forget_expired(storage_id(point.ns, point.id), record.unix_micros));
  return add(written, record.lsn, [&](Slot slot) { return vectors_->put(slot, vector); });
}

Status Partition::copy_point(const Partition& from, Slot slot, Lsn born) {
  const SlotTable::View view = from.slots().view();
  if (!view.living(slot)) return {};
  TRY_ASSIGN(const Record record, from.heap().read(view.record(slot)));
  return add(record, born == 0 ? view.born(slot) : born,
             [&](Slot copy) { return vectors_->copy(copy, from.vectors(), slot); });
}

/// The newest version of a point; put_vector(slot) is asked to store its vector, if it has one.
template <class PutVector>
Status Partition::add(const Record& point, Lsn born, PutVector&& put_vector) {
  const std::string sid = storage_id(point.ns, point.id);
  const uint64_t hash = hash_of(sid);
  TRY_ASSIGN(const std::optional<Slot> old, find_living(sid, hash));
  TRY_ASSIGN(const Slot slot, slots_->allocate());
  TRY_ASSIGN(const uint64_t offset, heap_->write(point));
  if (point.has_vector) TRY(put_vector(slot));

  const bool has_ttl = point.expires_micros != 0;
  slots_->publish(slot, born, offset, {namespace_tag(point.ns), has_ttl, point.has_vector});
  for (Derived* const derived : views_of(slot)) {
    if (derived == nullptr) continue;
    TRY(derived->ids->insert(hash, slot));
    derived->payload->add(slot, point.ns, point.metadata_json);
    if (point.has_vector) derived->tail.push(slot);
  }
  ++live_;
  if (has_ttl) {
    ++ttl_points_;
    expects_expiry(point.expires_micros);
  }
  TRY(relations_->follow(old.value_or(kNoSlot), slot));
  if (old) kill(*old, born, slots_->view().traits(*old).has_ttl);
  return {};
}

Result<bool> Partition::remove_point(std::string_view sid, const LogRecord& record) {
  const bool expire = static_cast<Op>(record.op) == Op::kExpire;
  TRY_ASSIGN(const std::optional<Slot> slot, find_living(sid, hash_of(sid)));
  if (!slot) return false;
  const SlotTable::View view = slots_->view();
  TRY_ASSIGN(const bool is_over, over(*slot, record.unix_micros));
  // An expired point is already gone for users, and one replaced since its expiry was found is not
  // expired: each record removes only its own kind.
  if (is_over != expire) return false;
  TRY(forget_relations(*slot));
  kill(*slot, record.lsn, view.traits(*slot).has_ttl);
  return true;
}

Result<bool> Partition::over(Slot slot, uint64_t now_micros) const {
  const SlotTable::View view = slots_->view();
  if (!view.traits(slot).has_ttl) return false;
  TRY_ASSIGN(const Record point, heap_->read(view.record(slot)));
  return point.expires_micros <= now_micros;
}

Result<uint64_t> Partition::points_at(uint64_t now_micros) const {
  if (ttl_points() == 0) return live_points();
  const SlotTable::View view = slots_->view();
  uint64_t points = 0;
  for (Slot slot = 0; slot < view.count(); ++slot) {
    if (!view.living(slot)) continue;
    TRY_ASSIGN(const bool is_over, over(slot, now_micros));
    if (!is_over) ++points;
  }
  return points;
}

Result<std::vector<Slot>> Partition::living_of(std::string_view ns) const {
  const SlotTable::View view = slots_->view();
  const uint32_t tag = namespace_tag(ns);
  std::vector<Slot> found;
  for (Slot slot = 0; slot < view.count(); ++slot) {
    if (!view.living(slot) || view.traits(slot).ns_tag != tag) continue;
    TRY_ASSIGN(const Record point, heap_->read(view.record(slot)));
    if (point.ns == ns) found.push_back(slot);
  }
  return found;
}

/// Expired points too: there is nobody else to remove them when the namespace is gone.
Result<uint64_t> Partition::remove_namespace(std::string_view ns, const LogRecord& record) {
  TRY_ASSIGN(const std::vector<Slot> points, living_of(ns));
  const SlotTable::View view = slots_->view();
  uint64_t removed = 0;
  for (const Slot slot : points) {
    TRY_ASSIGN(const bool is_over, over(slot, record.unix_micros));
    if (!is_over) ++removed;
    TRY(forget_relations(slot));
    kill(slot, record.lsn, view.traits(slot).has_ttl);
  }
  return removed;
}

Result<std::optional<Slot>> Partition::find_living(std::string_view sid, uint64_t hash) const {
  const SlotTable::View view = slots_->view();
  std::optional<Slot> found;
  Status damage;
  derived_.load()->ids->find(hash, [&](Slot slot) {
    if (slot >= view.count() || !view.living(slot)) return false;
    auto record = heap_->read(view.record(slot));
    if (!record.ok()) {
      damage = std::move(record).error();
      return true;
    }
    if (storage_id(record->ns, record->id) != sid) return false;
    found = slot;
    return true;
  });
  if (!damage.ok()) return damage;
  return found;
}

void Partition::kill(Slot slot, Lsn lsn, bool has_ttl) {
  slots_->kill(slot, lsn);
  dying_.push_back({slot, 0});
  dying_count_.fetch_add(1, std::memory_order_relaxed);
  --live_;
  if (has_ttl) --ttl_points_;
}

void Partition::seal_dying() {
  relations_->seal();
  if (dying_.empty() || dying_.back().ticket != 0) return;
  const uint64_t ticket = epoch_advance();
  for (auto entry = dying_.rbegin(); entry != dying_.rend() && entry->ticket == 0; ++entry) {
    entry->ticket = ticket;
  }
}

size_t Partition::reclaim(size_t max) {
  size_t done = 0;
  const SlotTable::View view = slots_->view();
  // Readers that pinned an older LSN may still answer a dying point; those that began later cannot.
  while (done < max && !dying_.empty() && dying_.front().ticket != 0 &&
         epoch_passed(dying_.front().ticket)) {
    const Slot slot = dying_.front().slot;
    dying_.pop_front();
    const auto record = heap_->read(view.record(slot));
    for (Derived* const derived : views_of(slot)) {
      if (derived == nullptr) continue;
      derived->index->remove_point(slot);
      if (!record.ok()) continue;
      derived->ids->erase(hash_of(storage_id(record->ns, record->id)), slot);
      derived->payload->remove(slot, record->ns, record->metadata_json);
    }
    unlinked_.push_back({slot, 0});
    ++done;
  }
  if (done > 0) {
    const uint64_t ticket = epoch_advance();
    for (auto entry = unlinked_.rbegin(); entry != unlinked_.rend() && entry->ticket == 0;
         ++entry) {
      entry->ticket = ticket;
    }
  }
  // A budget of its own: otherwise nothing is freed while there is something to unlink.
  size_t freed = 0;
  while (freed < max && !unlinked_.empty() && epoch_passed(unlinked_.front().ticket)) {
    const Slot slot = unlinked_.front().slot;
    unlinked_.pop_front();
    heap_->free(view.record(slot));
    slots_->release(slot);
    dying_count_.fetch_sub(1, std::memory_order_relaxed);
    reclaimed_.fetch_add(1, std::memory_order_relaxed);
    ++freed;
  }
  return done + freed;
}

void Partition::erase_reclaimed() {
  heap_->erase_free();
  relations_->erase_free();
  const SlotTable::View view = slots_->view();
  for (Slot slot = 0; slot < slots_given(); ++slot) {
    if (view.used(slot)) continue;
    vectors_->erase(slot);
    for (Derived* const derived : views_of(slot))
      if (derived != nullptr) derived->index->erase(slot);
  }
}

/// The sample is spread over the tail, which holds all points there are when a graph begins.
Status Partition::train(Derived& derived) {
  const SlotTable::View view = slots_->view();
  std::vector<Slot> points = derived.tail.front(derived.tail.size());
  std::erase_if(points,
                [&](Slot slot) { return !view.living(slot) || !view.traits(slot).has_vector; });
  std::vector<Slot> sample(std::min(points.size(), kTrainingSample));
  for (size_t i = 0; i < sample.size(); ++i)
    sample[i] = points[i * points.size() / sample.size()];
  derived.trained_points = points.size();
  return derived.index->train(sample);
}

Result<size_t> Partition::link(size_t max, Executor& executor) {
  return link(*derived_.load(), max, executor);
}

Result<size_t> Partition::link(Derived& derived, size_t max, Executor& executor) {
  const std::vector<Slot> front = derived.tail.front(max);
  const SlotTable::View view = slots_->view();
  std::vector<Slot> slots;
  for (const Slot slot : front) {
    // The slot may have died since it was pushed, and may have been given to a point without a
    // vector.
    if (view.living(slot) && view.traits(slot).has_vector && !derived.index->contains(slot)) {
      slots.push_back(slot);
    }
  }
  if (!slots.empty() && derived.index->needs_training()) TRY(train(derived));
  std::vector<Result<std::unique_ptr<ANNIndex::Plan>>> plans;
  plans.reserve(slots.size());
  for (size_t i = 0; i < slots.size(); ++i)
    plans.emplace_back(std::unique_ptr<ANNIndex::Plan>());
  executor.parallel_for(slots.size(), [&](size_t i) {
    const EpochGuard guard;
    plans[i] = derived.index->plan_point(vectors_->get(slots[i]));
  });
  for (size_t i = 0; i < slots.size(); ++i) {
    TRY_ASSIGN(const std::unique_ptr<ANNIndex::Plan> plan, std::move(plans[i]));
    TRY(derived.index->add_point(slots[i], vectors_->get(slots[i]), *plan));
  }
  derived.tail.pop(front.size());
  return front.size();
}

void Partition::expects_expiry(uint64_t micros) const {
  uint64_t known = expiry_.load();
  while (micros < known && !expiry_.compare_exchange_weak(known, micros)) {
  }
}

Result<std::vector<std::string>> Partition::expired(uint64_t now_micros, size_t max) const {
  std::vector<std::string> ids;
  if (now_micros < expiry_micros()) return ids;
  // Found anew, beside the lane, which says what comes meanwhile.
  const uint64_t known = expiry_.exchange(~uint64_t{0});
  const SlotTable::View view = slots_->view();
  uint64_t next = ~uint64_t{0};
  for (Slot slot = 0; slot < view.count() && ids.size() < max; ++slot) {
    if (!view.living(slot) || !view.traits(slot).has_ttl) continue;
    auto record = heap_->read(view.record(slot));
    if (!record.ok()) {
      expects_expiry(known);
      return std::move(record).error();
    }
    next = std::min(next, record->expires_micros);
    if (record->expires_micros <= now_micros) ids.push_back(storage_id(record->ns, record->id));
  }
  expects_expiry(ids.size() == max ? known : next);
  return ids;
}

}  // namespace ferres
