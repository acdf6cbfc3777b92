// The payload index of a partition: which slots hold which values in which fields of their
// metadata, for every field without being told. A filter's matches come from it as sets; documents
// are read only for what it cannot answer (payload/query.h).
//
// Derived state in three arenas of the index store: a header with blocks (the term tree and its
// sets), the fields, and the blocks that waited for readers at a checkpoint. Opening maps them;
// pages are checked as queries reach them. Layout: docs/formats.md.
//
// Bounded: when the values of one type in one field take half of the limit, or all together take
// more than the limit, the largest such group stops being indexed for good; its conditions are then
// answered from the documents that have the field. Failures never reach a write: an index that
// cannot go on stops answering, and is filled again at the next start.
//
// One lane adds and removes; readers under an EpochGuard evaluate. A slot is removed when no reader
// can see it any more, and given out again only after an epoch.
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/types.h"
#include "filter/predicate.h"
#include "filter/probe.h"
#include "payload/answer.h"
#include "payload/answer_cache.h"
#include "payload/block_heap.h"
#include "payload/stored_set.h"
#include "payload/term_tree.h"
#include "payload/terms.h"
#include "storage/page_store.h"

namespace ferres {

class PayloadIndex {
 public:
  static constexpr uint32_t kArenas = 3;
  static constexpr uint32_t kFieldsMax = 1024;
  static constexpr uint64_t kRootOffset = 4;  // in the first arena

  using Answer = PayloadAnswer;

  /// Uses the arenas [first_arena, first_arena + kArenas) of the store. kCorruption when the header
  /// is damaged.
  static Result<std::unique_ptr<PayloadIndex>> open(PageStore& store, uint32_t first_arena);
  ~PayloadIndex();

  // ---- any thread, under an EpochGuard
  /// The slots whose documents match `filter` (null: all) and whose namespace is `ns` (empty: any).
  /// Holds for every slot that was visible when the guard began. Null: the index cannot say.
  std::shared_ptr<const Answer> evaluate(const Predicate* filter, std::string_view ns) const;
  uint64_t memory_bytes() const;
  /// Fields that are known, and groups of values that outgrew the limit.
  uint32_t fields() const;
  uint32_t dropped() const;

  // ---- the lane only
  /// The store held no index, or none of use: add() all points there are.
  bool needs_filling() const { return needs_filling_; }
  /// For log lines; once, before the first change.
  void set_collection(std::string name) { collection_ = std::move(name); }
  /// No more than about this much memory.
  void set_limit(uint64_t bytes) { limit_bytes_ = bytes; }
  /// Nothing when the slot was added already / was not added.
  void add(Slot slot, std::string_view ns, std::string_view metadata_json);
  void remove(Slot slot, std::string_view ns, std::string_view metadata_json);
  /// Saves what is kept in memory into the arenas, before a checkpoint.
  Status save();

 private:
  friend class PayloadQuery;
  class Names;
  struct Header;
  struct Field;
  /// What a query needs of the header.
  struct Look {
    uint64_t seed = 0;
    bool all_fields = true;  // false: there are fields that have no number
  };
  struct Clearing {
    TermKey from;
    TermKey to;
    uint64_t ticket = 0;
  };

  PayloadIndex(Arena* blocks, Arena* fields, Arena* retired);
  Status load();
  Status create();
  void change_or_give_up(Slot slot, std::string_view ns, std::string_view metadata_json,
                         bool adding);
  Status change(Slot slot, std::string_view ns, std::string_view metadata_json, bool adding);
  Status change_term(const TermKey& key, Slot slot, bool adding);
  Status enforce_limit();
  Status drop(uint32_t field, TermType type);
  Status clear_some();
  void give_up(const Status& why);
  Result<Field*> field(uint32_t number);
  const Field* look_at_field(uint32_t number) const;
  Result<uint32_t> register_field(const TermKey& key, std::string_view path);
  std::optional<Answer> ask(const Predicate* filter, std::string_view ns) const;
  static Look look(const BlockView& view);
  uint32_t dropped_types(uint32_t number) const;
  const Header* header() const;
  Header* edit_header();

  Arena* blocks_;
  Arena* fields_;
  Arena* retired_;
  std::unique_ptr<BlockHeap> heap_;
  std::unique_ptr<TermTree> tree_;
  std::unique_ptr<StoredSets> sets_;
  std::unique_ptr<TermCollector> collector_;
  std::vector<TermKey> terms_;
  std::deque<Clearing> clearing_;
  uint64_t clearing_bytes_ = 0;
  uint64_t limit_bytes_ = 64 << 20;
  std::string collection_;
  bool needs_filling_ = false;
  std::atomic<uint64_t> version_{0};  // odd while the index changes
  mutable AnswerCache answers_;
  std::atomic<bool> gave_up_{false};
};

}  // namespace ferres
