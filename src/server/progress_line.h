// One line on the terminal (stderr) that is written over while a command works; nothing when that
// is no terminal. Main thread only.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

namespace ferres {

class ProgressLine {
 public:
  /// "checked", "sent": what is done with the bytes.
  explicit ProgressLine(std::string verb) : verb_(std::move(verb)) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  /// total 0: nobody knows.
  void show(uint64_t done, uint64_t total) {
    if (!terminal_) return;
    const uint64_t step = total == 0 ? done >> 20 : std::min<uint64_t>(100, done * 100 / total);
    if (shown_ && step == step_) return;
    shown_ = true;
    step_ = step;
    if (total == 0) {
      fmt::print(stderr, "\r{} {} MiB ", verb_, step);
    } else {
      fmt::print(stderr, "\r{} {}% of {} MiB ", verb_, step, total >> 20);
    }
    std::fflush(stderr);
  }
  void clear() {
    if (shown_) fmt::print(stderr, "\r\x1b[K");
    shown_ = false;
  }

 private:
  const std::string verb_;
  const bool terminal_ = isatty(STDERR_FILENO) == 1;
  bool shown_ = false;
  uint64_t step_ = 0;
};

}  // namespace ferres
