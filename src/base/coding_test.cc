// Round trips of the byte formats, and Reader on input that is cut anywhere or made up.
#include "base/coding.h"

#include <limits>
#include <random>

#include <gtest/gtest.h>

namespace ferres {
namespace {

std::string sample() {
  std::string out;
  put_u8(out, 0x12);
  put_u16(out, 0x3456);
  put_u32(out, 0x789ABCDE);
  put_u64(out, 0x0123456789ABCDEF);
  put_f32(out, 1.5F);
  put_f64(out, -2.25);
  put_varint(out, 300);
  put_string(out, "snow");
  put_bytes(out, as_bytes("xy"));
  return out;
}

TEST(Coding, ReadsBackWhatWasPut) {
  const std::string out = sample();
  Reader reader(as_bytes(out));
  EXPECT_EQ(reader.u8(), 0x12);
  EXPECT_EQ(reader.u16(), 0x3456);
  EXPECT_EQ(reader.u32(), 0x789ABCDEu);
  EXPECT_EQ(reader.u64(), 0x0123456789ABCDEFu);
  EXPECT_EQ(reader.f32(), 1.5F);
  EXPECT_EQ(reader.f64(), -2.25);
  EXPECT_EQ(reader.varint(), 300u);
  EXPECT_EQ(reader.string(), "snow");
  EXPECT_EQ(as_text(reader.bytes(2)), "xy");
  EXPECT_TRUE(reader.at_end());
  EXPECT_TRUE(reader.finished("sample").ok());
}

TEST(Coding, LaysBytesOutLittleEndian) {
  std::string out;
  put_u32(out, 0x01020304);
  put_varint(out, 300);
  EXPECT_EQ(out, std::string("\x04\x03\x02\x01\xAC\x02", 6));
  std::byte raw[9] = {};
  store_u64(raw + 1, 0x1122334455667788);
  EXPECT_EQ(raw[1], std::byte{0x88});
  EXPECT_EQ(load_u64(raw + 1), 0x1122334455667788u);
}

TEST(Coding, VarintsSurviveAtEveryWidth) {
  for (uint32_t bit = 0; bit < 64; bit++) {
    for (const uint64_t value : {(uint64_t{1} << bit) - 1, uint64_t{1} << bit}) {
      std::string out;
      put_varint(out, value);
      Reader reader(as_bytes(out));
      EXPECT_EQ(reader.varint(), value);
      EXPECT_TRUE(reader.finished("varint").ok());
    }
  }
  std::string out;
  put_varint(out, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(out.size(), 10u);
}

TEST(Coding, VarintBeyond64BitsIsRefused) {
  for (const std::string& bad : {std::string(9, '\xff') + '\x02', std::string(10, '\xff') + '\x01',
                                 std::string(10, '\x80')}) {
    Reader reader(as_bytes(bad));
    EXPECT_EQ(reader.varint(), 0u);
    EXPECT_FALSE(reader.ok());
  }
}

TEST(Coding, EveryCutIsNoticedAndStaysNoticed) {
  const std::string out = sample();
  for (size_t length = 0; length < out.size(); length++) {
    Reader reader(as_bytes(std::string_view(out).substr(0, length)));
    (void)reader.u8(), (void)reader.u16(), (void)reader.u32(), (void)reader.u64();
    (void)reader.f32(), (void)reader.f64(), (void)reader.varint();
    (void)reader.string();
    (void)reader.bytes(2);
    EXPECT_FALSE(reader.ok()) << "length " << length;
    EXPECT_EQ(reader.status("cut").code(), Code::kCorruption);
    EXPECT_EQ(reader.u8(), 0);
  }
}

TEST(Coding, LengthsBeyondTheInputAreRefused) {
  std::string out;
  put_varint(out, std::numeric_limits<uint64_t>::max());
  out += "abc";
  Reader reader(as_bytes(out));
  EXPECT_EQ(reader.string(), "");
  EXPECT_FALSE(reader.ok());

  std::string counted;
  put_varint(counted, 3);
  counted += "1234567";
  EXPECT_EQ(Reader(as_bytes(counted)).count(2), 3u);
  Reader too_many(as_bytes(counted));
  EXPECT_EQ(too_many.count(3), 0u);
  EXPECT_FALSE(too_many.ok());
}

TEST(Coding, LeftoverBytesAreReported) {
  Reader reader(as_bytes("ab"));
  (void)reader.u8();
  EXPECT_TRUE(reader.status("x").ok());
  EXPECT_EQ(reader.finished("x").code(), Code::kCorruption);
}

TEST(Coding, RandomInputIsNeverReadPastItsEnd) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 2000; round++) {
    // Exactly sized heap memory, so that the address sanitizer sees one byte too many.
    const size_t size = random() % 40;
    const auto data = std::make_unique<std::byte[]>(size);
    for (size_t i = 0; i < size; i++)
      data[i] = static_cast<std::byte>(random());
    Reader reader(Bytes(data.get(), size));
    while (reader.ok() && !reader.at_end()) {
      switch (random() % 5) {
        case 0:
          (void)reader.u32();
          break;
        case 1:
          (void)reader.varint();
          break;
        case 2:
          (void)reader.string();
          break;
        case 3:
          (void)reader.u8();
          break;
        default:
          (void)reader.count(4);
      }
    }
  }
}

}  // namespace
}  // namespace ferres
