// Epoch-based reclamation: readers hold a Guard while they look at shared memory, writers wait with
// freeing (or reusing) what they unlinked until every guard that could have seen it is gone. A
// guard costs two uncontended atomic operations and never blocks (K. Fraser, "Practical
// lock-freedom", 2004, chapter 5). All operations are seq_cst or acquire/release, no fences, so
// TSan understands them. One process-wide domain; up to kMaxThreads threads hold guards at once.
//
//   reader:  EpochGuard guard;  ... read, no blocking calls ...
//   writer:  unlink(x);  const uint64_t e = epoch_advance();   later: if (epoch_passed(e)) free(x);
#pragma once
#include <cstddef>
#include <cstdint>

namespace ferres {

inline constexpr size_t kEpochMaxThreads = 1024;

/// Marks the calling thread as a reader for its lifetime. Guards nest. Hold it only for memory
/// reads: never across disk, network or another request.
class EpochGuard {
 public:
  EpochGuard();
  ~EpochGuard();
  EpochGuard(const EpochGuard&) = delete;
  EpochGuard& operator=(const EpochGuard&) = delete;
};

/// Starts a new epoch and returns a ticket: what was unlinked before the call is invisible to every
/// guard once epoch_passed(ticket).
uint64_t epoch_advance();
/// True when every guard that existed at the ticket's epoch_advance() has ended. Never blocks.
bool epoch_passed(uint64_t ticket);
/// Waits until epoch_passed(ticket). Not under a guard.
void epoch_wait(uint64_t ticket);

}  // namespace ferres
