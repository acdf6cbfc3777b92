// Randomness: a small seeded generator for everything that a test must be able to repeat, and
// random_bytes from the kernel for secrets and names. The only home of both. A Random belongs to
// one thread; the free functions may be called from any.
#pragma once
#include <array>
#include <bit>
#include <cstdint>
#include <string>

#include "base/types.h"

namespace ferres {

/// xoshiro256** seeded by splitmix64 (Blackman and Vigna, "Scrambled linear pseudorandom number
/// generators", 2021). Same seed, same numbers, on every machine. Fits std::shuffle and friends,
/// whose own results differ between libraries: use below() and unit() for what must not.
class Random {
 public:
  using result_type = uint64_t;

  explicit Random(uint64_t seed) {
    for (uint64_t& word : state_) {
      seed += 0x9E3779B97F4A7C15u;
      uint64_t mixed = seed;
      mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
      mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
      word = mixed ^ (mixed >> 31);
    }
  }

  uint64_t next() {
    const uint64_t out = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return out;
  }

  /// Uniform in [0, limit); 0 when limit is 0. The bias is below limit / 2^64.
  uint64_t below(uint64_t limit) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * limit) >> 64);
  }
  /// Uniform in [0, 1), 53 bits.
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  bool one_in(uint64_t n) { return below(n) == 0; }

  uint64_t operator()() { return next(); }
  static constexpr uint64_t min() { return 0; }
  static constexpr uint64_t max() { return ~uint64_t{0}; }

 private:
  std::array<uint64_t, 4> state_{};
};

/// Fills out from the kernel's generator: fit for keys and tokens.
void random_bytes(MutableBytes out);
uint64_t random_seed();
/// Lower-case hex digits, two a byte.
std::string to_hex(Bytes bytes);
/// A random (version 4) UUID: 8-4-4-4-12 hex digits.
std::string random_uuid();

}  // namespace ferres
