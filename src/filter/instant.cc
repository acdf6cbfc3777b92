// See instant.h.
#include "filter/instant.h"

#include <chrono>

namespace ferres {
namespace {

/// Takes digits and punctuation off the front of a text; the first failure sticks.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  int64_t digits(size_t count) {
    if (rest_.size() < count) return fail();
    int64_t value = 0;
    for (size_t i = 0; i < count; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') return fail();
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(count);
    return value;
  }
  bool take(std::string_view any_of) {
    if (rest_.empty() || any_of.find(rest_.front()) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(std::string_view any_of) {
    if (!take(any_of)) fail();
  }
  uint32_t fraction_nanos() {
    uint32_t value = 0;
    size_t count = 0;
    for (; !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9'; ++count) {
      if (count < 9) value = value * 10 + static_cast<uint32_t>(rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    if (count == 0) fail();
    for (; count < 9; ++count)
      value *= 10;
    return value;
  }
  char front() const { return rest_.empty() ? '\0' : rest_.front(); }
  bool at_end() const { return rest_.empty(); }
  bool ok() const { return ok_; }

 private:
  int64_t fail() {
    ok_ = false;
    return 0;
  }
  std::string_view rest_;
  bool ok_ = true;
};

std::optional<int64_t> days_since_epoch(int64_t year, int64_t month, int64_t day) {
  const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(year)},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count();
}

/// Seconds to subtract from local time.
int64_t scan_offset(Scanner& scan) {
  if (scan.at_end() || scan.take("Zz")) return 0;
  const int64_t direction = scan.front() == '-' ? -1 : 1;
  scan.expect("+-");
  const int64_t hours = scan.digits(2);
  scan.expect(":");
  const int64_t minutes = scan.digits(2);
  if (hours > 23 || minutes > 59) scan.expect("");
  return direction * (hours * 3600 + minutes * 60);
}

}  // namespace

std::optional<Instant> parse_instant(std::string_view text) {
  Scanner scan(text);
  const int64_t year = scan.digits(4);
  scan.expect("-");
  const int64_t month = scan.digits(2);
  scan.expect("-");
  const int64_t day = scan.digits(2);
  if (!scan.ok()) return std::nullopt;
  const auto days = days_since_epoch(year, month, day);
  if (!days) return std::nullopt;
  Instant instant{*days * 86400, 0};
  if (scan.at_end()) return instant;

  scan.expect("Tt ");
  const int64_t hour = scan.digits(2);
  scan.expect(":");
  const int64_t minute = scan.digits(2);
  scan.expect(":");
  const int64_t second = scan.digits(2);  // 60 is a leap second: the next minute's first
  if (scan.take(".")) instant.nanos = scan.fraction_nanos();
  const int64_t offset = scan_offset(scan);
  if (!scan.ok() || !scan.at_end() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  instant.seconds += hour * 3600 + minute * 60 + second - offset;
  return instant;
}

}  // namespace ferres
