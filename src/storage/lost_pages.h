// What happens when a page of a mapped file cannot be read, because the file was cut short or the
// disk failed: the system raises SIGBUS in whoever reads it. Here a page of zeros takes its place,
// the range's owner is told, and the reader goes on. Zeros are no answer: whoever reads mapped
// memory asks PageStore::lost() after reading and before answering, and a collection that lost a
// page is refused from then on. A SIGBUS anywhere else ends the process as ever.
//
// Threads: ranges come and go on any thread. The handler runs on the thread that read; it takes no
// lock and no memory.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ferres {

/// While it lives, a page of [begin, begin + bytes) that cannot be read sets `lost` and reads as
/// zeros from then on. `lost` outlives it.
class WatchedRange {
 public:
  WatchedRange(const std::byte* begin, uint64_t bytes, std::atomic<bool>& lost);
  ~WatchedRange();
  WatchedRange(const WatchedRange&) = delete;
  WatchedRange& operator=(const WatchedRange&) = delete;

 private:
  struct Entry* entry_;
};

}  // namespace ferres
