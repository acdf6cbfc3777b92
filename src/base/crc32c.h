// CRC32C (Castagnoli), the checksum of every byte FerresDB writes to disk. Chosen for the SSE4.2
// instruction, which makes it nearly free; a table walk stands in where the CPU lacks it. Pure
// functions, any thread.
#pragma once
#include <cstdint>

#include "base/types.h"

namespace ferres {

/// CRC of data. seed is the CRC of the bytes before: crc32c(b, crc32c(a)) == crc32c(a + b).
uint32_t crc32c(Bytes data, uint32_t seed = 0);

namespace crc32c_internal {
/// The two ways, for the test that compares them. hardware() only when has_hardware().
bool has_hardware();
uint32_t hardware(Bytes data, uint32_t seed);
uint32_t table(Bytes data, uint32_t seed);
}  // namespace crc32c_internal

}  // namespace ferres
