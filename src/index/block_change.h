// A change of a block that searches read without locks: its sequence is odd while this lives, and
// another one afterwards. A search that saw it odd or changed reads again. The lane only.
#pragma once
#include <cstdint>

#include "index/shared_word.h"

namespace ferres {

class BlockChange {
 public:
  explicit BlockChange(uint32_t& sequence) : sequence_(sequence), before_(sequence & ~1u) {
    store_shared(&sequence_, before_ + 1);
  }
  ~BlockChange() { store_shared(&sequence_, before_ + 2); }
  BlockChange(const BlockChange&) = delete;
  BlockChange& operator=(const BlockChange&) = delete;

 private:
  uint32_t& sequence_;
  const uint32_t before_;
};

}  // namespace ferres
