// Links between points, for those who use them: making and ending one, and what points are linked
// with. Of a link to a namespace with files of its own, both partitions are asked, one after the
// other: it is there when both have their half.
#include "collection/linked.h"

#include <algorithm>
#include <map>

#include "base/epoch.h"
#include "collection/impl.h"
#include "collection/waiter.h"

namespace ferres {

// ---- one partition

std::optional<Slot> LinkReader::find(std::string_view storage_id) const {
  const std::string_view ns = namespace_of_storage_id(storage_id);
  const std::string_view id = ns.empty() ? storage_id : storage_id.substr(ns.size() + 1);
  const auto found = valid(partition_.find(ns, id, filter_.pinned()));
  return found && *found && admits(**found) ? *found : std::nullopt;
}

bool LinkReader::may_enter(std::string_view ns) const {
  const auto& allowed = sight_.namespaces;
  return allowed.empty() || std::find(allowed.begin(), allowed.end(), ns) != allowed.end();
}

bool LinkReader::admits(Slot slot) const {
  if (!filter_.admits(slot)) return false;
  if (sight_.namespaces.empty() && sight_.filter == nullptr) return true;
  const auto record = valid(partition_.heap().read(filter_.view().record(slot)));
  return record && may_enter(record->ns) &&
         (sight_.filter == nullptr || sight_.filter->matches(record->metadata_json));
}

/// Where this reader sees the point: an update may have given it another slot meanwhile.
std::optional<Slot> LinkReader::seen(Slot newest) const {
  if (filter_.view().visible(newest, filter_.pinned()))
    return admits(newest) ? std::optional<Slot>(newest) : std::nullopt;
  if (newest >= filter_.view().count() || !filter_.view().used(newest)) return std::nullopt;
  return find(id_of(newest));
}

std::string LinkReader::id_of(Slot slot) const {
  const auto record = valid(partition_.heap().read(filter_.view().record(slot)));
  return record ? storage_id(record->ns, record->id) : std::string();
}

Status LinkReader::damage() const {
  if (!damage_.ok()) return damage_.clone();
  TRY(filter_.damage());
  return links_.damage();
}

// ---- the collection

std::string storage_id(const PointName& point) {
  return storage_id(point.ns.value_or(""), point.id);
}

namespace {

std::string invalid_link(const LinkRequest& request) {
  if (request.from.id.empty() || request.to.id.empty()) return "point id cannot be empty";
  for (const PointName* const end : {&request.from, &request.to}) {
    if (end->id.find('\0') != std::string::npos) return "point id must not contain NUL";
    if (std::string reason = invalid_namespace(end->ns.value_or("")); !reason.empty())
      return reason;
  }
  if (storage_id(request.from) == storage_id(request.to))
    return "a point cannot be linked with itself";
  return {};
}

Status not_found(const std::string& id) {
  return {Code::kNotFound, "point '" + id + "' not found"};
}

}  // namespace

Result<LinkResult> Collection::link(const LinkRequest& request) {
  Waiter<LinkResult> waiter(executor());
  link(request, waiter.callback());
  return waiter.wait();
}

Result<LinkResult> Collection::unlink(const LinkRequest& request) {
  Waiter<LinkResult> waiter(executor());
  unlink(request, waiter.callback());
  return waiter.wait();
}

Status CollectionImpl::can_be_linked(const PointName& point) {
  const uint64_t now = env_.clock->unix_micros();
  bool found = false;
  bool full = false;
  const Sight everything;
  TRY(read_namespace(namespace_of(point.ns), [&](const Partition& partition, Lsn pinned) {
    const LinkReader reader(partition, pinned, now, everything);
    found = reader.find(storage_id(point)).has_value();
    full = partition.relations().full();
    return reader.damage();
  }));
  if (!found) return not_found(point.id);
  if (!full) return {};
  return {Code::kResourceExhausted, "the links between points take more than 16 GiB"};
}

/// What is there is decided when the record is applied: here, whether it is worth a record.
void CollectionImpl::link(const LinkRequest& request, LinkCallback done) {
  if (Status status = failure(); !status.ok()) return done(std::move(status));
  if (Status status = no_space(); !status.ok()) return done(std::move(status));
  if (std::string reason = invalid_link(request); !reason.empty())
    return done(Status(Code::kInvalidArgument, std::move(reason)));
  for (const PointName* const end : {&request.from, &request.to})
    if (Status status = can_be_linked(*end); !status.ok()) return done(std::move(status));
  PendingWrite write;
  write.op = Op::kLink;
  encode_link({storage_id(request.from), storage_id(request.to)}, write.payload);
  write.done = [request, done = std::move(done)](Status status, Lsn lsn, uint64_t count) {
    if (!status.ok()) return done(std::move(status));
    if (count > 0) return done(LinkResult{lsn, true});
    done(Status(Code::kNotFound, "point '" + request.from.id + "' or point '" + request.to.id +
                                     "' not found: it was deleted meanwhile"));
  };
  enqueue(std::move(write));
}

void CollectionImpl::unlink(const LinkRequest& request, LinkCallback done) {
  if (Status status = failure(); !status.ok()) return done(std::move(status));
  if (std::string reason = invalid_link(request); !reason.empty())
    return done(Status(Code::kInvalidArgument, std::move(reason)));
  PendingWrite write;
  write.op = Op::kUnlink;
  encode_link({storage_id(request.from), storage_id(request.to)}, write.payload);
  write.done = [done = std::move(done)](Status status, Lsn lsn, uint64_t count) {
    if (!status.ok()) return done(std::move(status));
    done(LinkResult{lsn, count > 0});
  };
  enqueue(std::move(write));
}

Status CollectionImpl::add_relations(const LinkReader& reader, Slot slot, size_t index,
                                     Point& point, AnswerLinks& links) {
  const auto has_room = [&] {
    point.relations_cut = links.room == 0;
    return links.room > 0;
  };
  reader.for_each_end(
      slot,
      [&](Slot end) {
        if (!has_room()) return false;
        --links.room;
        point.relations.push_back(reader.id_of(end));
        return true;
      },
      [&](std::string_view other) {
        if (!has_room()) return false;
        --links.room;
        links.halves.push_back({index, reader.id_of(slot), std::string(other)});
        return true;
      });
  return reader.damage();
}

/// Calls whole(half) for the halves whose other partition has the other one.
Status CollectionImpl::ask_elsewhere(std::span<const HalfSeen> halves, const Sight& sight,
                                     const std::function<void(const HalfSeen&)>& whole) {
  const uint64_t now = env_.clock->unix_micros();
  std::map<std::string_view, std::vector<const HalfSeen*>> by_namespace;
  for (const HalfSeen& half : halves)
    by_namespace[namespace_of_storage_id(half.other)].push_back(&half);
  for (const auto& [ns, asked] : by_namespace) {
    const auto look = [&, &of_namespace = asked](const Partition& partition, Lsn pinned) {
      const LinkReader reader(partition, pinned, now, sight);
      for (const HalfSeen* const half : of_namespace) {
        const std::optional<Slot> slot = reader.find(half->other);
        if (slot && reader.knows(*slot, half->own)) whole(*half);
      }
      return reader.damage();
    };
    TRY(read_namespace(ns, look));
  }
  return {};
}

/// Not under a guard.
Status CollectionImpl::finish_relations(std::span<Point> points, const AnswerLinks& links,
                                        const Sight& sight) {
  TRY(ask_elsewhere(links.halves, sight, [&](const HalfSeen& half) {
    points[half.index].relations.push_back(half.other);
  }));
  for (Point& point : points)
    std::sort(point.relations.begin(), point.relations.end());
  return {};
}

}  // namespace ferres
