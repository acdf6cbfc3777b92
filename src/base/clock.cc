// The system clocks and the commit clock. Any thread.
#include "base/clock.h"

#include <algorithm>
#include <chrono>
#include <ctime>

namespace ferres {
namespace {

class SystemClock : public Clock {
 public:
  uint64_t unix_micros() const override {
    return since_epoch<std::chrono::microseconds>(std::chrono::system_clock::now());
  }
  uint64_t monotonic_nanos() const override {
    return since_epoch<std::chrono::nanoseconds>(std::chrono::steady_clock::now());
  }

 private:
  template <class Unit, class TimePoint>
  static uint64_t since_epoch(TimePoint now) {
    return static_cast<uint64_t>(std::chrono::duration_cast<Unit>(now.time_since_epoch()).count());
  }
};

uint64_t cpu_nanos(clockid_t clock) {
  timespec time{};
  static_cast<void>(clock_gettime(clock, &time));  // fails when a process has gone: 0
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace

uint64_t process_cpu_nanos(int pid) {
  clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
  return clock_getcpuclockid(pid, &clock) == 0 ? cpu_nanos(clock) : 0;
}

uint64_t thread_cpu_nanos() {
  return cpu_nanos(CLOCK_THREAD_CPUTIME_ID);
}

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

uint64_t CommitClock::next_micros() {
  uint64_t last = last_.load();
  uint64_t next = 0;
  do {
    next = std::max(clock_.unix_micros(), last + 1);
  } while (!last_.compare_exchange_weak(last, next));
  return next;
}

void CommitClock::advance_past(uint64_t micros) {
  uint64_t last = last_.load();
  while (last < micros && !last_.compare_exchange_weak(last, micros)) {
  }
}

}  // namespace ferres
