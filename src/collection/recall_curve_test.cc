// Tests of recall_curve.h: which curve is asked, what it answers between its places, and when it is
// out of date.
#include "collection/recall_curve.h"

#include <gtest/gtest.h>

#include "collection/query_sample.h"

namespace ferres {
namespace {

TEST(RecallCurve, ClassesAreOneTwoFive) {
  const std::pair<uint32_t, uint32_t> expected[] = {
      {1, 1},   {2, 2},     {3, 5},     {5, 5},        {6, 10},       {10, 10},
      {11, 20}, {100, 100}, {101, 200}, {5001, 10000}, {10000, 10000}};
  for (const auto& [k, expected_class] : expected)
    EXPECT_EQ(curve_class(k), expected_class) << k;
}

TEST(RecallCurve, AnswersBetweenItsPlaces) {
  const RecallCurve curve = {.places = {{10, 0.80}, {40, 0.95}, {160, 0.99}}, .points = 1};
  EXPECT_EQ(ef_for(curve, 0.5), 10u);
  EXPECT_EQ(ef_for(curve, 0.80), 10u);
  EXPECT_EQ(ef_for(curve, 0.90), 20u);  // half as much missed as at 10: half of the way to 40
  EXPECT_EQ(ef_for(curve, 0.95), 40u);
  EXPECT_EQ(ef_for(curve, 0.99), 160u);
  EXPECT_EQ(ef_for(curve, 0.999), 160u);  // beyond what was measured: all there is
}

TEST(RecallCurve, LetsNoLargerEfReachLess) {
  const RecallCurve curve = {.places = {{10, 0.90}, {20, 0.89}, {40, 0.89}, {80, 0.97}},
                             .points = 1};
  EXPECT_EQ(ef_for(curve, 0.90), 10u);
  const uint32_t ef = ef_for(curve, 0.93);
  EXPECT_GT(ef, 40u);
  EXPECT_LT(ef, 80u);
}

TEST(RecallCurve, NothingMissedIsNoSpecialCase) {
  const RecallCurve curve = {.places = {{10, 1.0}}, .points = 1};
  EXPECT_EQ(ef_for(curve, 1.0), 10u);
  const RecallCurve flat = {.places = {{10, 0.0}, {20, 0.0}, {40, 1.0}}, .points = 1};
  EXPECT_EQ(ef_for(flat, 1.0), 40u);
}

TEST(RecallCurves, AreStaleUntilMeasuredAndWhenAQuarterChanged) {
  RecallCurves curves;
  EXPECT_FALSE(curves.ask(0.9, 7, 1000, 0).ef);
  EXPECT_TRUE(curves.ask(0.9, 7, 1000, 0).stale);
  curves.put(10, {.places = {{10, 0.8}, {80, 0.99}}, .points = 1000});
  for (const uint64_t points : {1000u, 1250u, 750u})
    EXPECT_FALSE(curves.ask(0.9, 7, points, 0).stale) << points;
  for (const uint64_t points : {1251u, 749u}) {
    EXPECT_TRUE(curves.ask(0.9, 7, points, 0).stale) << points;
    EXPECT_TRUE(curves.ask(0.9, 7, points, 0).ef) << points;  // better than nothing
  }
  EXPECT_FALSE(curves.ask(0.9, 11, 1000, 0).ef);
  EXPECT_EQ(curves.ask(0.1, 10, 1000, 0).ef, 10u);
  curves.put(6, {.places = {{6, 1.0}}, .points = 10});
  EXPECT_EQ(curves.ask(0.9, 10, 10, 0).ef, 10u);  // never less than k
}

TEST(RecallCurves, AreStaleWhenQueriesHaveMoreToSay) {
  RecallCurves curves;
  curves.put(10, {.places = {{10, 0.8}}, .points = 1000, .queries = 0});
  EXPECT_FALSE(curves.ask(0.9, 10, 1000, kCurveQueriesMin - 1).stale);
  EXPECT_TRUE(curves.ask(0.9, 10, 1000, kCurveQueriesMin).stale);
  curves.put(10, {.places = {{10, 0.8}}, .points = 1000, .queries = 300});
  EXPECT_FALSE(curves.ask(0.9, 10, 1000, 2399).stale);
  EXPECT_TRUE(curves.ask(0.9, 10, 1000, 2400).stale);
}

TEST(QuerySample, KeepsTheFirstAndThenSomeInPlaceOfTheOldest) {
  QuerySample sample;
  for (uint32_t i = 0; i < QuerySample::kQueries; ++i)
    EXPECT_EQ(sample.offer(std::vector<float>{static_cast<float>(i)}), i + 1);
  ASSERT_EQ(sample.copy().size(), QuerySample::kQueries);
  EXPECT_EQ(sample.copy()[17][0], 17);
  for (int i = 0; i < 32; ++i)
    sample.offer(std::vector<float>{-1});
  const std::vector<std::vector<float>> kept = sample.copy();
  EXPECT_EQ(kept.size(), QuerySample::kQueries);
  EXPECT_EQ(kept[0][0], -1);
  EXPECT_EQ(kept[1][0], -1);
  EXPECT_EQ(kept[2][0], 2);
}

}  // namespace
}  // namespace ferres
