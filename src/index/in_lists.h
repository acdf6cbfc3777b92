// Who points at a slot: one list of slots for each block, so that a removal finds every edge to
// the removed point without a search. Lists lie in an arena as contiguous runs (a scan of ~32 words
// is two or three cache lines), in sizes of 8, 16, ... 64 words and then four steps a doubling; a
// list that outgrows its run moves to the next size, freed runs are kept by size and reused. The
// lane only. Places and counts come from disk: whatever does not fit the arena is taken for empty.
#pragma once
#include <cstdint>
#include <span>

#include "base/status.h"
#include "base/types.h"
#include "index/hnsw_layout.h"
#include "storage/arena.h"

namespace ferres {

class InLists {
 public:
  explicit InLists(Arena* arena) : arena_(arena) {}

  /// The content; valid until the next change of any list.
  std::span<const uint32_t> list(const BlockHead& head) const;
  /// Appends. `head` is writable and so is `header`.
  Status push(BlockHead& head, InListsHeader& header, uint32_t value);
  /// Takes one occurrence out; false when there is none.
  bool drop(BlockHead& head, uint32_t value);
  /// Frees the list's run.
  void clear(BlockHead& head, InListsHeader& header);

  static uint32_t class_words(uint32_t size_class);

 private:
  static constexpr uint32_t kUnitWords = 8;
  static constexpr uint32_t kUnitBytes = kUnitWords * sizeof(uint32_t);

  bool fits(uint32_t place, uint32_t size_class) const;
  Result<uint32_t> allocate(InListsHeader& header, uint32_t size_class);
  void release(InListsHeader& header, uint32_t place, uint32_t size_class);
  uint32_t* writable(uint32_t place, uint32_t first_word, uint32_t words);

  Arena* arena_;
};

}  // namespace ferres
