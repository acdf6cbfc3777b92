// Implements npy.h. The header is a Python dictionary literal with three known keys; it is searched
// for them, not parsed in full. Content is converted in pieces: a large set is in memory once.
#include "npy.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace ferres::bench {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kPieceBytes = 1 << 20;

struct Header {
  std::string type;  // "<f4", "|u1", ...
  size_t rows = 0;
  size_t columns = 0;
};

Status bad(const std::string& path, const char* what) {
  return {Code::kInvalidArgument, fmt::format("{}: {}", path, what)};
}

/// The text between `before` and `after`, or nothing.
std::string_view between(std::string_view text, std::string_view before, std::string_view after) {
  const size_t start = text.find(before);
  if (start == std::string_view::npos) return {};
  text.remove_prefix(start + before.size());
  return text.substr(0, std::min(text.find(after), text.size()));
}

Result<Header> read_header(std::ifstream& file, const std::string& path) {
  std::array<char, 12> start{};
  file.read(start.data(), 8);
  if (!file || std::string_view(start.data(), kMagic.size()) != kMagic) {
    return bad(path, "cannot be read or is no .npy file");
  }
  const bool short_length = start[6] == 1;
  file.read(start.data() + 8, short_length ? 2 : 4);
  uint32_t length = 0;
  std::memcpy(&length, start.data() + 8, short_length ? 2 : 4);
  if (!file || length > (1 << 16)) return bad(path, "damaged header");
  std::string text(length, ' ');
  file.read(text.data(), length);
  if (!file || text.find("'fortran_order': False") == std::string::npos) {
    return bad(path, "damaged header, or not in C order");
  }
  Header header;
  header.type = between(text, "'descr': '", "'");
  const std::string shape(between(text, "'shape': (", ")"));
  if (std::sscanf(shape.c_str(), "%zu, %zu", &header.rows, &header.columns) != 2) {
    return bad(path, "not an array of two dimensions");
  }
  return header;
}

float from_half(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000u} << 16;
  const uint32_t exponent = (half >> 10) & 0x1Fu;
  const uint32_t mantissa = half & 0x3FFu;
  if (exponent == 0) {
    const float value = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  const uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | mantissa << 13);
}

/// Reads `to.size()` values stored as From.
template <class From, class To, class Convert>
bool read_values(std::ifstream& file, std::vector<To>& to, Convert convert) {
  std::vector<From> piece(kPieceBytes / sizeof(From));
  for (size_t done = 0; done < to.size(); done += piece.size()) {
    const size_t count = std::min(piece.size(), to.size() - done);
    file.read(reinterpret_cast<char*>(piece.data()),
              static_cast<std::streamsize>(count * sizeof(From)));
    if (!file) return false;
    std::transform(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(count),
                   to.begin() + static_cast<std::ptrdiff_t>(done), convert);
  }
  return true;
}

}  // namespace

Result<Matrix<float>> read_vectors(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  TRY_ASSIGN(const Header header, read_header(file, path));
  Matrix<float> matrix{header.rows, header.columns, {}};
  matrix.values.resize(header.rows * header.columns);
  bool whole = false;
  if (header.type == "<f4") {
    whole = read_values<float>(file, matrix.values, [](float value) { return value; });
  } else if (header.type == "<f2") {
    whole = read_values<uint16_t>(file, matrix.values, from_half);
  } else if (header.type == "|u1") {
    whole = read_values<uint8_t>(file, matrix.values,
                                 [](uint8_t value) { return static_cast<float>(value); });
  } else {
    return bad(path, "must hold float32, float16 or uint8");
  }
  if (!whole) return bad(path, "shorter than its header says");
  return matrix;
}

Result<Matrix<int32_t>> read_ids(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  TRY_ASSIGN(const Header header, read_header(file, path));
  if (header.type != "<i4") return bad(path, "must hold int32");
  Matrix<int32_t> matrix{header.rows, header.columns, {}};
  matrix.values.resize(header.rows * header.columns);
  if (!read_values<int32_t>(file, matrix.values, [](int32_t value) { return value; })) {
    return bad(path, "shorter than its header says");
  }
  return matrix;
}

}  // namespace ferres::bench
