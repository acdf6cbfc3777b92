// The registry and the histogram arithmetic. Any thread.
#include "base/metrics.h"

#include <algorithm>

#include "base/status.h"

namespace ferres {

Histogram::Histogram(std::span<const double> bounds)
    : bounds_(bounds.begin(), bounds.end()), counts_(bounds.size() + 1) {
  CHECK(std::is_sorted(bounds_.begin(), bounds_.end()));
}

void Histogram::observe(double value) {
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[static_cast<size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

uint64_t Histogram::count() const {
  uint64_t total = 0;
  for (const auto& count : counts_)
    total += count.load(std::memory_order_relaxed);
  return total;
}

std::vector<uint64_t> Histogram::bucket_counts() const {
  std::vector<uint64_t> out;
  out.reserve(counts_.size());
  for (const auto& count : counts_)
    out.push_back(count.load(std::memory_order_relaxed));
  return out;
}

double Histogram::quantile(double q) const {
  const std::vector<uint64_t> counts = bucket_counts();
  uint64_t total = 0;
  for (const uint64_t count : counts)
    total += count;
  if (total == 0 || bounds_.empty()) return 0;
  const double rank = std::clamp(q, 0.0, 1.0) * static_cast<double>(total);
  double before = 0;
  for (size_t i = 0; i < bounds_.size(); i++) {
    const auto inside = static_cast<double>(counts[i]);
    if (inside > 0 && before + inside >= rank) {
      const double low = i == 0 ? std::min(0.0, bounds_[0]) : bounds_[i - 1];
      return low + (bounds_[i] - low) * (rank - before) / inside;
    }
    before += inside;
  }
  return bounds_.back();
}

std::span<const double> latency_ms_buckets() {
  static constexpr double kBounds[] = {0.1, 0.25, 0.5, 1,   2.5,  5,    10,   25,
                                       50,  100,  250, 500, 1000, 2500, 5000, 10000};
  return kBounds;
}

std::span<const double> latency_seconds_buckets() {
  static constexpr double kBounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                       0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
  return kBounds;
}

MetricRegistry::Entry MetricRegistry::find_or_make(std::string_view name, std::string_view help,
                                                   MetricKind kind, std::span<const double> bounds,
                                                   MetricLabels labels) {
  std::sort(labels.begin(), labels.end());
  const MutexLock lock(mutex_);
  auto group = groups_.find(name);
  if (group == groups_.end()) {
    Group fresh{std::string(help), kind, {bounds.begin(), bounds.end()}, {}};
    group = groups_.emplace(std::string(name), std::move(fresh)).first;
  }
  CHECK(group->second.kind == kind);
  auto& entries = group->second.entries;
  const auto known = entries.find(labels);
  if (known != entries.end()) return known->second;
  Entry entry;
  switch (kind) {
    case MetricKind::kCounter:
      entry.counter = std::make_shared<Counter>();
      break;
    case MetricKind::kGauge:
      entry.gauge = std::make_shared<Gauge>();
      break;
    case MetricKind::kHistogram:
      entry.histogram = std::make_shared<Histogram>(group->second.bounds);
      break;
  }
  if (entries.size() < kMetricSeriesMax) entries.emplace(std::move(labels), entry);
  return entry;
}

std::shared_ptr<Counter> MetricRegistry::counter(std::string_view name, std::string_view help,
                                                 MetricLabels labels) {
  return find_or_make(name, help, MetricKind::kCounter, {}, std::move(labels)).counter;
}

std::shared_ptr<Gauge> MetricRegistry::gauge(std::string_view name, std::string_view help,
                                             MetricLabels labels) {
  return find_or_make(name, help, MetricKind::kGauge, {}, std::move(labels)).gauge;
}

std::shared_ptr<Histogram> MetricRegistry::histogram(std::string_view name, std::string_view help,
                                                     std::span<const double> bounds,
                                                     MetricLabels labels) {
  return find_or_make(name, help, MetricKind::kHistogram, bounds, std::move(labels)).histogram;
}

void MetricRegistry::forget(std::string_view label, std::string_view value) {
  const std::pair<std::string, std::string> wanted(label, value);
  const MutexLock lock(mutex_);
  for (auto& group : groups_) {
    std::erase_if(group.second.entries, [&wanted](const auto& entry) {
      return std::binary_search(entry.first.begin(), entry.first.end(), wanted);
    });
  }
}

std::vector<MetricRegistry::Family> MetricRegistry::families() const {
  std::vector<Family> out;
  const MutexLock lock(mutex_);
  out.reserve(groups_.size());
  for (const auto& [name, group] : groups_) {
    Family family{name, group.help, group.kind, {}};
    family.series.reserve(group.entries.size());
    for (const auto& [labels, entry] : group.entries) {
      family.series.push_back({labels, entry.counter, entry.gauge, entry.histogram});
    }
    out.push_back(std::move(family));
  }
  return out;
}

MetricRegistry& metrics() {
  // Never destroyed: threads may count while the process ends.
  static MetricRegistry& registry = *std::make_unique<MetricRegistry>().release();
  return registry;
}

}  // namespace ferres
