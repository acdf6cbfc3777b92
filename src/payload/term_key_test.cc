// Keys order numbers, times and places as the filter compares them.
#include "payload/term_key.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"

namespace ferres {
namespace {

int sign(int value) {
  return value < 0 ? -1 : (value > 0 ? 1 : 0);
}

int order(const TermKey& a, const TermKey& b) {
  return a < b ? -1 : (a == b ? 0 : 1);
}

std::vector<JsonNumber> edge_numbers(Random& random) {
  std::vector<JsonNumber> numbers;
  for (const double base : {0.0, 1.0, 0x1p52, 0x1p53, 0x1p54, 0x1p62, 0x1p63, 0x1p64, 1e300}) {
    for (const double near : {base, std::nextafter(base, 0.0), std::nextafter(base, 1e308)}) {
      for (const double value : {near, -near, near + 0.5}) {
        numbers.push_back(JsonNumber::of(value));
        if (std::abs(value) >= 0x1p63) continue;
        const auto whole = static_cast<int64_t>(value);
        numbers.push_back(JsonNumber::of(whole));
        numbers.push_back(JsonNumber::of(whole + static_cast<int64_t>(random.below(5)) - 2));
      }
    }
  }
  numbers.push_back(JsonNumber::of(std::numeric_limits<int64_t>::min()));
  numbers.push_back(JsonNumber::of(std::numeric_limits<int64_t>::max()));
  numbers.push_back(JsonNumber::of(~uint64_t{0}));
  numbers.push_back(JsonNumber::of((uint64_t{1} << 63) + random.below(3000)));
  return numbers;
}

TEST(TermKey, NumbersKeepTheirOrderExactly) {
  Random random(1);
  const std::vector<JsonNumber> numbers = edge_numbers(random);
  for (const JsonNumber& a : numbers) {
    for (const JsonNumber& b : numbers) {
      ASSERT_EQ(order(number_key(3, a), number_key(3, b)), sign(compare(a, b)))
          << a.to_double() << " " << b.to_double();
    }
    EXPECT_EQ(field_of(number_key(3, a)), 3u);
    EXPECT_EQ(type_of(number_key(3, a)), TermType::kNumber);
    EXPECT_LE(first_key(3, TermType::kNumber), number_key(3, a));
    EXPECT_GE(last_key(3, TermType::kNumber), number_key(3, a));
  }
}

TEST(TermKey, InstantsKeepTheirOrder) {
  Random random(2);
  std::vector<Instant> instants{{0, 0}, {-1, 999'999'999}, {1, 0}, {0, 1}};
  for (int i = 0; i < 100; ++i) {
    instants.push_back({static_cast<int64_t>(random.below(1'000'000)) - 500'000,
                        static_cast<uint32_t>(random.below(1'000'000'000))});
  }
  for (const Instant& a : instants) {
    for (const Instant& b : instants) {
      const int expected = a < b ? -1 : (a == b ? 0 : 1);
      ASSERT_EQ(order(instant_key(1, a), instant_key(1, b)), expected);
    }
  }
}

TEST(TermKey, NeighboursHaveNothingBetween) {
  const TermKey key{5, ~uint64_t{0}};
  EXPECT_EQ(next(key), (TermKey{6, 0}));
  EXPECT_EQ(previous(next(key)), key);
}

TEST(TermKey, APlaceLiesWhereItsKeySays) {
  Random random(3);
  for (int i = 0; i < 10'000; ++i) {
    const GeoPoint place{random.unit() * 180 - 90, random.unit() * 360 - 180};
    const TermKey key = place_key(9, place);
    EXPECT_LT(distance_meters(place, place_of(key)), 0.01);
    GeoCell cell;
    for (int level = 0; level < 20; ++level) {
      ASSERT_LE(cell.first(9), key);
      ASSERT_GE(cell.last(9), key);
      ASSERT_LE(cell.low().lat, place.lat);
      ASSERT_GE(cell.high().lon, place.lon);
      uint32_t quarter = 0;
      while (quarter < 3 && cell.child(quarter).last(9) < key)
        ++quarter;
      cell = cell.child(quarter);
    }
  }
}

}  // namespace
}  // namespace ferres
