// See lost_pages.h. The ranges are a list that only grows: entries are used again, never freed, so
// that the handler may walk it at any moment.
#include "storage/lost_pages.h"

#include <bit>
#include <cerrno>
#include <csignal>
#include <deque>
#include <vector>

#include <sys/mman.h>

#include "base/mutex.h"

namespace ferres {

struct Entry {
  std::atomic<uintptr_t> begin{0};  // 0: not in use. Set last, cleared first
  std::atomic<uintptr_t> end{0};
  std::atomic<std::atomic<bool>*> lost{nullptr};
  Entry* next = nullptr;  // constant once in the list
};

namespace {

constexpr uintptr_t kSystemPage = 4096;

std::atomic<Entry*> newest_entry{nullptr};
struct sigaction action_before;

/// Null where nobody watches.
std::atomic<bool>* watcher_of(uintptr_t address) {
  for (Entry* entry = newest_entry.load(std::memory_order_acquire); entry != nullptr;
       entry = entry->next) {
    const uintptr_t begin = entry->begin.load();
    if (begin == 0 || address < begin || address >= entry->end.load()) continue;
    std::atomic<bool>* const lost = entry->lost.load();
    // Another range may be taking the entry over. That of a reader at work does not go.
    if (entry->begin.load() == begin) return lost;
  }
  return nullptr;
}

void on_sigbus(int signal, siginfo_t* info, void* /*context*/) {
  const int errno_before = errno;
  const auto address = std::bit_cast<uintptr_t>(info->si_addr);
  std::atomic<bool>* const lost = watcher_of(address);
  if (lost != nullptr) {
    // Before the zeros are there: who reads them finds it set.
    lost->store(true);
    const uintptr_t page = address / kSystemPage * kSystemPage;
    if (::mmap(std::bit_cast<void*>(page), kSystemPage, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != MAP_FAILED) {
      errno = errno_before;
      return;
    }
  }
  // The access is tried again and meets what was there before us: the end, as a rule.
  ::sigaction(signal, &action_before, nullptr);
  if (info->si_code <= 0) ::raise(signal);  // sent by a process: nothing would be tried again
}

class Registry {
 public:
  Registry() {
    struct sigaction action{};
    action.sa_sigaction = on_sigbus;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGBUS, &action, &action_before);
  }
  Entry* take() {
    const MutexLock lock(mutex_);
    if (!free_.empty()) {
      Entry* const entry = free_.back();
      free_.pop_back();
      return entry;
    }
    Entry& entry = entries_.emplace_back();
    entry.next = newest_entry.load();
    newest_entry.store(&entry, std::memory_order_release);
    return &entry;
  }
  void give_back(Entry* entry) {
    const MutexLock lock(mutex_);
    free_.push_back(entry);
  }

 private:
  Mutex mutex_;
  std::deque<Entry> entries_ GUARDED_BY(mutex_);
  std::vector<Entry*> free_ GUARDED_BY(mutex_);
};

Registry& registry() {
  static Registry instance;
  return instance;
}

}  // namespace

WatchedRange::WatchedRange(const std::byte* begin, uint64_t bytes, std::atomic<bool>& lost)
    : entry_(registry().take()) {
  const auto first = std::bit_cast<uintptr_t>(begin);
  entry_->lost.store(&lost);
  entry_->end.store(first + bytes);
  entry_->begin.store(first);
}

WatchedRange::~WatchedRange() {
  entry_->begin.store(0);
  registry().give_back(entry_);
}

}  // namespace ferres
