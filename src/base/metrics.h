// Numbers about the running process: counters, gauges and histograms with labels, in a registry
// that an exporter reads (telemetry/). Asking the registry for a metric takes a lock and is done
// once, when the thing that counts is made; counting is one or two relaxed atomic additions.
//
//   const auto searches = metrics().counter("ferresdb_searches_total", "Searches answered",
//                                           {{"collection", name}});
//   searches->add();
//
// Metrics are shared with their users: forget() may drop the series of a deleted collection while
// a request still counts on it. Any thread.
#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace ferres {

/// Only goes up.
class Counter {
 public:
  void add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  void add(double delta) { value_.fetch_add(delta, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

/// Counts observations in fixed buckets. Readers may see an observation in its bucket and not yet
/// in the sum.
class Histogram {
 public:
  /// Upper bounds, ascending; a last bucket without bound is added.
  explicit Histogram(std::span<const double> bounds);

  void observe(double value);
  uint64_t count() const;
  double sum() const { return sum_.load(std::memory_order_relaxed); }
  const std::vector<double>& bounds() const { return bounds_; }
  /// Of each bucket alone, bounds().size() + 1 of them.
  std::vector<uint64_t> bucket_counts() const;
  /// Estimate of the q-quantile (0 .. 1): linear within its bucket, from 0 in the first; the
  /// highest bound when it lies beyond. 0 without observations.
  double quantile(double q) const;

 private:
  const std::vector<double> bounds_;
  std::vector<std::atomic<uint64_t>> counts_;
  std::atomic<double> sum_{0};
};

/// Milliseconds from 0.1 to 10 000, and seconds from 0.1 ms to 10: for latencies.
std::span<const double> latency_ms_buckets();
std::span<const double> latency_seconds_buckets();

using MetricLabels = std::vector<std::pair<std::string, std::string>>;
enum class MetricKind : uint8_t { kCounter, kGauge, kHistogram };

/// Series beyond this many under one name are counted but not exported: labels made from what
/// clients send must not fill the memory of everything that reads them.
inline constexpr size_t kMetricSeriesMax = 10000;

class MetricRegistry {
 public:
  /// The same name and labels give the same metric. A name has one kind.
  std::shared_ptr<Counter> counter(std::string_view name, std::string_view help,
                                   MetricLabels labels = {});
  std::shared_ptr<Gauge> gauge(std::string_view name, std::string_view help,
                               MetricLabels labels = {});
  /// The bounds of the first call under a name count.
  std::shared_ptr<Histogram> histogram(std::string_view name, std::string_view help,
                                       std::span<const double> bounds, MetricLabels labels = {});
  /// Drops every series that carries this label.
  void forget(std::string_view label, std::string_view value);

  /// One set of labels under a name; the pointer of its kind is set.
  struct Series {
    MetricLabels labels;  // sorted
    std::shared_ptr<const Counter> counter;
    std::shared_ptr<const Gauge> gauge;
    std::shared_ptr<const Histogram> histogram;
  };
  struct Family {
    std::string name;
    std::string help;
    MetricKind kind = MetricKind::kCounter;
    std::vector<Series> series;  // by labels
  };
  /// Everything, sorted by name: what an exporter prints.
  std::vector<Family> families() const;

 private:
  struct Entry {
    std::shared_ptr<Counter> counter;
    std::shared_ptr<Gauge> gauge;
    std::shared_ptr<Histogram> histogram;
  };
  struct Group {
    std::string help;
    MetricKind kind = MetricKind::kCounter;
    std::vector<double> bounds;
    std::map<MetricLabels, Entry> entries;
  };

  Entry find_or_make(std::string_view name, std::string_view help, MetricKind kind,
                     std::span<const double> bounds, MetricLabels labels);

  mutable Mutex mutex_;
  std::map<std::string, Group, std::less<>> groups_ GUARDED_BY(mutex_);
};

/// The process's own.
MetricRegistry& metrics();

}  // namespace ferres
