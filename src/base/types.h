// The words every module shares. One meaning each: a slot is an internal point number, an LSN is a
// position in one collection's log.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace ferres {

using Slot = uint32_t;
using Lsn = uint64_t;
using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline constexpr Slot kNoSlot = 0xFFFFFFFFu;
inline constexpr Lsn kNoLsn = ~Lsn{0};  // died_lsn of a living point

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace ferres
