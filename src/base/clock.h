// Time as an interface, so that tests can stop and turn it. The only home of std::chrono clocks.
#pragma once
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ferres {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual uint64_t unix_micros() const = 0;
  /// Never goes back; for durations.
  virtual uint64_t monotonic_nanos() const = 0;
};

Clock& system_clock();

/// "2026-11-28T01:02:03.000004Z": all of one length, in the order of the times, up to the year
/// 9999.
std::string rfc3339(uint64_t unix_micros);
/// Midnight (UTC) of a day as rfc3339() begins with it; nothing for other text.
std::optional<uint64_t> unix_seconds_of_day(std::string_view day);

/// CPU time used so far by a process (0: this one; 0 when it is gone), and by the calling thread.
/// For measurements alone.
uint64_t process_cpu_nanos(int pid = 0);
uint64_t thread_cpu_nanos();

/// Stands still until told otherwise. Thread-safe.
class ManualClock : public Clock {
 public:
  explicit ManualClock(uint64_t unix_micros) : micros_(unix_micros) {}
  uint64_t unix_micros() const override { return micros_.load(); }
  uint64_t monotonic_nanos() const override { return micros_.load() * 1000; }
  void advance_micros(uint64_t micros) { micros_.fetch_add(micros); }

 private:
  std::atomic<uint64_t> micros_;
};

/// Commit times: max(now, last + 1 us) across the process, so that "everything at T" means one T
/// for all collections. Thread-safe.
class CommitClock {
 public:
  explicit CommitClock(const Clock& clock) : clock_(clock) {}
  uint64_t next_micros();
  /// Later commit times come after `micros` (called with the newest time found in a log at open).
  void advance_past(uint64_t micros);
  /// The clock was set back, by more than a moment: commit times stand still until it catches up.
  bool is_ahead() const { return last_.load() > clock_.unix_micros() + kMoment; }

 private:
  static constexpr uint64_t kMoment = 1'000'000;

  const Clock& clock_;
  std::atomic<uint64_t> last_{0};
};

}  // namespace ferres
