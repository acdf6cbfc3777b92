// See fold.h.
#include "filter/fold.h"

#include <array>
#include <cstdint>

namespace ferres {
namespace {

/// Upper-case letters first..last of every `step`-th code point; lower case lies `offset` above.
struct CaseRange {
  uint32_t first;
  uint32_t last;
  uint32_t step;
  uint32_t offset;
};

constexpr std::array<CaseRange, 20> kCaseRanges{{
    {0x00C0, 0x00D6, 1, 32}, {0x00D8, 0x00DE, 1, 32},  // Latin-1
    {0x0100, 0x012E, 2, 1},  {0x0132, 0x0136, 2, 1},   // Latin Extended-A
    {0x0139, 0x0147, 2, 1},  {0x014A, 0x0176, 2, 1},  {0x0179, 0x017D, 2, 1},
    {0x01CD, 0x01DB, 2, 1},  {0x01DE, 0x01EE, 2, 1},  {0x01F8, 0x021E, 2, 1},
    {0x0391, 0x03A1, 1, 32}, {0x03A3, 0x03AB, 1, 32},  // Greek
    {0x0400, 0x040F, 1, 80}, {0x0410, 0x042F, 1, 32},  // Cyrillic
    {0x0460, 0x0480, 2, 1},  {0x0531, 0x0556, 1, 48},  // Cyrillic, Armenian
    {0x048A, 0x04BE, 2, 1},  {0x04D0, 0x052E, 2, 1},  {0x1E00, 0x1E94, 2, 1},
    {0x1EA0, 0x1EFE, 2, 1},  // Latin Extended Additional
}};

uint32_t fold(uint32_t code) {
  for (const CaseRange& range : kCaseRanges) {
    if (code < range.first || code > range.last) continue;
    return (code - range.first) % range.step == 0 ? code + range.offset : code;
  }
  return code;
}

}  // namespace

void fold_case(std::string_view text, std::string& out) {
  out.assign(text);
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(out[i]); };
  for (size_t i = 0; i < out.size(); ++i) {
    const uint32_t lead = byte(i);
    if (lead < 0x80) {
      if (lead >= 'A' && lead <= 'Z') out[i] = static_cast<char>(lead + 32);
    } else if (lead >= 0xC3 && lead <= 0xD5 && i + 1 < out.size()) {
      // Every pair above keeps the length of its encoding, so folding works in place.
      const uint32_t code = fold((lead & 0x1F) << 6 | (byte(i + 1) & 0x3Fu));
      out[i] = static_cast<char>(0xC0 | (code >> 6));
      out[++i] = static_cast<char>(0x80 | (code & 0x3F));
    } else if (lead == 0xE1 && i + 2 < out.size()) {
      const uint32_t code =
          fold((lead & 0x0F) << 12 | (byte(i + 1) & 0x3Fu) << 6 | (byte(i + 2) & 0x3Fu));
      out[++i] = static_cast<char>(0x80 | ((code >> 6) & 0x3F));
      out[++i] = static_cast<char>(0x80 | (code & 0x3F));
    }
  }
}

}  // namespace ferres
