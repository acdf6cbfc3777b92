// See rotation.h. Rounds alternate between the first and the last segment; they overlap whenever
// padded_dim() is no power of two, so every component meets every other.
#include "quant/rotation.h"

#include <cmath>

#include "base/random.h"
#include "kernels/codes.h"

namespace ferres {
namespace {

constexpr uint64_t kSeed = 7;  // part of the format: codes on disk depend on it

}  // namespace

Rotation::Rotation(uint32_t dim) : dim_(dim), padded_(pad(dim)) {
  while (segment_ * 2 <= padded_)
    segment_ *= 2;
  signs_.resize(size_t{kRounds} * segment_);
  ones_.resize(segment_);
  Random random(kSeed);
  for (size_t i = 0; i < signs_.size(); ++i)
    signs_[i] = random.one_in(2) ? 1.0f : -1.0f;
  for (size_t i = 0; i < segment_; ++i)
    ones_[i] = 1;
}

float* Rotation::segment(float* x, uint32_t round) const {
  return round % 2 == 0 ? x : x + (padded_ - segment_);
}

void Rotation::apply(float* x) const {
  const float scale = 1 / std::sqrt(static_cast<float>(segment_));
  for (uint32_t round = 0; round < kRounds; ++round) {
    code_kernels().hadamard(segment(x, round), signs_.data() + size_t{round} * segment_, segment_,
                            scale);
  }
}

void Rotation::invert(float* x) const {
  const float scale = 1 / std::sqrt(static_cast<float>(segment_));
  for (uint32_t round = kRounds; round-- > 0;) {
    float* const part = segment(x, round);
    const float* const signs = signs_.data() + size_t{round} * segment_;
    code_kernels().hadamard(part, ones_.data(), segment_, scale);
    for (uint32_t i = 0; i < segment_; ++i)
      part[i] *= signs[i];
  }
}

}  // namespace ferres
