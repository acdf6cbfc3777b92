// Size classes of the heaps in arenas: even steps to a bound, then a number of classes a doubling.
// Formats on disk rely on them: they never change.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>

namespace ferres {

/// Steps of kStep bytes to kFineBytes, then kPerDoubling classes a doubling. kFineBytes is a power
/// of two, and a multiple of kStep and of kPerDoubling.
template <uint64_t kStep, uint64_t kFineBytes, uint32_t kPerDoubling>
struct SizeClasses {
  static constexpr uint32_t kFine = kFineBytes / kStep;

  /// The smallest class that holds so many bytes.
  static constexpr uint32_t of(uint64_t bytes) {
    if (bytes <= kFineBytes) {
      return static_cast<uint32_t>((std::max<uint64_t>(bytes, 1) + kStep - 1) / kStep) - 1;
    }
    const auto doubling =
        static_cast<uint32_t>(std::bit_width(bytes - 1) - std::bit_width(kFineBytes));
    const uint64_t beyond = bytes - (kFineBytes << doubling);
    const uint64_t step = step_of(doubling);
    return kFine + doubling * kPerDoubling + static_cast<uint32_t>((beyond + step - 1) / step) - 1;
  }
  static constexpr uint64_t bytes(uint32_t size_class) {
    if (size_class < kFine) return (uint64_t{size_class} + 1) * kStep;
    const uint32_t doubling = (size_class - kFine) / kPerDoubling;
    const uint64_t steps = (size_class - kFine) % kPerDoubling + 1;
    return (kFineBytes << doubling) + steps * step_of(doubling);
  }

 private:
  static constexpr uint64_t step_of(uint32_t doubling) {
    return (kFineBytes << doubling) / kPerDoubling;
  }
};

/// Of lists and of the payload's blocks: 16-byte steps to 1 KiB, then four a doubling.
inline uint32_t size_class_of(uint64_t bytes) {
  return SizeClasses<16, 1024, 4>::of(bytes);
}
inline uint64_t size_class_bytes(uint32_t size_class) {
  return SizeClasses<16, 1024, 4>::bytes(size_class);
}

}  // namespace ferres
