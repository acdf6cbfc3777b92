// From one partition to one for each namespace, and back: points are copied, namespace by
// namespace, and written to page files as they come, so that few partitions are open at once.
// Nothing of the old state is changed: until a checkpoint lists the new files, they are leftovers.
#include <map>
#include <set>

#include "base/epoch.h"
#include "base/logging.h"
#include "collection/history.h"

namespace ferres {
namespace {

using Slots = std::vector<Slot>;
constexpr size_t kOpenMax = 64;

Result<std::map<std::string, Slots>> slots_by_namespace(const Partition& partition) {
  std::map<std::string, Slots> found;
  const SlotTable::View view = partition.slots().view();
  for (Slot slot = 0; slot < view.count(); ++slot) {
    if (!view.living(slot)) continue;
    TRY_ASSIGN(const Record record, partition.heap().read(view.record(slot)));
    found[std::string(record.ns)].push_back(slot);
  }
  return found;
}

/// Links between namespaces, of which two partitions had each its half.
class WholeLinks {
 public:
  void add(std::span<const Partition::HalfLink> halves) {
    for (const Partition::HalfLink& half : halves) {
      if (!waiting_.erase({half.own, half.elsewhere})) {
        waiting_.insert({half.elsewhere, half.own});
      } else {
        whole_.emplace_back(half.own, half.elsewhere);
      }
    }
  }
  Status make(Partition& to) const {
    for (const auto& [from, other] : whole_) {
      TRY_ASSIGN(const std::optional<Slot> slot, to.present(from, 0));
      if (!slot) continue;
      TRY_ASSIGN([[maybe_unused]] const bool made, to.link_points(*slot, other));
    }
    return {};
  }

 private:
  using Ids = std::pair<std::string, std::string>;  // of a half, and of where it is told
  std::set<Ids> waiting_;
  std::vector<Ids> whole_;
};

}  // namespace

Result<std::shared_ptr<Partitions>> convert(const StateSource& source, Partitions& from) {
  log_info("namespaces.convert", {{"collection", source.config.name},
                                  {"isolated", source.isolated},
                                  {"points", from.points()}});
  TRY_ASSIGN(std::shared_ptr<Partitions> to,
             Partitions::open(setup_of(source), nullptr, source.isolated));
  if (source.isolated) {
    const Partition& whole = *from.whole().partition.load();
    TRY_ASSIGN(const auto namespaces, slots_by_namespace(whole));
    for (const auto& [ns, slots] : namespaces) {
      TRY(to->adopt(ns, whole, slots, true));
      if (to->open_count() >= kOpenMax) TRY(to->save_adopted());
    }
    TRY(to->save_adopted());
  } else {
    WholeLinks links;
    for (const std::shared_ptr<Part>& part : from.all()) {
      TRY_ASSIGN(const std::unique_ptr<Partition> peeked, from.peek(*part));
      const Partition& partition = peeked ? *peeked : *part->partition.load();
      const std::string ns = part->place.ns.value_or("");
      TRY_ASSIGN(const Slots slots, partition.living_of(ns));
      TRY(to->adopt(ns, partition, slots, false));
      TRY_ASSIGN(const std::vector<Partition::HalfLink> halves, partition.half_links());
      links.add(halves);
    }
    TRY(links.make(*to->whole().partition.load()));
  }
  to->publish_restored(from.visible_lsn(), from.last_write_micros());
  to->seal_dying();
  return to;
}

Result<std::shared_ptr<Partitions>> only_namespace(const StateSource& source, std::string_view ns,
                                                   Partitions& from) {
  TRY_ASSIGN(std::shared_ptr<Partitions> to,
             Partitions::open(setup_of(source), nullptr, source.isolated));
  if (const std::shared_ptr<Part> part = from.find(ns); part != nullptr) {
    TRY(from.reach(*part));
    const Partition& partition = *part->partition.load();
    TRY_ASSIGN(const Slots slots, partition.living_of(ns));
    TRY(to->adopt(ns, partition, slots, false));
  }
  to->publish_restored(from.visible_lsn(), from.last_write_micros());
  return to;
}

}  // namespace ferres
