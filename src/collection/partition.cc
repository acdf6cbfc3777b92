// Opening, saving and looking up; the application of records is in apply.cc.
//
// Arenas of the points store: 1 header, 2 slots, 3 records, 4 dying slots, 5-7 relations, 16-17
// vectors.
// Arenas of the index store: 1 header, 2 id map, 3 tail, 4-6 payload index, 7 the id map's
// overflow, 16-31 vector index.
#include "collection/partition.h"

#include <algorithm>
#include <cstring>

#include "base/epoch.h"
#include "base/hash.h"
#include "base/random.h"

namespace ferres {
namespace {

constexpr uint32_t kLayoutVersion = 2;
constexpr uint32_t kLayoutWithRelations = 3;  // of points: an older server would lose them
constexpr uint64_t kPayloadBytesMin = 64 << 20;
constexpr std::string_view kPoints = "points";
constexpr std::string_view kIndex = "index";
constexpr uint64_t kPayloadShare = 4;  // one in so many bytes of vectors and links

struct PointsHeader {
  uint32_t version = 0;
  uint32_t dying = 0;
  uint64_t hash_seed = 0;
  uint64_t live = 0;
  uint64_t ttl_points = 0;
  uint64_t last_write_micros = 0;
  SlotTable::Header slots;
  RecordHeap::Header heap;
};

/// What the index in a store is; what it shall be may have been changed since.
struct StoredIndex {
  uint8_t flat = 0;
  uint8_t fast = 0;
  uint8_t has_quantizer = 0;
  uint8_t unused = 0;
  uint32_t m = 0;
  uint32_t bits = 0;
  float quantile = 0;
  char quantizer[16] = {};
  uint64_t trained_points = 0;
};

struct IndexHeader {
  uint32_t version = 0;
  uint32_t unused = 0;
  uint64_t tail = 0;
  IdMap::Header ids;
  StoredIndex index;
};

StoredIndex stored_index(const IndexConfig& config, uint64_t trained_points) {
  StoredIndex stored;
  stored.flat = config.type == "flat" ? 1 : 0;
  stored.fast = config.layout == GraphLayout::kFast ? 1 : 0;
  stored.m = config.m;
  stored.trained_points = trained_points;
  if (!config.quantizer) return stored;
  stored.has_quantizer = 1;
  stored.bits = config.quantizer->bits;
  stored.quantile = config.quantizer->quantile;
  config.quantizer->kind.copy(stored.quantizer, sizeof stored.quantizer - 1);
  return stored;
}

/// `wanted` with what cannot be changed in an index that is there.
IndexConfig config_of(const StoredIndex& stored, const IndexConfig& wanted) {
  IndexConfig config;
  config.type = stored.flat != 0 ? "flat" : "hnsw";
  config.layout = stored.fast != 0 ? GraphLayout::kFast : GraphLayout::kCompact;
  config.m = stored.m;
  config.ef_construction = wanted.ef_construction;
  config.ef_search = wanted.ef_search;
  config.seed = wanted.seed;
  if (stored.has_quantizer != 0) {
    config.quantizer =
        QuantizerSpec{.kind = stored.quantizer, .bits = stored.bits, .quantile = stored.quantile};
  }
  return config;
}

template <class T>
Result<T> load(const Arena& arena) {
  TRY(arena.verify(0, sizeof(T)));
  T value;
  std::memcpy(&value, arena.base(), sizeof(T));
  return value;
}

/// Before the header is read: another layout's may be shorter.
Status check_version(const Arena& header) {
  TRY_ASSIGN(const uint32_t version, load<uint32_t>(header));
  if (version == kLayoutVersion || version == kLayoutWithRelations) return {};
  return Status(Code::kUnimplemented, "the data has partition layout " + std::to_string(version) +
                                          ", this server reads layout " +
                                          std::to_string(kLayoutWithRelations));
}

template <class T>
Status save(Arena& arena, const T& value) {
  if (arena.bytes() < sizeof(T)) TRY(arena.grow(sizeof(T)));
  std::memcpy(arena.mutate(0, sizeof(T)), &value, sizeof(T));
  return {};
}

Status save_slots(Arena& arena, const std::vector<Slot>& slots) {
  const uint64_t bytes = slots.size() * sizeof(Slot);
  if (bytes == 0) return {};
  if (arena.bytes() < bytes) TRY(arena.grow(bytes));
  std::memcpy(arena.mutate(0, bytes), slots.data(), bytes);
  return {};
}

Result<std::vector<Slot>> load_slots(const Arena& arena, uint64_t count) {
  if (count * sizeof(Slot) > arena.bytes()) {
    return Status(Code::kCorruption, "a slot list is longer than its arena");
  }
  TRY(arena.verify(0, count * sizeof(Slot)));
  std::vector<Slot> slots(count);
  if (count > 0) std::memcpy(slots.data(), arena.base(), count * sizeof(Slot));
  return slots;
}

}  // namespace

uint32_t namespace_tag(std::string_view ns) {
  if (ns.empty()) return 0;
  const uint32_t tag = hash_bytes(as_bytes(ns), 0) & ((1u << SlotTraits::kTagBits) - 1);
  return tag == 0 ? 1 : tag;
}

Partition::Partition(const PartitionSetup& setup, Place place)
    : setup_(setup), place_(std::move(place)), wanted_(setup.config.index) {}

Partition::~Partition() {
  delete derived_.load();
}

uint64_t Partition::hash_of(std::string_view storage_id) const {
  return hash_bytes(as_bytes(storage_id), hash_seed_);
}

Result<uint64_t> Partition::hash_of_slot(Slot slot) const {
  const SlotTable::View view = slots_->view();
  if (slot >= view.count()) {
    return Status(Code::kCorruption,
                  "the id map names slot " + std::to_string(slot) + ", of which nothing is known");
  }
  TRY_ASSIGN(const Record record, heap_->read(view.record(slot)));
  return hash_of(storage_id(record.ns, record.id));
}

/// What is listed of one of its stores, or an empty one.
StoreManifest Partition::stored(std::span<const StoreManifest> stores,
                                std::string_view family) const {
  StoreManifest none{.family = place_.folder + std::string(family)};
  for (const StoreManifest& store : stores)
    if (store.family == none.family) return store;
  return none;
}

StoreManifest Partition::fresh_index() const {
  return {.family = place_.folder + std::string(kIndex), .next_file = next_index_file_};
}

bool is_index(std::string_view family) {
  return family.substr(family.rfind('/') + 1) == kIndex;
}

Result<std::unique_ptr<Partition>> Partition::open(const PartitionSetup& setup, Place place,
                                                   std::span<const StoreManifest> stores) {
  std::unique_ptr<Partition> partition(new Partition(setup, std::move(place)));
  TRY(partition->open_points(partition->stored(stores, kPoints)));
  const StoreManifest index = partition->stored(stores, kIndex);
  partition->next_index_file_ = index.next_file;
  auto derived = partition->open_derived(index, partition->wanted_);
  if (derived.ok()) {
    // An index store that was written before there was a payload index, or by one that gave up.
    if ((*derived)->payload->needs_filling()) TRY(partition->fill_payload(**derived));
    partition->derived_.store(derived->release());
  } else if (derived.error().code() == Code::kCorruption) {
    TRY(partition->rebuild_derived());
  } else {
    return std::move(derived).error();
  }
  TRY(partition->want_index(setup.config.index));
  return partition;
}

Status Partition::open_points(const StoreManifest& manifest) {
  TRY_ASSIGN(points_, PageStore::open(*setup_.files, setup_.dir, manifest));
  TRY_ASSIGN(header_arena_, points_->arena({.id = 1, .name = "header"}));
  TRY_ASSIGN(Arena * slot_arena, points_->arena({.id = 2, .name = "slots", .huge_pages = true}));
  TRY_ASSIGN(Arena * heap_arena, points_->arena({.id = 3, .name = "records"}));
  TRY_ASSIGN(dying_arena_, points_->arena({.id = 4, .name = "dying"}));
  TRY_ASSIGN(vectors_, VectorStore::open(*points_, 16, setup_.config.metric,
                                         setup_.config.dimension, place_of(setup_.config)));
  TRY_ASSIGN(relations_, Relations::open(*points_, 5));
  if (manifest.arenas.empty()) {
    slots_ = std::make_unique<SlotTable>(*slot_arena, SlotTable::Header{});
    heap_ = std::make_unique<RecordHeap>(*heap_arena, RecordHeap::Header{});
    random_bytes({reinterpret_cast<std::byte*>(&hash_seed_), sizeof hash_seed_});
    expiry_ = ~uint64_t{0};
    return {};
  }
  TRY(check_version(*header_arena_));
  TRY_ASSIGN(const PointsHeader header, load<PointsHeader>(*header_arena_));
  // The slot table is asked by every read: checked at once, 12 bytes a point.
  TRY(slot_arena->verify(0, slot_arena->bytes()));
  slots_ = std::make_unique<SlotTable>(*slot_arena, header.slots);
  heap_ = std::make_unique<RecordHeap>(*heap_arena, header.heap);
  hash_seed_ = header.hash_seed;
  live_ = header.live;
  ttl_points_ = header.ttl_points;
  if (ttl_points_ == 0) expiry_ = ~uint64_t{0};
  last_write_ = header.last_write_micros;
  TRY_ASSIGN(const std::vector<Slot> dying, load_slots(*dying_arena_, header.dying));
  for (const Slot slot : dying)
    dying_.push_back({slot, 0});
  dying_count_ = dying_.size();
  return {};
}

Result<std::unique_ptr<Partition::Derived>> Partition::open_derived(
    const StoreManifest& manifest, const IndexConfig& wanted) const {
  auto derived = std::make_unique<Derived>();
  derived->config = wanted;
  TRY_ASSIGN(derived->store, PageStore::open(*setup_.files, setup_.dir, manifest));
  TRY_ASSIGN(derived->header_arena, derived->store->arena({.id = 1, .name = "header"}));
  TRY_ASSIGN(Arena * ids, derived->store->arena({.id = 2, .name = "ids", .huge_pages = true}));
  TRY_ASSIGN(Arena * more_ids, derived->store->arena({.id = 7, .name = "more ids"}));
  TRY_ASSIGN(derived->tail_arena, derived->store->arena({.id = 3, .name = "tail"}));
  IndexHeader header{};
  if (!manifest.arenas.empty()) {
    TRY(check_version(*derived->header_arena));
    TRY_ASSIGN(header, load<IndexHeader>(*derived->header_arena));
    derived->config = config_of(header.index, wanted);
    derived->trained_points = header.index.trained_points;
    TRY(ids->verify(0, ids->bytes()));
    TRY(more_ids->verify(0, more_ids->bytes()));
    TRY_ASSIGN(const std::vector<Slot> slots, load_slots(*derived->tail_arena, header.tail));
    for (const Slot slot : slots)
      derived->tail.push(slot);
  }
  derived->ids = std::make_unique<IdMap>(*ids, *more_ids, header.ids,
                                         [this](Slot slot) { return hash_of_slot(slot); });
  TRY_ASSIGN(derived->index, create_ann_index(derived->config, *vectors_, *derived->store, 16));
  TRY_ASSIGN(derived->payload, PayloadIndex::open(*derived->store, 4));
  derived->payload->set_collection(setup_.config.name);
  derived->payload->set_limit(payload_limit());
  return derived;
}

Status Partition::fill_payload(Derived& derived) const {
  const SlotTable::View view = slots_->view();
  const Slot slots = slots_->header().slots;
  for (Slot slot = 0; slot < slots; ++slot) {
    if (!view.used(slot)) continue;
    TRY_ASSIGN(const Record record, heap_->read(view.record(slot)));
    derived.payload->add(slot, record.ns, record.metadata_json);
  }
  return {};
}

uint64_t Partition::payload_limit() const {
  if (setup_.payload_bytes_max != 0) return setup_.payload_bytes_max;
  // What a slot's vector and its links on the base layer take: the memory in use would not count
  // what is only mapped after a start.
  const uint64_t slot_bytes =
      sizeof(float) * setup_.config.dimension + sizeof(Slot) * 2 * setup_.config.index.m;
  return std::max(kPayloadBytesMin, slots_->header().slots * slot_bytes / kPayloadShare);
}

Result<std::optional<Slot>> Partition::find(std::string_view ns, std::string_view id,
                                            Lsn pinned) const {
  const SlotTable::View view = slots_->view();
  std::optional<Slot> found;
  Status damage;
  derived().ids->find(hash_of(storage_id(ns, id)), [&](Slot slot) {
    if (!view.visible(slot, pinned)) return false;
    auto record = heap_->read(view.record(slot));
    if (!record.ok()) {
      damage = std::move(record).error();
      return true;
    }
    if (record->id != id || record->ns != ns) return false;
    found = slot;
    return true;
  });
  if (!damage.ok()) return damage;
  return found;
}

Status Partition::save_headers() {
  std::vector<Slot> dying;
  dying.reserve(dying_.size() + unlinked_.size());
  for (const Dying& entry : dying_)
    dying.push_back(entry.slot);
  for (const Dying& entry : unlinked_)
    dying.push_back(entry.slot);
  TRY(save_slots(*dying_arena_, dying));
  PointsHeader header{};
  header.version = relations_->used() ? kLayoutWithRelations : kLayoutVersion;
  header.dying = static_cast<uint32_t>(dying.size());
  header.hash_seed = hash_seed_;
  header.live = live_;
  header.ttl_points = ttl_points_;
  header.last_write_micros = last_write_;
  header.slots = slots_->header();
  header.heap = heap_->header();
  TRY(save(*header_arena_, header));
  TRY(relations_->save());

  Derived& derived = *derived_.load();
  const std::vector<Slot> tail = derived.tail.front(derived.tail.size());
  TRY(save_slots(*derived.tail_arena, tail));
  TRY(derived.payload->save());
  IndexHeader index{};
  index.version = kLayoutVersion;
  index.tail = tail.size();
  index.ids = derived.ids->header();
  index.index = stored_index(derived.config, derived.trained_points);
  return save(*derived.header_arena, index);
}

Status Partition::begin_checkpoint(Tidy tidy) {
  TRY(save_headers());
  points_->begin_checkpoint(tidy);
  derived_.load()->store->begin_checkpoint(tidy);
  return {};
}

Result<std::vector<StoreManifest>> Partition::write_checkpoint() {
  // The index first: a write changes pages all over it, and what changes before its store is being
  // written is captured in memory.
  TRY_ASSIGN(StoreManifest index, derived_.load()->store->write_checkpoint());
  TRY_ASSIGN(StoreManifest points, points_->write_checkpoint());
  return std::vector<StoreManifest>{std::move(points), std::move(index)};
}

void Partition::discard_checkpoint() {
  derived_.load()->store->discard_checkpoint();
  points_->discard_checkpoint();
}

void Partition::commit_checkpoint(const std::vector<StoreManifest>& stores) {
  for (const StoreManifest& store : stores) {
    if (store.family == place_.folder + std::string(kIndex)) next_index_file_ = store.next_file;
  }
  points_->commit_checkpoint();
  derived_.load()->store->commit_checkpoint();
}

void Partition::abort_checkpoint() {
  points_->abort_checkpoint();
  derived_.load()->store->abort_checkpoint();
}

bool Partition::scrub(uint64_t max_bytes) {
  if (points_->scrub(max_bytes)) return true;
  return derived_.load()->store->scrub(max_bytes);
}

}  // namespace ferres
