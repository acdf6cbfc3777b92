// Times as text: what is one, what is none, and that equal instants compare equal.
#include "filter/instant.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

TEST(Instant, SecondsCountFromTheEpoch) {
  EXPECT_EQ(parse_instant("1970-01-01T00:00:00Z"), (Instant{0, 0}));
  EXPECT_EQ(parse_instant("1970-01-01"), (Instant{0, 0}));
  EXPECT_EQ(parse_instant("2024-02-29T12:34:56.789Z"), (Instant{1709210096, 789'000'000}));
  EXPECT_EQ(parse_instant("1969-12-31T23:59:59.5Z"), (Instant{-1, 500'000'000}));
  EXPECT_EQ(parse_instant("9999-12-31T23:59:59Z"), (Instant{253402300799, 0}));
  EXPECT_EQ(parse_instant("2016-12-31T23:59:60Z"), parse_instant("2017-01-01T00:00:00Z"));
  EXPECT_EQ(parse_instant("2024-01-01T00:00:00.1234567891Z")->nanos, 123'456'789u);
}

TEST(Instant, OffsetsMeetAtOneInstant) {
  const auto utc = parse_instant("2024-05-01T12:00:00Z");
  ASSERT_TRUE(utc.has_value());
  for (const char* text :
       {"2024-05-01T14:00:00+02:00", "2024-05-01T06:30:00-05:30", "2024-05-01t12:00:00z",
        "2024-05-01 12:00:00+00:00", "2024-05-01T12:00:00.000-00:00", "2024-05-01T12:00:00"}) {
    EXPECT_EQ(parse_instant(text), utc) << text;
  }
}

TEST(Instant, OtherTextIsNone) {
  for (const char* text : {"",
                           "soon",
                           "2024",
                           "2024-13-01",
                           "2024-02-30",
                           "2023-02-29",
                           "2024-1-1",
                           "24-01-01",
                           "2024-01-01T",
                           "2024-01-01T24:00:00Z",
                           "2024-01-01T00:60:00Z",
                           "2024-01-01T00:00:61Z",
                           "2024-01-01T00:00Z",
                           "2024-01-01T00:00:00.Z",
                           "2024-01-01T00:00:00+0200",
                           "2024-01-01T00:00:00+24:00",
                           "2024-01-01T00:00:00Zz",
                           "2024-01-01T00:00:00Z ",
                           "2024-01-01x00:00:00Z",
                           "-024-01-01",
                           "2024-00-10",
                           "2024-01-00"}) {
    EXPECT_FALSE(parse_instant(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace ferres
