// See payload_index.h. Words of the header that readers look at (version, root, flags, fields)
// change in place; the rest of it is written at a checkpoint.
#include "payload/payload_index.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/epoch.h"
#include "base/logging.h"
#include "base/random.h"
#include "payload/query.h"
#include "storage/arena_size.h"

namespace ferres {
namespace {

constexpr uint32_t kVersion = 1;
constexpr uint32_t kGaveUp = 1;      // flags: must be filled again
constexpr uint32_t kMoreFields = 2;  // there are fields that have no number
constexpr size_t kPathBytesMax = 512;
constexpr size_t kClearedPerChange = 16;

uint32_t bit_of(TermType type) {
  return uint32_t{1} << static_cast<uint8_t>(type);
}

/// Whether the index can go on without the type's values.
bool droppable(TermType type) {
  return type != TermType::kMark && type != TermType::kField;
}

}  // namespace

struct PayloadIndex::Header {
  uint32_t version = 0;  // 0: nothing was ever added
  BlockRef root = {};
  uint32_t flags = 0;
  uint32_t fields = 0;
  uint64_t seed = 0;
  uint64_t retired = 0;  // blocks listed in the third arena
  BlockHeap::Header heap;
};

/// One field's entry in the second arena.
struct PayloadIndex::Field {
  BlockRef path;
  uint32_t path_bytes;
  uint32_t dropped;   // by type: not indexed any more; read by queries
  uint32_t clearing;  // by type: terms that are still to be erased
  std::array<uint64_t, kTermTypes> bytes;
};

/// The fields of one document, on behalf of the lane.
class PayloadIndex::Names : public FieldNames {
 public:
  Names(PayloadIndex& index, bool adding) : index_(index), adding_(adding) {}

  std::optional<uint32_t> number_of(std::string_view path) override {
    const TermKey key = text_key(kSystemField, TermType::kField, path, index_.header()->seed);
    const uint32_t found = index_.tree_->find(key);
    if (found != TermTree::kNone) return found;
    if (!adding_ || !status_.ok()) return std::nullopt;
    auto number = index_.register_field(key, path);
    if (number.ok()) {
      if (*number == TermTree::kNone) return std::nullopt;
      return *number;
    }
    status_ = std::move(number).error();
    return std::nullopt;
  }
  Status take_status() { return std::move(status_); }

