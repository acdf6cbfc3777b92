// CRC32C against the vectors of RFC 3720 (B.4), and the two implementations against each other.
#include "base/crc32c.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace ferres {
namespace {

TEST(Crc32c, MatchesKnownVectors) {
  std::string ascending;
  std::string descending;
  for (int i = 0; i < 32; i++) {
    ascending.push_back(static_cast<char>(i));
    descending.push_back(static_cast<char>(31 - i));
  }
  for (const auto crc : {crc32c, crc32c_internal::table}) {
    EXPECT_EQ(crc(as_bytes("123456789"), 0), 0xE3069283u);
    EXPECT_EQ(crc(as_bytes(std::string(32, '\0')), 0), 0x8A9136AAu);
    EXPECT_EQ(crc(as_bytes(std::string(32, '\xff')), 0), 0x62A8AB43u);
    EXPECT_EQ(crc(as_bytes(ascending), 0), 0x46DD794Eu);
    EXPECT_EQ(crc(as_bytes(descending), 0), 0x113FDB5Cu);
    EXPECT_EQ(crc({}, 0), 0u);
  }
}

TEST(Crc32c, HardwareAndTableAgreeAtEveryLengthAndAlignment) {
  if (!crc32c_internal::has_hardware()) GTEST_SKIP() << "no SSE4.2";
  std::mt19937_64 random(1);
  std::vector<std::byte> data(64 * 1024);
  for (std::byte& b : data)
    b = static_cast<std::byte>(random());
  const auto check = [&](size_t offset, size_t length) {
    const Bytes part(data.data() + offset, length);
    const auto seed = static_cast<uint32_t>(random());
    ASSERT_EQ(crc32c_internal::hardware(part, seed), crc32c_internal::table(part, seed))
        << "offset " << offset << " length " << length << " seed " << seed;
  };
  for (size_t length = 0; length < 2000; length++)
    check(length % 17, length);
  for (size_t length = 12200; length < 12400; length++)
    check(length % 17, length);
  check(0, data.size());
}

TEST(Crc32c, ContinuesFromASeed) {
  std::string text(20000, 'x');
  for (size_t i = 0; i < text.size(); i++)
    text[i] = static_cast<char>(i * 31);
  const std::string_view view = text;
  const uint32_t whole = crc32c(as_bytes(view));
  for (const size_t cut : {size_t{0}, size_t{1}, size_t{777}, size_t{12289}, text.size()}) {
    EXPECT_EQ(crc32c(as_bytes(view.substr(cut)), crc32c(as_bytes(view.substr(0, cut)))), whole);
  }
}

TEST(Crc32c, EveryBitCounts) {
  std::string text(1024, 'a');
  const uint32_t whole = crc32c(as_bytes(text));
  for (size_t bit = 0; bit < text.size() * 8; bit++) {
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
    ASSERT_NE(crc32c(as_bytes(text)), whole) << "bit " << bit;
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
  }
}

}  // namespace
}  // namespace ferres
