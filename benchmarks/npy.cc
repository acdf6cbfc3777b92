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
bool read_values(std::ifstream& file, std::span<To> to, Convert convert) {
  std::vector<From> piece(std::min(kPieceBytes / sizeof(From), to.size()));
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

Result<VectorReader> VectorReader::open(const std::string& path) {
  VectorReader reader;
  reader.path_ = path;
  reader.file_.open(path, std::ios::binary);
  TRY_ASSIGN(Header header, read_header(reader.file_, path));
  if (header.type != "<f4" && header.type != "<f2" && header.type != "|u1") {
    return bad(path, "must hold float32, float16 or uint8");
  }
  reader.type_ = std::move(header.type);
  reader.rows_ = header.rows;
  reader.columns_ = header.columns;
  return reader;
}

Status VectorReader::read(std::span<float> rows) {
  bool whole = false;
  if (type_ == "<f4") {
    whole = read_values<float>(file_, rows, [](float value) { return value; });
  } else if (type_ == "<f2") {
    whole = read_values<uint16_t>(file_, rows, from_half);
  } else {
    whole =
        read_values<uint8_t>(file_, rows, [](uint8_t value) { return static_cast<float>(value); });
  }
  return whole ? Status() : bad(path_, "shorter than its header says");
}

Result<Matrix<float>> read_vectors(const std::string& path) {
  TRY_ASSIGN(VectorReader reader, VectorReader::open(path));
  Matrix<float> matrix{reader.rows(), reader.columns(), {}};
  matrix.values.resize(matrix.rows * matrix.columns);
  TRY(reader.read(matrix.values));
  return matrix;
}

Result<Matrix<int32_t>> read_ids(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  TRY_ASSIGN(const Header header, read_header(file, path));
  if (header.type != "<i4") return bad(path, "must hold int32");
  Matrix<int32_t> matrix{header.rows, header.columns, {}};
  matrix.values.resize(header.rows * header.columns);
  if (!read_values<int32_t>(file, std::span(matrix.values), [](int32_t value) { return value; })) {
    return bad(path, "shorter than its header says");
  }
  return matrix;
}

Result<NpyWriter> NpyWriter::create(const std::string& path, size_t rows, size_t columns,
                                    const char* type) {
  NpyWriter writer;
  writer.path_ = path;
  writer.missing_ = rows * columns;
  writer.file_.open(path, std::ios::binary | std::ios::trunc);
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}, {}), }}",
                                 type, rows, columns);
  // The format wants the values to begin at a multiple of 64.
  constexpr size_t kBefore = 10;
  text.resize((text.size() + 1 + kBefore + 63) / 64 * 64 - kBefore, ' ');
  text.back() = '\n';
  const auto length = static_cast<uint16_t>(text.size());
  writer.file_ << kMagic << '\1' << '\0' << static_cast<char>(length & 0xff)
               << static_cast<char>(length >> 8) << text;
  if (!writer.file_) return Status(Code::kIo, path + ": cannot write");
  return writer;
}

Status NpyWriter::write_bytes(const void* data, size_t values) {
  if (values > missing_) return {Code::kInternal, path_ + ": more values than its header says"};
  missing_ -= values;
  static_assert(sizeof(float) == sizeof(int32_t));
  file_.write(static_cast<const char*>(data), static_cast<std::streamsize>(values * sizeof(float)));
  return file_ ? Status() : Status(Code::kIo, path_ + ": cannot write");
}

Status NpyWriter::write(std::span<const float> values) {
  return write_bytes(values.data(), values.size());
}
Status NpyWriter::write(std::span<const int32_t> values) {
  return write_bytes(values.data(), values.size());
}

Status NpyWriter::close() {
  file_.close();
  if (!file_) return {Code::kIo, path_ + ": cannot write"};
  return missing_ == 0 ? Status() : Status(Code::kInternal, path_ + ": shorter than its header");
}

}  // namespace ferres::bench
