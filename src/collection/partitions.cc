// See partitions.h; the checkpoints of the parts are in partitions_checkpoint.cc.
#include "collection/partitions.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/epoch.h"
#include "base/hash.h"

namespace ferres {
namespace {

constexpr size_t kFolderBytesMax = 200;
constexpr std::string_view kDefaultFolder = "_default";
constexpr uint64_t kDeadInReplayMin = 64;
constexpr size_t kOpenedForHalvesMax = 256;  // partitions, by one record

bool is_plain(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

std::string percent_encoded(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    if (is_plain(c)) {
      encoded.push_back(c);
      continue;
    }
    std::array<char, 4> escape{};
    std::snprintf(escape.data(), escape.size(), "%%%02X", static_cast<unsigned char>(c));
    encoded += escape.data();
  }
  return encoded;
}

}  // namespace

std::string folder_of_namespace(std::string_view ns) {
  std::string name = ns.empty() ? std::string(kDefaultFolder) : percent_encoded(ns);
  if (ns == kDefaultFolder) name = "%5Fdefault";
  if (name.size() > kFolderBytesMax) {
    const Hash128 hash = hash_bytes_128(as_bytes(ns), 0);
    std::array<char, 40> digits{};
    std::snprintf(digits.data(), digits.size(), "%%%016lx%016lx", hash.high, hash.low);
    name = digits.data();
  }
  return std::string(kNamespacesFolder) + "/" + name + "/";
}

namespace {

struct Ends {
  Partition* from = nullptr;
  Partition* to = nullptr;
  std::optional<Slot> from_slot;  // nothing: there is no such point
  std::optional<Slot> to_slot;
  bool both() const { return from_slot && to_slot; }
};

Result<Ends> ends_of(const LinkRecord& link, const LogRecord& record, const Route& route) {
  Ends ends;
  TRY_ASSIGN(ends.from, route(namespace_of_storage_id(link.from), false));
  TRY_ASSIGN(ends.to, route(namespace_of_storage_id(link.to), false));
  if (ends.from == nullptr || ends.to == nullptr) return ends;
  TRY_ASSIGN(ends.from_slot, ends.from->present(link.from, record.unix_micros));
  TRY_ASSIGN(ends.to_slot, ends.to->present(link.to, record.unix_micros));
  return ends;
}

/// How many were linked, new or not, or unlinked.
Result<uint64_t> apply_links(const LogRecord& record, const Route& route) {
  const bool unlink = static_cast<Op>(record.op) == Op::kUnlink;
  TRY_ASSIGN(const std::vector<LinkRecord> links, decode_links(record.payload));
  uint64_t count = 0;
  for (const LinkRecord& link : links) {
    TRY_ASSIGN(const Ends ends, ends_of(link, record, route));
    if (!ends.both() || link.from == link.to) continue;
    // NOLINTBEGIN(bugprone-unchecked-optional-access): both() has looked
    const auto change = [unlink](Partition& partition, Slot slot, std::string_view other) {
      return unlink ? partition.unlink_points(slot, other) : partition.link_points(slot, other);
    };
    TRY_ASSIGN(bool changed, change(*ends.from, *ends.from_slot, link.to));
    if (ends.to != ends.from) {
      TRY_ASSIGN(const bool other, change(*ends.to, *ends.to_slot, link.from));
      changed = changed && other;
    }
    // NOLINTEND(bugprone-unchecked-optional-access)
    if (changed || !unlink) ++count;
  }
  return count;
}

}  // namespace

Result<uint64_t> apply_record(const LogRecord& record, const Route& route) {
  if (record.lsn > SlotTable::kLsnMax) {
    return Status(Code::kResourceExhausted,
                  "a collection takes at most " + std::to_string(SlotTable::kLsnMax) + " writes");
  }
  uint64_t count = 0;
  switch (static_cast<Op>(record.op)) {
    case Op::kUpsert:
    case Op::kImport: {
      PointDecoder decoder(static_cast<Op>(record.op), record.payload);
      PointRecord point;
      std::vector<float> vector;
      while (!decoder.done()) {
        TRY(decoder.next(point, vector));
        TRY_ASSIGN(Partition* const partition, route(point.ns, true));
        if (partition == nullptr) continue;
        TRY(partition->put_point(point, vector, record));
        ++count;
      }
      return count;
    }
    case Op::kDelete:
    case Op::kExpire: {
      TRY_ASSIGN(const std::vector<std::string_view> ids, decode_ids(record.payload));
      for (const std::string_view sid : ids) {
        TRY_ASSIGN(Partition* const partition, route(namespace_of_storage_id(sid), false));
        if (partition == nullptr) continue;
        TRY_ASSIGN(const bool removed, partition->remove_point(sid, record));
        if (removed) ++count;
      }
      return count;
    }
    case Op::kDropNamespace: {
      TRY_ASSIGN(const std::string_view ns, decode_drop_namespace(record.payload));
      TRY_ASSIGN(Partition* const partition, route(ns, false));
      return partition == nullptr ? Result<uint64_t>(0) : partition->remove_namespace(ns, record);
    }
    case Op::kLink:
    case Op::kUnlink:
      return apply_links(record, route);
    case Op::kRestore:
      break;  // history's matter (collection/history.h): partitions have one past
  }
  return Status(Code::kUnimplemented, "the log holds operation " + std::to_string(record.op) +
                                          " at LSN " + std::to_string(record.lsn) +
                                          ", which this server does not know");
}

Result<std::shared_ptr<Partitions>> Partitions::open(PartitionSetup setup, const Manifest* manifest,
                                                     bool isolated) {
  const std::shared_ptr<Partitions> partitions(new Partitions(std::move(setup)));
  if (manifest != nullptr) {
    TRY(partitions->take_over(*manifest));
  } else if (!isolated) {
    partitions->whole_ = std::make_shared<Part>(Partition::Place{});
  }
  if (partitions->whole_ != nullptr) {
    partitions->insert(partitions->whole_);
    TRY(partitions->reach(*partitions->whole_));
    const EpochGuard guard;
    const Partition& partition = *partitions->whole_->partition.load();
    count(*partitions->whole_, partition);
    partitions->last_write_ = partition.last_write_micros();
  }
  return partitions;
}

Status Partitions::take_over(const Manifest& manifest) {
  last_write_ = manifest.unix_micros;
  visible_lsn_ = manifest.lsn;
  if (!manifest.isolated) {
    whole_ = std::make_shared<Part>(Partition::Place{});
    const MutexLock lock(whole_->mutex);
    whole_->stores = std::make_shared<const Part::Stores>(manifest.stores);
    return {};
  }
  for (size_t i = 0; i < manifest.namespaces.size(); ++i) {
    const NamespaceEntry& entry = manifest.namespaces[i];
    const auto part =
        std::make_shared<Part>(Partition::Place{folder_of_namespace(entry.ns), entry.ns});
    part->points = entry.points;
    part->ttl_points = entry.ttl_points;
    part->expiry_micros = entry.expiry_micros;
    const auto first = manifest.stores.begin() + static_cast<ptrdiff_t>(i * Manifest::kStoresEach);
    Part::Stores stores(first, first + Manifest::kStoresEach);
    for (const StoreManifest& store : stores) {
      if (!store.family.starts_with(part->place.folder))
        return {Code::kCorruption, "the manifest mixes namespaces up: " + store.family};
    }
    {
      const MutexLock lock(part->mutex);
      part->stores = std::make_shared<const Part::Stores>(std::move(stores));
    }
    insert(part);
  }
  return {};
}

std::shared_ptr<Part> Partitions::find(std::string_view ns) const {
  if (whole_ != nullptr) return whole_;
  const MutexLock lock(mutex_);
  const auto found = by_namespace_.find(std::string(ns));
  return found == by_namespace_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<Part>> Partitions::all() const {
  const MutexLock lock(mutex_);
  return parts_;
}

std::vector<Part*> Partitions::open_parts() const {
  const MutexLock lock(mutex_);
  return open_;
}

size_t Partitions::open_count() const {
  const MutexLock lock(mutex_);
  return open_.size();
}

bool Partitions::any_open(const std::function<bool(const Part&, const Partition&)>& is) const {
  const EpochGuard guard;  // a rebuild or a restore may be replacing what it looks at
  const MutexLock lock(mutex_);
  return std::any_of(open_.begin(), open_.end(),
                     [&](const Part* part) { return is(*part, *part->partition.load()); });
}

uint64_t Partitions::points() const {
  uint64_t points = 0;
  const EpochGuard guard;
  for (const std::shared_ptr<Part>& part : all()) {
    const Partition* const partition = part->partition.load();
    points += partition == nullptr ? part->points.load() : partition->live_points();
  }
  return points;
}

std::shared_ptr<Part> Partitions::damaged() const {
  const MutexLock lock(mutex_);
  const auto found = std::find_if(parts_.begin(), parts_.end(),
                                  [](const auto& part) { return part->damaged.load(); });
  return found == parts_.end() ? nullptr : *found;
}

void Partitions::insert(const std::shared_ptr<Part>& part) {
  const MutexLock lock(mutex_);
  part->listed = true;
  parts_.push_back(part);
  by_namespace_[part->place.ns.value_or("")] = part;
  if (part->partition.load() != nullptr) open_.push_back(part.get());
}

std::shared_ptr<Part> Partitions::add_part(std::string_view ns) {
  const auto part =
      std::make_shared<Part>(Partition::Place{folder_of_namespace(ns), std::string(ns)});
  insert(part);
  return part;
}

/// Readers that found it before keep it until they are done.
void Partitions::remove_part(const std::shared_ptr<Part>& part) {
  std::erase(unsealed_, part.get());
  const MutexLock lock(mutex_);
  part->listed = false;
  std::erase(parts_, part);
  std::erase(open_, part.get());
  by_namespace_.erase(part->place.ns.value_or(""));
}

Result<std::unique_ptr<Partition>> Partitions::open_stores(
    const Part& part, const std::shared_ptr<const Part::Stores>& stores) const {
  PartitionSetup setup;
  {
    const MutexLock lock(mutex_);
    setup = setup_;
  }
  return Partition::open(setup, part.place,
                         stores == nullptr ? std::span<const StoreManifest>() : *stores);
}

Status Partitions::reach(Part& part) const {
  part.used.store(uses_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  if (part.partition.load(std::memory_order_acquire) != nullptr) return {};
  const MutexLock lock(part.mutex);
  if (part.partition.load() != nullptr) return {};
  auto opened = open_stores(part, part.stores);
  if (!opened.ok()) {
    if (opened.error().code() == Code::kCorruption) part.damaged = true;
    return std::move(opened).error();
  }
  std::unique_ptr<Partition> partition = *std::move(opened);
  part.used.store(uses_.fetch_add(1) + 1, std::memory_order_relaxed);
  const MutexLock list(mutex_);
  part.partition.store(partition.release(), std::memory_order_release);
  if (part.listed) open_.push_back(&part);
  return {};
}

Result<std::unique_ptr<Partition>> Partitions::peek(Part& part) const {
  const MutexLock lock(part.mutex);
  if (part.partition.load() != nullptr) return std::unique_ptr<Partition>();
  return open_stores(part, part.stores);
}

Result<std::unique_ptr<Partition>> Partitions::empty_copy(Part& part) const {
  auto numbers = std::make_shared<Part::Stores>();
  {
    const MutexLock lock(part.mutex);
    if (part.stores != nullptr) {
      for (const StoreManifest& store : *part.stores)
        numbers->push_back({.family = store.family, .next_file = store.next_file});
    }
  }
  return open_stores(part, numbers);
}

void Partitions::count(Part& part, const Partition& partition) {
  part.points = partition.live_points();
  part.ttl_points = partition.ttl_points();
  part.expiry_micros = partition.expiry_micros();
}

void Partitions::touch(Part& part, Partition& partition, const LogRecord& record) {
  part.changed = true;
  if (!part.unsealed) unsealed_.push_back(&part);
  part.unsealed = true;
  partition.begin_record(record);
}

Result<Partition*> Partitions::partition_of(std::string_view ns, bool make,
                                            const LogRecord& record) {
  if (whole_ != nullptr) {
    Partition* const partition = whole_->partition.load();
    touch(*whole_, *partition, record);
    return partition;
  }
  std::shared_ptr<Part> part = find(ns);
  if (part == nullptr && !make) return nullptr;
  if (part == nullptr) part = add_part(ns);
  if (Status reached = reach(*part); !reached.ok()) {
    if (!set_aside_ || !part->damaged) return reached;
    part->behind = true;
    return nullptr;
  }
  Partition* const partition = part->partition.load();
  touch(*part, *partition, record);
  return partition;
}

Result<uint64_t> Partitions::apply(const LogRecord& record) {
  last_write_ = record.unix_micros;
  if (isolated() && static_cast<Op>(record.op) == Op::kDropNamespace) {
    TRY_ASSIGN(const std::string_view ns, decode_drop_namespace(record.payload));
    return remove_namespace(ns, record);
  }
  TRY_ASSIGN(const uint64_t count, apply_record(record, [&](std::string_view ns, bool make) {
               return partition_of(ns, make, record);
             }));
  if (isolated()) end_halves(record);
  return count;
}

/// What points that died were linked with in other namespaces. Where that cannot be opened it
/// stays: half a link is none.
void Partitions::end_halves(const LogRecord& record) {
  std::vector<Partition::HalfLink> ended;
  for (Part* const part : unsealed_) {
    for (Partition::HalfLink& half : part->partition.load()->take_ended())
      ended.push_back(std::move(half));
  }
  end_halves(ended, record);
}

void Partitions::end_halves(std::span<const Partition::HalfLink> ended, const LogRecord& record) {
  size_t opened = 0;
  for (const Partition::HalfLink& half : ended) {
    const std::shared_ptr<Part> part = find(namespace_of_storage_id(half.own));
    if (part == nullptr) continue;
    if (part->partition.load() == nullptr && ++opened > kOpenedForHalvesMax) continue;
    if (!reach(*part).ok()) continue;
    Partition& partition = *part->partition.load();
    touch(*part, partition, record);
    partition.end_half(half).ignore();
  }
}

Status Partitions::prepare(const LogRecord& record) const {
  // A drop takes a namespace away that cannot be opened, too.
  if (!isolated() || static_cast<Op>(record.op) == Op::kDropNamespace) return {};
  const auto reach_only = [this](std::string_view ns, bool) -> Result<Partition*> {
    if (const std::shared_ptr<Part> part = find(ns); part != nullptr) TRY(reach(*part));
    return nullptr;
  };
  TRY_ASSIGN([[maybe_unused]] const uint64_t nothing, apply_record(record, reach_only));
  return {};
}

Status Partitions::adopt(std::string_view ns, const Partition& from, std::span<const Slot> slots,
                         bool elsewhere) {
  const LogRecord at{0, from.last_write_micros(), 0, {}};
  TRY_ASSIGN(Partition* const partition, partition_of(ns, true, at));
  for (const Slot slot : slots)
    TRY(partition->copy_point(from, slot));
  TRY(partition->copy_relations(from, slots, elsewhere));
  return from.lost();
}

Result<uint64_t> Partitions::restore_namespace(std::string_view ns, Partitions& from,
                                               const LogRecord& record) {
  last_write_ = record.unix_micros;
  TRY_ASSIGN([[maybe_unused]] const uint64_t gone, remove_namespace(ns, record));
  const std::shared_ptr<Part> old = from.find(ns);
  if (old == nullptr) return 0;
  TRY(from.reach(*old));
  const Partition& source = *old->partition.load();
  TRY_ASSIGN(const std::vector<Slot> slots, source.living_of(ns));
  if (slots.empty()) return 0;
  TRY_ASSIGN(Partition* const partition, partition_of(ns, true, record));
  for (const Slot slot : slots)
    TRY(partition->copy_point(source, slot, record.lsn));
  TRY(partition->copy_relations(source, slots, false));
  TRY(source.lost());
  return slots.size();
}

Result<uint64_t> Partitions::remove_namespace(std::string_view ns, const LogRecord& record) {
  const std::shared_ptr<Part> part = find(ns);
  if (part == nullptr) return 0;
  if (!isolated()) {
    TRY_ASSIGN(Partition* const partition, partition_of(ns, false, record));
    return partition->remove_namespace(ns, record);
  }
  const Status reached = reach(*part);
  remove_part(part);
  // Damaged, so that dropping it or restoring it is the remedy.
  if (!reached.ok()) return part->points.load();
  const Partition& partition = *part->partition.load();
  TRY_ASSIGN(const std::vector<Partition::HalfLink> halves, partition.half_links());
  end_halves(halves, record);
  return partition.points_at(record.unix_micros);
}

Status Partitions::lost() const {
  for (const Part* const part : open_parts())
    TRY(part->partition.load()->lost());
  return {};
}

Status Partitions::written_lost() const {
  for (const Part* const part : unsealed_)
    TRY(part->partition.load()->lost());
  return {};
}

void Partitions::seal_dying() {
  for (Part* const part : unsealed_) {
    Partition& partition = *part->partition.load();
    partition.seal_dying();
    count(*part, partition);
    part->unsealed = false;
  }
  unsealed_.clear();
}

Status Partitions::replay(const LogRecord& record) {
  TRY_ASSIGN([[maybe_unused]] const uint64_t count, apply(record));
  for (const Part* const part : unsealed_) {
    Partition& partition = *part->partition.load();
    // Unlinking has its price: where the log stays short beside the points, it waits.
    if (partition.dying_points() < std::max(kDeadInReplayMin, partition.live_points() / 2))
      continue;
    partition.seal_dying();
    while (partition.reclaim(kDeadInReplayMin) > 0) {
    }
  }
  seal_dying();
  return {};
}

Status Partitions::configure(const CollectionConfig& config) {
  {
    const MutexLock lock(mutex_);
    setup_.config = config;
  }
  for (Part* const part : open_parts())
    TRY(part->partition.load()->want_index(config.index));
  return {};
}

void Partitions::replace(Part& part, std::unique_ptr<Partition> next) {
  next->seal_dying();
  count(part, *next);
  part.changed = true;
  part.scrubbing = true;
  part.moves = 0;
  part.auditing = true;
  part.audit_next = 0;
  part.audit_found = 0;
  const std::unique_ptr<Partition> old(part.partition.exchange(next.release()));
  epoch_wait(epoch_advance());
}

void Partitions::close_some(size_t keep) {
  std::vector<Part*> open = open_parts();
  if (open.size() <= keep) return;
  const size_t surplus = open.size() - keep;
  std::erase_if(open, [](const Part* part) {
    const Partition& partition = *part->partition.load();
    return part->changed || part->unsealed || partition.building() || partition.dying_points() > 0;
  });
  std::sort(open.begin(), open.end(),
            [](const Part* a, const Part* b) { return a->used.load() < b->used.load(); });
  if (open.size() > surplus) open.resize(surplus);
  std::vector<std::unique_ptr<Partition>> closed;
  for (Part* const part : open) {
    const MutexLock lock(part->mutex);
    const MutexLock list(mutex_);
    std::erase(open_, part);
    closed.emplace_back(part->partition.exchange(nullptr));
    count(*part, *closed.back());
    part->scrubbing = true;
    part->moves = 0;
    part->auditing = true;
  }
  epoch_wait(epoch_advance());
}

}  // namespace ferres
