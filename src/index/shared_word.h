// Words that the lane changes while searches read them: acquire loads and release stores, which are
// plain moves on x86: a search that has loaded one word of a change sees everything the lane stored
// before that word. Any thread; the memory lies in arenas, so it is shared by address and not by
// type.
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

/// Plain loads (of a kernel) that stand before it are done before the loads that follow. x86 never
/// swaps loads, so the compiler alone is held back; a fence does both, but ThreadSanitizer refuses
/// it.
inline void loads_before() {
#if defined(__x86_64__)
  asm volatile("" ::: "memory");
#else
  std::atomic_thread_fence(std::memory_order_acquire);
#endif
}

}  // namespace ferres
