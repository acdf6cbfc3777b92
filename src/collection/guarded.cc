// Writes under conditions on the points that are there: those are looked at in the lane
// before the record is written, when all earlier writes are visible and none can come between. So
// the record says what is done and not under which condition, and replaying it asks nothing.
#include <set>

#include "collection/impl.h"

namespace ferres {

namespace {

/// Why a point must not be written over `old`; empty when it may be.
std::string refusal(const UpsertConditions& conditions, const UpsertConditions::OfPoint& point,
                    const std::optional<Point>& old) {
  if (!old) return point.if_version ? "version conflict: the point is not there" : "";
  if (conditions.within && !conditions.within->matches(old->metadata_json))
    return "you may not replace the point that has this id";
  const std::string version = std::to_string(old->version);
  if (point.if_version && *point.if_version != old->version) {
    return "version conflict: the point is of version " + version + ", not " +
           std::to_string(*point.if_version);
  }
  if (point.if_absent || conditions.on_conflict == OnConflict::kFail)
    return "the point is there already, of version " + version;
  return {};
}

}  // namespace

/// Of the point that is there, for who writes in its place.
Result<std::optional<Point>> CollectionImpl::old_point(std::string_view ns, std::string_view id) {
  Result<Point> point = get(std::string(id), std::string(ns));
  if (point.ok()) return std::optional(*std::move(point));
  if (point.error().code() == Code::kNotFound) return std::optional<Point>();
  return point.error().clone();
}

Status CollectionImpl::keep_admitted_points(const UpsertConditions& conditions, PendingWrite& write,
                                            UpsertResult& result) {
  std::string kept;
  std::set<std::string> written;
  PointDecoder decoder(write.op, as_bytes(write.payload));
  PointRecord record;
  std::vector<float> vector;
  for (auto point = conditions.points.begin(); !decoder.done(); ++point) {
    TRY(decoder.next(record, vector));
    TRY_ASSIGN(const std::optional<Point> old, old_point(record.ns, record.id));
    std::string reason = refusal(conditions, *point, old);
    const bool conditional =
        point->if_version || point->if_absent || conditions.on_conflict != OnConflict::kReplace;
    if (reason.empty() && conditional && !written.insert(storage_id(record.ns, record.id)).second) {
      reason = "the request names the point twice";
    }
    if (!reason.empty()) {
      result.failed.emplace_back(record.id, std::move(reason));
      result.failed_points.push_back(point->place);
    } else if (old && conditions.on_conflict == OnConflict::kSkip) {
      ++result.skipped;
    } else {
      encode_point(write.op, record, vector, kept);
    }
  }
  if (conditions.atomic && !result.failed.empty()) kept.clear();
  write.payload = std::move(kept);
  return {};
}

Status CollectionImpl::keep_admitted_ids(const Predicate& within, PendingWrite& write) {
  std::string kept;
  TRY_ASSIGN(const std::vector<std::string_view> ids, decode_ids(as_bytes(write.payload)));
  for (const std::string_view id : ids) {
    const std::string_view ns = namespace_of_storage_id(id);
    TRY_ASSIGN(const std::optional<Point> old,
               old_point(ns, ns.empty() ? id : id.substr(ns.size() + 1)));
    if (old && within.matches(old->metadata_json)) encode_id(id, kept);
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
