// The epochs. Each reading thread owns one cache line that holds the epoch at which its outermost
// guard began, or kIdle. To begin, a reader stores the global epoch into its line and reads the
// global once more: if it moved, a writer may have scanned the lines before the store, so the
// reader repeats with the newer epoch. Both are seq_cst, as are the writer's increment and scan:
// in their one total order either the scan comes after the store and sees the reader, or the
// reader's second look comes after the increment, sees it, and with it everything that was unlinked
// before. A guard that ends stores kIdle with release, which the scan acquires.
//
// A thread takes a line at its first guard and gives it back when it ends. Scans stop at the
// highest line ever taken.
#include "base/epoch.h"

#include <array>
#include <atomic>
#include <thread>

#include "base/status.h"

namespace ferres {
namespace {

constexpr uint64_t kIdle = 0;

struct alignas(64) Line {
  std::atomic<uint64_t> epoch{kIdle};
  std::atomic<bool> taken{false};
};

constinit std::array<Line, kEpochMaxThreads> lines;
alignas(64) constinit std::atomic<uint64_t> global_epoch{1};
alignas(64) constinit std::atomic<size_t> lines_used{0};

/// Kept apart from its destructor (below) so that the guard reads it without an initialization
/// check.
struct ThreadState {
  Line* line = nullptr;
  uint32_t depth = 0;
};
constinit thread_local ThreadState this_thread;

struct LineReturner {
  ~LineReturner() {
    this_thread.line->taken.store(false, std::memory_order_release);
    this_thread.line = nullptr;
  }
};

void take_line() {
  for (size_t i = 0; i < lines.size(); i++) {
    bool free = false;
    if (lines[i].taken.load(std::memory_order_relaxed) ||
        !lines[i].taken.compare_exchange_strong(free, true)) {
      continue;
    }
    size_t used = lines_used.load();
    while (used < i + 1 && !lines_used.compare_exchange_weak(used, i + 1)) {
    }
    this_thread.line = &lines[i];
    thread_local const LineReturner at_thread_end;
    return;
  }
  CHECK(!"more than kEpochMaxThreads threads hold epoch guards");
}

}  // namespace

EpochGuard::EpochGuard() {
  if (this_thread.depth++ > 0) return;
  if (this_thread.line == nullptr) take_line();
  std::atomic<uint64_t>& mine = this_thread.line->epoch;
  uint64_t epoch = global_epoch.load(std::memory_order_relaxed);
  while (true) {
    mine.store(epoch);
    const uint64_t now = global_epoch.load();
    if (now == epoch) return;
    epoch = now;
  }
}

EpochGuard::~EpochGuard() {
  if (--this_thread.depth > 0) return;
  this_thread.line->epoch.store(kIdle, std::memory_order_release);
}

uint64_t epoch_advance() {
  return global_epoch.fetch_add(1);
}

bool epoch_passed(uint64_t ticket) {
  const size_t used = lines_used.load();
  for (size_t i = 0; i < used; i++) {
    const uint64_t epoch = lines[i].epoch.load();
    if (epoch != kIdle && epoch <= ticket) return false;
  }
  return true;
}

void epoch_wait(uint64_t ticket) {
  CHECK(this_thread.depth == 0);
  while (!epoch_passed(ticket))
    std::this_thread::yield();
}

}  // namespace ferres
