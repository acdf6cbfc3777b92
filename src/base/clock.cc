// The system clocks and the commit clock. Any thread.
#include "base/clock.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <ctime>

#include <fmt/format.h>

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

std::string rfc3339(uint64_t unix_micros) {
  using std::chrono::days;
  constexpr uint64_t kLast = 253'402'300'799'999'999;  // of the year 9999
  const std::chrono::sys_time<std::chrono::microseconds> time{
      std::chrono::microseconds(std::min(unix_micros, kLast))};
  const auto midnight = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(midnight);
  const std::chrono::hh_mm_ss clock(time - midnight);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

std::optional<uint64_t> unix_seconds_of_day(std::string_view day) {
  constexpr size_t kChars = 10;
  if (day.size() != kChars || day[4] != '-' || day[7] != '-') return std::nullopt;
  int year = 0;
  unsigned month = 0;
  unsigned number = 0;
  const char* const text = day.data();
  if (std::from_chars(text, text + 4, year).ptr != text + 4 ||
      std::from_chars(text + 5, text + 7, month).ptr != text + 7 ||
      std::from_chars(text + 8, text + kChars, number).ptr != text + kChars) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(number)};
  if (!date.ok() || year < 1970) return std::nullopt;
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  return static_cast<uint64_t>(days) * 86400;
}

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
