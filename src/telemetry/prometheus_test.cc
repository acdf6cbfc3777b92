// The text that a Prometheus server scrapes, line by line.
#include "telemetry/prometheus.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

TEST(Prometheus, CountersAndGaugesAreOneLine) {
  MetricRegistry registry;
  registry.counter("asked_total", "Questions", {{"who", "a\"b\\c\nd"}})->add(3);
  registry.gauge("depth", "How deep")->set(1.5);
  EXPECT_EQ(prometheus_text(registry),
            "# HELP asked_total Questions\n# TYPE asked_total counter\n"
            "asked_total{who=\"a\\\"b\\\\c\\nd\"} 3\n"
            "# HELP depth How deep\n# TYPE depth gauge\ndepth 1.5\n");
}

TEST(Prometheus, HistogramBucketsAreCumulative) {
  MetricRegistry registry;
  const std::vector<double> bounds = {1, 10};
  const auto histogram = registry.histogram("took_ms", "Time", bounds, {{"op", "x"}});
  histogram->observe(0.5);
  histogram->observe(5);
  histogram->observe(50);
  EXPECT_EQ(prometheus_text(registry),
            "# HELP took_ms Time\n# TYPE took_ms histogram\n"
            "took_ms_bucket{op=\"x\",le=\"1\"} 1\n"
            "took_ms_bucket{op=\"x\",le=\"10\"} 2\n"
            "took_ms_bucket{op=\"x\",le=\"+Inf\"} 3\n"
            "took_ms_sum{op=\"x\"} 55.5\n"
            "took_ms_count{op=\"x\"} 3\n");
}

}  // namespace
}  // namespace ferres
