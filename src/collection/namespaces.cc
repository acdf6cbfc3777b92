// Namespaces as a whole: which there are, and dropping one. Dropped means that all its points die
// with one record; with files of their own they leave them to the history.
#include <map>

#include "collection/impl.h"
#include "collection/waiter.h"

namespace ferres {

/// Points are looked at one by one only where namespaces share a partition.
Result<std::vector<NamespaceInfo>> CollectionImpl::namespaces() {
  TRY(failure());
  const uint64_t now = env_.clock->unix_micros();
  std::map<std::string, uint64_t, std::less<>> counts;
  const auto look = [&](const Partition& partition, Lsn pinned) -> Status {
    const ReadFilter filter(partition, pinned, now, {}, nullptr);
    const SlotTable::View view = partition.slots().view();
    for (Slot slot = 0; slot < view.count(); ++slot) {
      if (!filter.admits(slot)) continue;
      TRY_ASSIGN(const Record record, partition.heap().read(view.record(slot)));
      const auto known = counts.find(record.ns);
      if (known == counts.end()) {
        counts.emplace(record.ns, 1);
      } else {
        ++known->second;
      }
    }
    return filter.damage();
  };
  const std::shared_ptr<Partitions> partitions = newest();
  for (const std::shared_ptr<Part>& part : partitions->all()) {
    if (part->partition.load() == nullptr && (part->ttl_points == 0 || part->points == 0)) {
      if (part->points > 0) counts[part->place.ns.value_or("")] += part->points;
      continue;
    }
    TRY(read_part(*partitions, *part, false, look));
  }
  std::vector<NamespaceInfo> found;
  found.reserve(counts.size());
  for (const auto& [ns, points] : counts)
    found.push_back({ns, points});
  return found;
}

void CollectionImpl::drop_namespace(const std::string& ns, DeleteCallback done) {
  if (Status status = failure(); !status.ok()) return done(std::move(status));
  PendingWrite write;
  write.op = Op::kDropNamespace;
  encode_drop_namespace(ns, write.payload);
  write.done = [done = std::move(done)](Status status, Lsn lsn, uint64_t count) {
    if (!status.ok()) return done(std::move(status));
    done(DeleteResult{lsn, count});
  };
  enqueue(std::move(write));
}

/// Until what was deleted by now is reclaimed, which waits for the readers that may still see it.
/// Not isolated.
Status CollectionImpl::wait_for_reclaim() {
  const Partition* whole = nullptr;
  uint64_t target = 0;
  const auto reached = [&]() -> bool {
    const std::shared_ptr<Partitions> partitions = newest();
    const EpochGuard guard;
    const Partition* const now = partitions->whole().partition.load();
    if (whole == nullptr) {
      whole = now;
      target = now->reclaimed_points() + now->dying_points();
    }
    return now != whole || now->reclaimed_points() >= target;  // another has none of the dead
  };
  while (!reached()) {
    TRY(failure());
    wake();
    if (env_.executor->run_one()) continue;
    const MutexLock lock(mutex_);
    if (closing_) return why_closing();
    changed_.wait_for(mutex_, 1000);
  }
  return {};
}

Status CollectionImpl::forget() {
  if (!newest()->isolated()) TRY(wait_for_reclaim());
  erasing_ = true;
  TRY(checkpoint());
  Waiter<bool> waiter(*env_.executor);
  {
    const MutexLock lock(mutex_);
    if (closing_) return why_closing();
    forget_wanted_.push_back(waiter.callback());
  }
  wake();
  TRY_ASSIGN([[maybe_unused]] const bool done, waiter.wait());
  return {};
}

/// Lane.
void CollectionImpl::forget_if_wanted() {
  if (checkpoint_running_) return;
  std::vector<std::function<void(Result<bool>)>> wanted;
  {
    const MutexLock lock(mutex_);
    wanted.swap(forget_wanted_);
  }
  if (wanted.empty()) return;
  Status status = failure();
  if (status.ok()) {
    forgetting_ = true;
    status = trim_history();
    forgetting_ = false;
  }
  if (const auto part = partitions_->damaged(); status.ok() && part != nullptr) {
    status = {Code::kConflict, "namespace '" + part->place.ns.value_or("") +
                                   "' is damaged, and the history may hold its only points: "
                                   "restore it alone, or drop it"};
  }
  if (status.ok() && checkpoints_.size() > 1)
    status = {Code::kConflict, "the history is being read: try again when that is done"};
  for (const auto& done : wanted)
    status.ok() ? done(true) : done(status.clone());
}

}  // namespace ferres
