// Counting from many threads loses nothing; also run under TSan.
#include <gtest/gtest.h>

#include "base/executor.h"
#include "base/metrics.h"

namespace ferres {
namespace {

TEST(MetricsThreads, NoCountIsLostWhileAnExporterReads) {
  MetricRegistry registry;
  const auto pool = make_thread_pool(3);
  pool->parallel_for(8, [&](size_t i) {
    const auto counter = registry.counter("n", "N", {{"half", i % 2 == 0 ? "even" : "odd"}});
    const auto histogram = registry.histogram("h", "H", latency_ms_buckets());
    for (int k = 0; k < 1000; k++) {
      counter->add();
      histogram->observe(1);
      registry.gauge("g", "G")->add(1);
      if (k % 100 == 0) (void)registry.families();
    }
  });
  const auto families = registry.families();
  EXPECT_EQ(families[0].series[0].gauge->value(), 8000);
  EXPECT_EQ(families[1].series[0].histogram->count(), 8000u);
  EXPECT_EQ(families[1].series[0].histogram->sum(), 8000);
  EXPECT_EQ(families[2].series[0].counter->value(), 4000u);
  EXPECT_EQ(families[2].series[1].counter->value(), 4000u);
}

}  // namespace
}  // namespace ferres
