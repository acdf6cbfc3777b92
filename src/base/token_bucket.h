// Limits how often something happens: `rate` tokens a second come in, `burst` at most wait, and
// each event takes one. Not thread-safe.
#pragma once
#include <algorithm>
#include <cstdint>

namespace ferres {

class TokenBucket {
 public:
  TokenBucket(double rate, double burst, uint64_t now_nanos)
      : rate_(rate), burst_(burst), tokens_(burst), at_nanos_(now_nanos) {}

  bool take(uint64_t now_nanos) {
    tokens_ = at(now_nanos);
    at_nanos_ = std::max(at_nanos_, now_nanos);
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }
  /// Until take() says yes again, when nobody else asks.
  double seconds_to_next() const { return std::max(0.0, (1 - tokens_) / rate_); }
  /// As good as new.
  bool full(uint64_t now_nanos) const { return at(now_nanos) >= burst_; }

 private:
  double at(uint64_t now_nanos) const {
    if (now_nanos <= at_nanos_) return tokens_;
    return std::min(burst_, tokens_ + static_cast<double>(now_nanos - at_nanos_) * 1e-9 * rate_);
  }

  double rate_;
  double burst_;
  double tokens_;
  uint64_t at_nanos_;
};

}  // namespace ferres
