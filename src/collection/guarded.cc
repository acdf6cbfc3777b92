// Writes that may only touch points of some kind: what their payload names is looked at in the lane
// before the record is written, when all earlier writes are visible and none can come between. So
// the record says what is done and not under which condition, and replaying it asks nothing.
#include "collection/impl.h"

namespace ferres {

/// Whether the point is not there, or is one that the guard admits.
Result<bool> CollectionImpl::admits(const Predicate& within, std::string_view ns,
                                    std::string_view id) {
  const Result<Point> point = get(std::string(id), std::string(ns));
  if (point.ok()) return within.matches(point->metadata_json);
  if (point.error().code() == Code::kNotFound) return true;
  return point.error().clone();
}

Status CollectionImpl::keep_admitted_points(const Predicate& within, PendingWrite& write,
                                            UpsertResult& result) {
  std::string kept;
  PointDecoder decoder(write.op, as_bytes(write.payload));
  PointRecord record;
  std::vector<float> vector;
  while (!decoder.done()) {
    TRY(decoder.next(record, vector));
    TRY_ASSIGN(const bool admitted, admits(within, record.ns, record.id));
    if (admitted) {
      encode_point(write.op, record, vector, kept);
    } else {
      result.failed.emplace_back(record.id, "you may not replace the point that has this id");
    }
  }
  write.payload = std::move(kept);
  return {};
}

Status CollectionImpl::keep_admitted_ids(const Predicate& within, PendingWrite& write) {
  std::string kept;
  TRY_ASSIGN(const std::vector<std::string_view> ids, decode_ids(as_bytes(write.payload)));
  for (const std::string_view id : ids) {
    const std::string_view ns = namespace_of_storage_id(id);
    TRY_ASSIGN(const bool admitted, admits(within, ns, ns.empty() ? id : id.substr(ns.size() + 1)));
    if (admitted) encode_id(id, kept);
  }
  write.payload = std::move(kept);
  return {};
}

/// Only the first write of a group can be: it needs what the writes before it have left.
void CollectionImpl::guard(std::vector<PendingWrite>& writes) {
  if (writes.empty() || !writes.front().guard) return;
  PendingWrite& write = writes.front();
  Status status = write.guard(write);
  if (status.ok() && !write.payload.empty()) return;
  write.done(std::move(status), partitions_->visible_lsn(), 0);
  writes.erase(writes.begin());
}

}  // namespace ferres
