// Words that the lane changes while searches read them: acquire loads and release stores, which are
// plain moves on x86. No fences: a search that has loaded one word of a change sees everything the
// lane stored before that word. Any thread; the memory lies in arenas, so it is shared by address
// and not by type.
#pragma once
#include <atomic>
#include <cstdint>

namespace ferres {

template <class Word>
Word load_shared(const Word* word) {
  // atomic_ref<const T> comes with C++26 only; a load does not write.
  return std::atomic_ref<Word>(*const_cast<Word*>(word)).load(std::memory_order_acquire);
}

template <class Word>
void store_shared(Word* word, Word value) {
  std::atomic_ref<Word>(*word).store(value, std::memory_order_release);
}

}  // namespace ferres
