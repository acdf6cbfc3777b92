// How links between points change with the log's records. A link is there while both its points
// are: it ends with either, also when that one's time is over, and survives updates. Of two
// partitions each has its half.
#include <unordered_map>

#include "collection/partition.h"

namespace ferres {

bool Partition::is_elsewhere(std::string_view storage_id) const {
  return place_.ns && *place_.ns != namespace_of_storage_id(storage_id);
}

Result<std::optional<Slot>> Partition::present(std::string_view storage_id,
                                               uint64_t unix_micros) const {
  TRY_ASSIGN(std::optional<Slot> slot, find_living(storage_id, hash_of(storage_id)));
  if (!slot) return slot;
  TRY_ASSIGN(const bool is_over, over(*slot, unix_micros));
  if (is_over) slot.reset();
  return slot;
}

Result<bool> Partition::link_points(Slot slot, std::string_view other) {
  if (is_elsewhere(other)) return relations_->link(slot, other);
  TRY_ASSIGN(const std::optional<Slot> end, find_living(other, hash_of(other)));
  return end ? relations_->link(slot, *end) : Result<bool>(false);
}

Result<bool> Partition::unlink_points(Slot slot, std::string_view other) {
  if (is_elsewhere(other)) return relations_->unlink(slot, other);
  TRY_ASSIGN(const std::optional<Slot> end, find_living(other, hash_of(other)));
  return end ? relations_->unlink(slot, *end) : Result<bool>(false);
}

Status Partition::end_half(const HalfLink& half) {
  TRY_ASSIGN(const std::optional<Slot> slot, find_living(half.own, hash_of(half.own)));
  if (!slot) return {};
  TRY_ASSIGN([[maybe_unused]] const bool ended, relations_->unlink(*slot, half.elsewhere));
  return {};
}

/// The halves that a point's links to elsewhere have there.
Status Partition::add_half_links(Slot slot, std::vector<HalfLink>& halves) const {
  const Relations::View view(*relations_);
  const Relations::Node node = view.node_of(slot);
  if (node == 0) return {};
  TRY_ASSIGN(const Record point, heap_->read(slots_->view().record(slot)));
  const std::string id = storage_id(point.ns, point.id);
  for (const Relations::Node other : view.neighbours(node))
    if (view.slot_of(other) == kNoSlot) halves.push_back({id, std::string(view.elsewhere(other))});
  return view.damage();
}

Result<std::vector<Partition::HalfLink>> Partition::half_links() const {
  std::vector<HalfLink> halves;
  if (relations_->empty()) return halves;
  const SlotTable::View view = slots_->view();
  for (Slot slot = 0; slot < slots_given(); ++slot)
    if (view.living(slot)) TRY(add_half_links(slot, halves));
  return halves;
}

/// Before a point dies for good.
Status Partition::forget_relations(Slot slot) {
  if (relations_->empty()) return {};
  if (place_.ns) TRY(add_half_links(slot, ended_));
  return relations_->remove(slot);
}

/// A point whose time was over was gone: what is written in its place has none of its links.
Status Partition::forget_expired(std::string_view storage_id, uint64_t now_micros) {
  if (relations_->empty() || ttl_points_ == 0) return {};
  TRY_ASSIGN(const std::optional<Slot> slot, find_living(storage_id, hash_of(storage_id)));
  if (!slot) return {};
  TRY_ASSIGN(const bool is_over, over(*slot, now_micros));
  return is_over ? forget_relations(*slot) : Status();
}

Status Partition::copy_relations(const Partition& from, std::span<const Slot> slots,
                                 bool elsewhere) {
  if (from.relations().empty()) return {};
  const Relations::View links(from.relations());
  const SlotTable::View view = from.slots().view();
  std::unordered_map<Slot, Slot> copies;
  const auto id_of = [&](Slot slot) -> Result<std::string> {
    TRY_ASSIGN(const Record record, from.heap().read(view.record(slot)));
    return storage_id(record.ns, record.id);
  };
  const auto is_linked = [&](Slot slot) { return view.living(slot) && links.node_of(slot) != 0; };
  for (const Slot slot : slots) {
    if (!is_linked(slot)) continue;
    TRY_ASSIGN(const std::string id, id_of(slot));
    TRY_ASSIGN(const std::optional<Slot> copy, find_living(id, hash_of(id)));
    if (copy) copies.emplace(slot, *copy);
  }
  for (const Slot slot : slots) {
    const auto own = copies.find(slot);
    if (own == copies.end()) continue;
    const Relations::Node node = links.node_of(slot);
    for (const Relations::Node other : links.neighbours(node)) {
      const Slot end = links.slot_of(other);
      if (const auto copy = copies.find(end); copy != copies.end()) {
        if (other < node) continue;  // done from there
        TRY_ASSIGN([[maybe_unused]] const bool made, relations_->link(own->second, copy->second));
        continue;
      }
      if (!elsewhere) continue;
      TRY_ASSIGN(
          const std::string id,
          end == kNoSlot ? Result<std::string>(std::string(links.elsewhere(other))) : id_of(end));
      if (!is_elsewhere(id)) continue;
      TRY_ASSIGN([[maybe_unused]] const bool made, relations_->link(own->second, id));
    }
  }
  return links.damage();
}

}  // namespace ferres