 private:
  PayloadIndex& index_;
  const bool adding_;
  Status status_;
};

PayloadIndex::PayloadIndex(Arena* blocks, Arena* fields, Arena* retired)
    : blocks_(blocks), fields_(fields), retired_(retired) {
  static_assert(sizeof(Header) <= BlockHeap::kFirstByte);
  static_assert(offsetof(Header, root) == kRootOffset);
}

PayloadIndex::~PayloadIndex() = default;

Result<std::unique_ptr<PayloadIndex>> PayloadIndex::open(PageStore& store, uint32_t first_arena) {
  TRY_ASSIGN(Arena * blocks,
             store.arena({.id = first_arena, .name = "payload", .huge_pages = true}));
  TRY_ASSIGN(Arena * fields, store.arena({.id = first_arena + 1, .name = "payload fields"}));
  TRY_ASSIGN(Arena * retired, store.arena({.id = first_arena + 2, .name = "payload retired"}));
  std::unique_ptr<PayloadIndex> index(new PayloadIndex(blocks, fields, retired));
  TRY(index->load());
  return index;
}

Status PayloadIndex::load() {
  needs_filling_ = true;
  if (blocks_->bytes() < BlockHeap::kFirstByte) return {};
  TRY(blocks_->verify(0, sizeof(Header)));
  const Header& saved = *header();
  if (saved.version != kVersion || (saved.flags & kGaveUp) != 0) return create();
  const uint64_t retired_bytes = saved.retired * sizeof(BlockHeap::Retired);
  if (saved.heap.end > blocks_->bytes() || saved.fields == 0 || saved.fields > kFieldsMax ||
      saved.fields * sizeof(Field) > fields_->bytes() || retired_bytes > retired_->bytes()) {
    return {Code::kCorruption, "the header of the payload index is damaged"};
  }
  needs_filling_ = false;
  TRY(fields_->verify(0, saved.fields * sizeof(Field)));
  TRY(retired_->verify(0, retired_bytes));
  heap_ = std::make_unique<BlockHeap>(*blocks_, saved.heap);
  tree_ = std::make_unique<TermTree>(*heap_, kRootOffset);
  sets_ = std::make_unique<StoredSets>(*heap_);
  collector_ = std::make_unique<TermCollector>(saved.seed);
  std::vector<BlockHeap::Retired> retired(saved.retired);
  if (!retired.empty()) std::memcpy(retired.data(), retired_->base(), retired_bytes);
  heap_->recover(retired);
  for (uint32_t number = 0; number < saved.fields; ++number) {
    const Field& field = *look_at_field(number);
    for (uint32_t i = 0; i < kTermTypes; ++i) {
      const auto type = static_cast<TermType>(i);
      if ((field.clearing & bit_of(type)) == 0) continue;
      clearing_.push_back({first_key(number, type), last_key(number, type), 0});
      clearing_bytes_ += field.bytes[i];
    }
  }
  return {};
}

/// An empty index, over whatever the arenas hold.
Status PayloadIndex::create() {
  TRY(blocks_->grow(arena_size_for(sizeof(Header))));
  Header* fresh = edit_header();
  fresh->seed = random_seed();
  fresh->retired = 0;
  fresh->heap = {};
  store_word(&fresh->root, BlockRef{0});
  store_word(&fresh->flags, uint32_t{0});
  store_word(&fresh->fields, uint32_t{0});
  heap_ = std::make_unique<BlockHeap>(*blocks_, BlockHeap::Header{});
  tree_ = std::make_unique<TermTree>(*heap_, kRootOffset);
  sets_ = std::make_unique<StoredSets>(*heap_);
  collector_ = std::make_unique<TermCollector>(fresh->seed);
  TRY_ASSIGN(const uint32_t system, register_field(TermKey{}, {}));
  CHECK(system == kSystemField);
  store_word(&edit_header()->version, kVersion);
  return {};
}

const PayloadIndex::Header* PayloadIndex::header() const {
  return reinterpret_cast<const Header*>(blocks_->base());
}

PayloadIndex::Header* PayloadIndex::edit_header() {
  return reinterpret_cast<Header*>(blocks_->mutate(0, sizeof(Header)));
}

const PayloadIndex::Field* PayloadIndex::look_at_field(uint32_t number) const {
  const Arena::Range range = fields_->range();
  const uint64_t offset = uint64_t{number} * sizeof(Field);
  if (offset + sizeof(Field) > range.bytes || !fields_->verify(offset, sizeof(Field)).ok()) {
    return nullptr;
  }
  return reinterpret_cast<const Field*>(range.base + offset);
}

Result<PayloadIndex::Field*> PayloadIndex::field(uint32_t number) {
  const uint64_t offset = uint64_t{number} * sizeof(Field);
  if (number >= header()->fields || offset + sizeof(Field) > fields_->bytes()) {
    return Status(Code::kCorruption, "the payload index names a field that it does not have");
  }
  return reinterpret_cast<Field*>(fields_->mutate(offset, sizeof(Field)));
}

/// kNone when there is no room for another field.
Result<uint32_t> PayloadIndex::register_field(const TermKey& key, std::string_view path) {
  const uint32_t number = header()->fields;
  if (number == kFieldsMax || path.size() > kPathBytesMax) {
    uint32_t& flags = edit_header()->flags;
    store_word(&flags, flags | kMoreFields);
    return TermTree::kNone;
  }
  const uint64_t end = (uint64_t{number} + 1) * sizeof(Field);
  if (end > fields_->bytes()) TRY(fields_->grow(arena_size_for(end)));
  Field entry{};
  if (!path.empty()) {
    TRY_ASSIGN(entry.path, heap_->allocate(path.size()));
    entry.path_bytes = static_cast<uint32_t>(path.size());
    std::memcpy(heap_->edit<char>(entry.path, 0, path.size()), path.data(), path.size());
  }
  std::memcpy(fields_->mutate(end - sizeof(Field), sizeof(Field)), &entry, sizeof(Field));
  store_word(&edit_header()->fields, number + 1);
  if (number != kSystemField) TRY(tree_->put(key, number));
  return number;
}

void PayloadIndex::add(Slot slot, std::string_view ns, std::string_view metadata_json) {
  if (gave_up_.load(std::memory_order_relaxed)) return;
  if (heap_ == nullptr) {
    if (const Status status = create(); !status.ok()) return give_up(status);
  }
  change_or_give_up(slot, ns, metadata_json, true);
}

void PayloadIndex::remove(Slot slot, std::string_view ns, std::string_view metadata_json) {
  if (gave_up_.load(std::memory_order_relaxed) || heap_ == nullptr) return;
  change_or_give_up(slot, ns, metadata_json, false);
}

void PayloadIndex::change_or_give_up(Slot slot, std::string_view ns, std::string_view metadata_json,
                                     bool adding) {
  version_.fetch_add(1, std::memory_order_acq_rel);
  if (const Status status = change(slot, ns, metadata_json, adding); !status.ok()) give_up(status);
  version_.fetch_add(1, std::memory_order_acq_rel);
}

void PayloadIndex::give_up(const Status& why) {
  log_warning("payload.gave_up",
              {{"collection", collection_}, {"reason", std::string(why.message())}});
  gave_up_.store(true, std::memory_order_release);
  if (blocks_->bytes() < BlockHeap::kFirstByte) return;
  uint32_t& flags = edit_header()->flags;
  store_word(&flags, flags | kGaveUp);
}

Status PayloadIndex::change(Slot slot, std::string_view ns, std::string_view metadata_json,
                            bool adding) {
  const TermKey all = mark_key(kSystemField, Mark::kAll);
  if (StoredSets::contains(heap_->view(), tree_->find(all), slot) == adding) return {};
  Names names(*this, adding);
  const bool regular = collector_->collect(metadata_json, names, terms_);
  TRY(names.take_status());
  if (!regular) terms_.push_back(mark_key(kSystemField, Mark::kIrregular));
  if (!ns.empty()) {
    terms_.push_back(text_key(kSystemField, TermType::kNamespace, ns, header()->seed));
  }
  terms_.push_back(all);
  for (const TermKey& key : terms_)
    TRY(change_term(key, slot, adding));
  TRY(enforce_limit());
  TRY(clear_some());
  heap_->seal();
  return {};
}

Status PayloadIndex::change_term(const TermKey& key, Slot slot, bool adding) {
  const uint32_t number = field_of(key);
  const TermType type = type_of(key);
  TRY_ASSIGN(const Field* const entry, field(number));
  if ((entry->dropped & bit_of(type)) != 0) return {};
  const uint64_t before = heap_->used_bytes();
  const uint32_t word = tree_->find(key);
  TRY_ASSIGN(const uint32_t changed, adding ? sets_->add(word, slot) : sets_->remove(word, slot));
  if (changed == word) {
    // In place, or nothing to do.
  } else if (changed == StoredSets::kEmpty) {
    TRY(tree_->erase(key));
  } else {
    TRY(tree_->put(key, changed));
  }
  TRY_ASSIGN(Field* const after, field(number));
  uint64_t& bytes = after->bytes[static_cast<uint8_t>(type)];
  bytes += heap_->used_bytes() - before;
  // Counted down below what it was counted up by, when nodes that it shares with others shrink.
  if (static_cast<int64_t>(bytes) < 0) bytes = 0;
  if (droppable(type) && bytes > limit_bytes_ / 2) TRY(drop(number, type));
  return {};
}

Status PayloadIndex::enforce_limit() {
  if (heap_->used_bytes() <= limit_bytes_ + clearing_bytes_) return {};
  uint64_t largest = 0;
  uint32_t number = 0;
  auto type = TermType::kMark;
  for (uint32_t i = 0; i < header()->fields; ++i) {
    const Field* const entry = look_at_field(i);
    if (entry == nullptr) continue;
    for (uint32_t t = 0; t < kTermTypes; ++t) {
      const auto candidate = static_cast<TermType>(t);
      if (!droppable(candidate) || (entry->dropped & bit_of(candidate)) != 0) continue;
      if (entry->bytes[t] <= largest) continue;
      largest = entry->bytes[t];
      number = i;
      type = candidate;
    }
  }
  return largest == 0 ? Status() : drop(number, type);
}

/// Queries stop using the group's terms at once; these go when no query of today is left.
Status PayloadIndex::drop(uint32_t number, TermType type) {
  TRY_ASSIGN(Field* const entry, field(number));
  store_word(&entry->dropped, entry->dropped | bit_of(type));
  entry->clearing |= bit_of(type);
  clearing_bytes_ += entry->bytes[static_cast<uint8_t>(type)];
  clearing_.push_back({first_key(number, type), last_key(number, type), epoch_advance()});
  log_info("payload.dropped", {{"collection", collection_},
                               {"field", number},
                               {"type", static_cast<uint32_t>(type)},
                               {"bytes", entry->bytes[static_cast<uint8_t>(type)]},
                               {"limit", limit_bytes_}});
  return {};
}

Status PayloadIndex::clear_some() {
  if (clearing_.empty() || !epoch_passed(clearing_.front().ticket)) return {};
  const Clearing front = clearing_.front();
  std::vector<std::pair<TermKey, uint32_t>> terms;
  const BlockView view = heap_->view();
  TermTree::scan(view, kRootOffset, front.from, front.to, [&](const TermKey& key, uint32_t word) {
    terms.emplace_back(key, word);
    return terms.size() < kClearedPerChange;
  });
  if (view.damaged()) return {Code::kCorruption, "the payload index is damaged"};
  const uint64_t before = heap_->used_bytes();
  for (const auto& [key, word] : terms) {
    TRY(sets_->release(word));
    TRY(tree_->erase(key));
  }
  const uint64_t freed = before - heap_->used_bytes();
  TRY_ASSIGN(Field* const entry, field(field_of(front.from)));
  const TermType type = type_of(front.from);
  uint64_t& bytes = entry->bytes[static_cast<uint8_t>(type)];
  const uint64_t gone = terms.empty() ? bytes : std::min(bytes, freed);
  bytes -= gone;
  clearing_bytes_ -= std::min(clearing_bytes_, gone);
  if (!terms.empty()) return {};
  entry->clearing &= ~bit_of(type);
  clearing_.pop_front();
  return {};
}

Status PayloadIndex::save() {
  if (heap_ == nullptr) return {};
  const std::vector<BlockHeap::Retired> retired = heap_->retired();
  const uint64_t bytes = retired.size() * sizeof(BlockHeap::Retired);
  if (bytes > retired_->bytes()) {
    TRY(retired_->grow(arena_size_for(bytes)));
  }
  if (bytes > 0) std::memcpy(retired_->mutate(0, bytes), retired.data(), bytes);
  Header* const saved = edit_header();
  saved->retired = retired.size();
  saved->heap = heap_->header();
  return {};
}

uint64_t PayloadIndex::memory_bytes() const {
  return blocks_->memory_bytes() + fields_->memory_bytes() + retired_->memory_bytes() +
         answers_.memory_bytes();
}

uint32_t PayloadIndex::fields() const {
  const Arena::Range range = blocks_->range();
  if (range.bytes < BlockHeap::kFirstByte) return 0;
  const uint32_t numbers = load_word(&reinterpret_cast<const Header*>(range.base)->fields);
  return numbers == 0 ? 0 : numbers - 1;  // less the system's
}

uint32_t PayloadIndex::dropped() const {
  uint32_t total = 0;
  for (uint32_t number = 0; number <= fields(); ++number) {
    const Field* const entry = look_at_field(number);
    if (entry != nullptr) total += __builtin_popcount(load_word(&entry->dropped));
  }
  return total;
}

uint32_t PayloadIndex::dropped_types(uint32_t number) const {
  const Field* const entry = look_at_field(number);
  return entry == nullptr ? ~uint32_t{0} : load_word(&entry->dropped);
}

PayloadIndex::Look PayloadIndex::look(const BlockView& view) {
  if (view.range().bytes < BlockHeap::kFirstByte) return {};
  const auto* const now = reinterpret_cast<const Header*>(view.range().base);
  if (load_word(&now->version) != kVersion) return {};
  return {now->seed, (load_word(&now->flags) & kMoreFields) == 0};
}

std::shared_ptr<const PayloadIndex::Answer> PayloadIndex::evaluate(const Predicate* filter,
                                                                   std::string_view ns) const {
  // Before anything is read. Whoever sees a write sees the version that it left.
  const uint64_t version = version_.load(std::memory_order_acquire);
  std::string key(ns);
  key += '\0';
  if (filter != nullptr) key += filter->text();
  if (auto known = answers_.find(key, version)) return known;
  std::optional<Answer> answer = ask(filter, ns);
  if (!answer) return nullptr;
  auto shared = std::make_shared<const Answer>(*std::move(answer));
  const bool unchanged = version % 2 == 0 && version_.load(std::memory_order_acquire) == version;
  if (unchanged && key.size() <= AnswerCache::kKeyBytesMax) answers_.put(key, version, shared);
  return shared;
}

std::optional<PayloadIndex::Answer> PayloadIndex::ask(const Predicate* filter,
                                                      std::string_view ns) const {
  if (gave_up_.load(std::memory_order_acquire)) return std::nullopt;
  const PayloadQuery query(*this);
  Answer answer;
  if (filter == nullptr || filter->empty()) {
    answer.matches.slots = query.all();
  } else {
    answer.matches = filter->probe(query);
    const SlotSet irregular = query.irregular();
    if (!irregular.empty()) {
      answer.matches.slots |= irregular;
      answer.matches.unsure |= irregular;
    }
  }
  if (!ns.empty()) {
    if (auto members = query.in_namespace(ns)) {
      answer.matches &= Matches::exactly(*std::move(members));
    } else {
      answer.namespace_sure = false;
    }
  }
  if (query.damaged()) return std::nullopt;
  return answer;
}

}  // namespace ferres
