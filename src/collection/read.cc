// Reads of single points, lists, counts and statistics. Each pins the newest visible LSN under one
// epoch guard and copies what it answers before the guard ends.
#include <algorithm>

#include "base/epoch.h"
#include "collection/impl.h"
#include "collection/linked.h"
#include "collection/read_filter.h"

namespace ferres {

std::string_view namespace_of(const std::optional<std::string>& ns) {
  return ns ? std::string_view(*ns) : std::string_view();
}

std::string_view namespace_of(const std::optional<std::string>& ns, const Predicate* filter) {
  const std::string_view own = namespace_of(ns);
  return own.empty() && filter != nullptr ? namespace_of(filter->namespace_name()) : own;
}

namespace {

constexpr uint64_t kAskedBetweenLooks = 256;  // at the clock

}  // namespace

ReadFilter::ReadFilter(const Partition& partition, Lsn pinned, uint64_t now_micros,
                       std::string_view ns, const Predicate* predicate)
    : partition_(partition),
      view_(partition.slots().view()),
      pinned_(pinned),
      now_micros_(now_micros),
      predicate_(predicate != nullptr && !predicate->empty() ? predicate : nullptr) {
  if (partition.place().ns != ns) ns_ = ns;  // else all its points are
  tag_ = namespace_tag(ns_);
  if (tag_ == 0 && predicate_ == nullptr) return;
  answer_ = partition.derived().payload->evaluate(predicate_, ns_);
  if (!answer_) return;
  matches_ = answer_->matches.slots.size();
  verified_ = !answer_->matches.unsure.empty();
}

bool ReadFilter::is_late() const {
  if (asked_++ % kAskedBetweenLooks == 0 && damage_.ok() &&
      clock_->monotonic_nanos() >= until_nanos_) {
    damage_ = Status(Code::kDeadline, "the search took longer than its timeout_ms");
  }
  return !damage_.ok();
}

bool ReadFilter::admits(Slot slot) const {
  if (clock_ != nullptr && is_late()) return false;
  if (slot == excluded_) return false;
  if (!view_.visible(slot, pinned_)) {
    if (slot < view_.count() && view_.used(slot)) ++invisible_;
    return false;
  }
  if (answer_ && !answer_->matches.slots.contains(slot)) return false;
  const SlotTraits traits = view_.traits(slot);
  if (needs_vector_ && !traits.has_vector) return false;
  if (tag_ != 0 && traits.ns_tag != tag_) return false;
  const bool ask_namespace = tag_ != 0 && !(answer_ && answer_->namespace_sure);
  const bool ask_predicate =
      predicate_ != nullptr && (!answer_ || (verified_ && answer_->matches.unsure.contains(slot)));
  if (!traits.has_ttl && !ask_namespace && !ask_predicate) return true;
  auto record = partition_.heap().read(view_.record(slot));
  if (!record.ok()) {
    if (damage_.ok()) damage_ = std::move(record).error();
    return false;
  }
  if (record->expires_micros != 0 && record->expires_micros <= now_micros_) return false;
  if (ask_namespace && record->ns != ns_) return false;
  return !ask_predicate || predicate_->matches(record->metadata_json);
}

Result<Point> CollectionImpl::materialize(const Partition& partition, Slot slot, bool with_vector,
                                          bool with_metadata) const {
  const SlotTable::View view = partition.slots().view();
  TRY_ASSIGN(const Record record, partition.heap().read(view.record(slot)));
  Point point;
  point.id = record.id;
  if (!record.ns.empty()) point.ns.emplace(record.ns);
  point.created_at = record.created_seconds;
  point.expires_micros = record.expires_micros;
  point.version = view.born(slot);
  if (with_metadata) point.metadata_json = record.metadata_json;
  if (with_vector && record.has_vector) {
    TRY(partition.vectors().verify(slot));
    point.vector = partition.vectors().get(slot);
    point.approximate = config_.vectors.format != RowFormat::kF32;
  }
  return point;
}

Result<Point> CollectionImpl::get(const std::string& id, const std::optional<std::string>& ns,
                                  const Sight& sight) {
  TRY(failure());
  const uint64_t now = env_.clock->unix_micros();
  std::optional<Point> point;
  AnswerLinks links;
  const auto look = [&](const Partition& partition, Lsn pinned) -> Status {
    TRY_ASSIGN(const std::optional<Slot> slot, partition.find(namespace_of(ns), id, pinned));
    const LinkReader reader(partition, pinned, now, sight);
    if (slot && reader.filter().admits(*slot)) {
      TRY_ASSIGN(point, materialize(partition, *slot, true, true));
      TRY(add_relations(reader, *slot, 0, *point, links));
    }
    return reader.damage();
  };
  TRY(read_namespace(namespace_of(ns), look));
  if (point) TRY(finish_relations({&*point, 1}, links, sight));
  if (!point) return Status(Code::kNotFound, "point '" + id + "' not found");
  return *std::move(point);
}

/// In order of the last write; of several partitions one after the other.
Result<ListResult> CollectionImpl::list(const ListRequest& request) {
  TRY(failure());
  const uint64_t now = env_.clock->unix_micros();
  ListResult result;
  AnswerLinks links;
  const auto look = [&](const Partition& partition, Lsn pinned, std::string_view ns) -> Status {
    const ReadFilter filter(partition, pinned, now, ns, request.filter);
    const SlotTable::View view = partition.slots().view();
    std::vector<std::pair<Lsn, Slot>> found;
    uint64_t total = 0;
    filter.for_each_candidate([&](Slot slot) {
      if (!filter.admits(slot)) return;
      ++total;
      if (!request.count_only) found.emplace_back(view.born(slot), slot);
    });
    TRY(filter.damage());
    const uint64_t before = std::exchange(result.total, result.total + total);
    if (found.empty() || request.offset >= result.total) return {};
    const uint64_t begin = request.offset > before ? request.offset - before : 0;
    const uint64_t wanted = request.limit - result.points.size();
    const uint64_t end = begin + std::min<uint64_t>(wanted, found.size() - begin);
    const bool linked = !partition.relations().empty();
    const LinkReader reader(partition, pinned, now, request.sight);
    std::partial_sort(found.begin(), found.begin() + static_cast<ptrdiff_t>(end), found.end());
    for (uint64_t i = begin; i < end; ++i) {
      TRY_ASSIGN(Point point, materialize(partition, found[i].second, request.with_vector, true));
      if (linked) TRY(add_relations(reader, found[i].second, result.points.size(), point, links));
      result.points.push_back(std::move(point));
    }
    return {};
  };
  TRY(read_of(request, look));
  TRY(finish_relations(result.points, links, request.sight));
  return result;
}

namespace {

/// What is known of a partition only while it is open.
void add_stats(const Partition& partition, CollectionStats& stats) {
  const Partition::Derived& derived = partition.derived();
  stats.unlinked_points += derived.tail.size();
  if (const std::optional<uint64_t> left = partition.building_left())
    stats.index_build_left = stats.index_build_left.value_or(0) + *left;
  stats.tombstones += partition.dying_points();
  stats.memory_bytes_vectors += partition.vectors().memory_bytes();
  stats.memory_bytes_index += derived.index->memory_bytes();
  stats.memory_bytes_points += partition.slots().memory_bytes() + partition.heap().memory_bytes() +
                               derived.ids->memory_bytes() + derived.tail.memory_bytes() +
                               partition.relations().memory_bytes();
  stats.memory_bytes_payload += derived.payload->memory_bytes();
  stats.payload_fields = std::max(stats.payload_fields, derived.payload->fields());
  stats.payload_dropped += derived.payload->dropped();
  stats.ef_search_current = derived.index->current_ef_search();
}

}  // namespace

SearchScope CollectionImpl::search_scope(const SearchRequest& request) const {
  SearchScope scope{.ef_search = config().index.ef_search};
  const auto add = [&scope](const Part& part) {
    const EpochGuard guard;
    const Partition* const partition = part.partition.load(std::memory_order_acquire);
    const uint64_t points = partition == nullptr ? part.points.load() : partition->live_points();
    scope.points += points;
    if (points > 0) ++scope.partitions;
  };
  const std::string_view named = namespace_of(request.ns, request.filter);
  const bool one = !named.empty() || request.namespaces.empty();
  {
    const EpochGuard guard;
    const Partitions& partitions = *in_force_.load(std::memory_order_acquire);
    if (!partitions.isolated()) {
      for (size_t times = one ? 1 : request.namespaces.size(); times > 0; --times)
        add(partitions.whole());
      return scope;
    }
  }
  const std::shared_ptr<Partitions> partitions = newest();
  const auto add_named = [&](std::string_view ns) {
    if (const std::shared_ptr<Part> part = partitions->find(ns); part != nullptr) add(*part);
  };
  if (!named.empty()) {
    add_named(named);
  } else if (one) {
    for (const std::shared_ptr<Part>& part : partitions->all())
      add(*part);
  } else {
    for (const std::string& ns : request.namespaces)
      add_named(ns);
  }
  return scope;
}

Lsn CollectionImpl::lsn() const {
  if (!failure().ok()) return 0;
  const EpochGuard guard;
  return in_force_.load(std::memory_order_acquire)->visible_lsn();
}

CollectionStats CollectionImpl::stats() {
  CollectionStats stats;
  stats.created_at = config_.created_at;
  stats.last_updated = config_.created_at;
  if (!failure().ok()) return stats;
  const std::shared_ptr<Partitions> partitions = newest();
  stats.points = partitions->points();
  if (partitions->last_write_micros() != 0)
    stats.last_updated = partitions->last_write_micros() / 1'000'000;
  stats.queries = queries_;
  stats.ef_search_current = config().index.ef_search;
  for (const std::shared_ptr<Part>& part : partitions->all()) {
    if (const int64_t audited = part->unreachable.load(std::memory_order_relaxed); audited >= 0) {
      stats.unreachable_points =
          stats.unreachable_points.value_or(0) + static_cast<uint64_t>(audited);
    }
    const EpochGuard guard;
    if (const Partition* const partition = part->partition.load(); partition != nullptr)
      add_stats(*partition, stats);
  }
  stats.open_partitions = partitions->open_count();
  stats.disk_bytes = partitions->disk_bytes() + log_bytes_;
  stats.history_bytes = history_bytes_;
  stats.lsn = partitions->visible_lsn();
  stats.checkpoint_lsn = checkpoint_lsn_;
  return stats;
}

}  // namespace ferres
