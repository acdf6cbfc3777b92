// Metrics count, histograms estimate, the registry keeps one series for one set of labels.
#include "base/metrics.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

TEST(Metrics, SameNameAndLabelsAreOneSeriesWhateverTheirOrder) {
  MetricRegistry registry;
  registry.counter("hits", "Hits", {{"b", "2"}, {"a", "1"}})->add(3);
  registry.counter("hits", "Hits", {{"a", "1"}, {"b", "2"}})->add();
  registry.counter("hits", "Hits", {{"a", "other"}})->add();
  const auto families = registry.families();
  ASSERT_EQ(families.size(), 1u);
  ASSERT_EQ(families[0].series.size(), 2u);
  EXPECT_EQ(families[0].series[0].counter->value(), 4u);
  EXPECT_EQ(families[0].series[0].labels, (MetricLabels{{"a", "1"}, {"b", "2"}}));
}

TEST(Metrics, FamiliesComeSortedWithTheirKind) {
  MetricRegistry registry;
  registry.histogram("z", "Latency", latency_ms_buckets())->observe(3);
  registry.gauge("m", "Size")->set(2.5);
  registry.gauge("m", "Size")->add(-1);
  registry.counter("a", "Count");
  const auto families = registry.families();
  ASSERT_EQ(families.size(), 3u);
  EXPECT_EQ(families[0].name, "a");
  EXPECT_EQ(families[1].kind, MetricKind::kGauge);
  EXPECT_EQ(families[1].series[0].gauge->value(), 1.5);
  EXPECT_EQ(families[2].series[0].histogram->count(), 1u);
  EXPECT_EQ(families[2].help, "Latency");
}

TEST(Metrics, ForgottenSeriesAreGoneButStillCount) {
  MetricRegistry registry;
  const auto kept = registry.counter("n", "N", {{"collection", "a"}});
  registry.counter("n", "N", {{"collection", "b"}, {"kind", "x"}});
  registry.forget("collection", "a");
  kept->add();
  const auto families = registry.families();
  ASSERT_EQ(families[0].series.size(), 1u);
  EXPECT_EQ(families[0].series[0].labels[0].second, "b");
}

TEST(Metrics, SeriesBeyondTheLimitAreNotExported) {
  MetricRegistry registry;
  for (size_t i = 0; i < kMetricSeriesMax + 10; i++) {
    registry.counter("n", "N", {{"id", std::to_string(i)}})->add();
  }
  EXPECT_EQ(registry.families()[0].series.size(), kMetricSeriesMax);
}

TEST(Histogram, BoundsAreInclusive) {
  constexpr double kBounds[] = {1, 10};
  Histogram histogram(kBounds);
  for (const double value : {0.5, 1.0, 1.1, 10.0, 11.0})
    histogram.observe(value);
  EXPECT_EQ(histogram.bucket_counts(), (std::vector<uint64_t>{2, 2, 1}));
  EXPECT_EQ(histogram.count(), 5u);
  EXPECT_DOUBLE_EQ(histogram.sum(), 23.6);
}

TEST(Histogram, QuantilesLieWithinTheirBucket) {
  Histogram histogram(latency_ms_buckets());
  EXPECT_EQ(histogram.quantile(0.5), 0);
  for (int i = 1; i <= 1000; i++)
    histogram.observe(i * 0.1);  // 0.1 .. 100 ms, evenly
  EXPECT_NEAR(histogram.quantile(0.5), 50, 1);
  EXPECT_NEAR(histogram.quantile(0.99), 99, 1);
  EXPECT_NEAR(histogram.quantile(1), 100, 1e-9);
  histogram.observe(1e9);
  EXPECT_EQ(histogram.quantile(1), 10000);
}

}  // namespace
}  // namespace ferres
