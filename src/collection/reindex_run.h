// A rebuilding of all of a collection's indexes that somebody asked for (Collection::reindex), for
// those who watch it: they may keep it longer than the collection lives. Thread-safe.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "base/mutex.h"

namespace ferres {

enum class ReindexPhase : uint8_t { kQueued, kBuilding, kSwapping, kCompleted, kFailed };

struct ReindexState {
  ReindexPhase phase = ReindexPhase::kQueued;
  uint64_t points_done = 0;
  uint64_t points_total = 0;
  uint64_t tombstones_cleaned = 0;  // dead points that were still in the old graphs
  // Of what is derived from the points, as far as it was replaced.
  uint64_t old_index_bytes = 0;
  uint64_t new_index_bytes = 0;
  uint64_t started_micros = 0;
  uint64_t ended_micros = 0;  // 0: it runs
  std::string error;          // of kFailed

  bool ended() const { return phase >= ReindexPhase::kCompleted; }
};

class ReindexRun {
 public:
  explicit ReindexRun(uint64_t started_micros) { state_.started_micros = started_micros; }

  ReindexState state() const {
    const MutexLock lock(mutex_);
    return state_;
  }
  /// Nothing changes any more once it has ended.
  void report(const ReindexState& state) {
    const MutexLock lock(mutex_);
    if (!state_.ended()) state_ = state;
  }
  void fail(std::string error, uint64_t now_micros) {
    const MutexLock lock(mutex_);
    if (state_.ended()) return;
    state_.phase = ReindexPhase::kFailed;
    state_.error = std::move(error);
    state_.ended_micros = now_micros;
  }

 private:
  mutable Mutex mutex_;
  ReindexState state_ GUARDED_BY(mutex_);
};

}  // namespace ferres
