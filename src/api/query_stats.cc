// The figures of each collection, made at its first search or write.
#include "api/query_stats.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace ferres {
namespace {

constexpr uint64_t kMinuteMicros = 60'000'000;
constexpr uint64_t kMinutesKept = 1440;
constexpr size_t kSamplesKept = 1024;
constexpr double kShortestMs = 0.001;
constexpr uint64_t kRateMinutes = 10;
constexpr double kGuessedRatio = 0.1;
constexpr double kRatioSearches = 64;  // about so many of the newest count

bool is_kept(uint64_t minute, uint64_t now) {
  return minute + kMinutesKept > now;
}

/// The smallest value that a share q of them does not exceed.
double quantile(const std::vector<double>& ascending, double q) {
  if (ascending.empty()) return 0;
  const double rank = std::ceil(q * static_cast<double>(ascending.size()));
  return ascending[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

}  // namespace

uint64_t QueryStats::this_minute() const {
  return clock_.unix_micros() / kMinuteMicros;
}

std::shared_ptr<QueryStats::Usage> QueryStats::usage_of(const std::string& collection) {
  const MutexLock lock(mutex_);
  std::shared_ptr<Usage>& known = collections_[collection];
  if (known) return known;
  known = std::make_shared<Usage>();
  known->queries =
      metrics().counter("queries_total", "Searches answered", {{"collection", collection}});
  known->duration_ms =
      metrics().histogram("query_duration_ms", "Time that a search took, in milliseconds",
                          latency_ms_buckets(), {{"collection", collection}});
  return known;
}

std::shared_ptr<QueryStats::Usage> QueryStats::find(const std::string& collection) const {
  const MutexLock lock(mutex_);
  const auto found = collections_.find(collection);
  return found == collections_.end() ? nullptr : found->second;
}

/// The entry of that minute; a clock that was set back goes on with the newest.
MinuteOfUse& QueryStats::minute_of(Usage& usage, uint64_t minute) {
  if (usage.minutes.empty() || usage.minutes.back().minute < minute) {
    usage.minutes.push_back({.minute = minute});
    while (!is_kept(usage.minutes.front().minute, minute))
      usage.minutes.pop_front();
  }
  return usage.minutes.back();
}

void QueryStats::record_search(const std::string& collection, double ms, SearchKind kind,
                               double formula_ms) {
  const std::shared_ptr<Usage> usage = usage_of(collection);
  const uint64_t minute = this_minute();
  usage->queries->add();
  usage->duration_ms->observe(ms);
  const Sample sample{static_cast<uint32_t>(minute), static_cast<float>(ms)};
  const double log = std::log(std::max(ms, kShortestMs) / formula_ms);
  const MutexLock lock(usage->mutex);
  Ratio& ratio = usage->ratios[static_cast<size_t>(kind)];
  ++ratio.searches;
  ratio.log += (log - ratio.log) / std::min<double>(ratio.searches, kRatioSearches);
  MinuteOfUse& entry = minute_of(*usage, minute);
  ++entry.searches;
  entry.search_ms += ms;
  if (usage->samples.size() < kSamplesKept) {
    usage->samples.push_back(sample);
  } else {
    usage->samples[usage->next_sample] = sample;
    usage->next_sample = (usage->next_sample + 1) % kSamplesKept;
  }
}

void QueryStats::record_written(const std::string& collection, uint64_t points) {
  if (points == 0) return;
  const std::shared_ptr<Usage> usage = usage_of(collection);
  const uint64_t minute = this_minute();
  const MutexLock lock(usage->mutex);
  minute_of(*usage, minute).points_written += static_cast<uint32_t>(points);
}

LatencySummary QueryStats::latency(const std::string& collection) const {
  const std::shared_ptr<Usage> usage = find(collection);
  if (usage == nullptr) return {};
  const uint64_t now = this_minute();
  std::vector<double> recent;
  double sum = 0;
  {
    const MutexLock lock(usage->mutex);
    recent.reserve(usage->samples.size());
    for (const Sample& sample : usage->samples)
      if (is_kept(sample.minute, now)) recent.push_back(sample.ms);
  }
  if (recent.empty()) return {};
  std::sort(recent.begin(), recent.end());
  for (const double ms : recent)
    sum += ms;
  return {.avg_ms = sum / static_cast<double>(recent.size()),
          .p50_ms = quantile(recent, 0.50),
          .p95_ms = quantile(recent, 0.95),
          .p99_ms = quantile(recent, 0.99)};
}

double QueryStats::cost_ratio(const std::string& collection, SearchKind kind) const {
  const std::shared_ptr<Usage> usage = find(collection);
  if (usage == nullptr) return kGuessedRatio;
  const MutexLock lock(usage->mutex);
  const Ratio& ratio = usage->ratios[static_cast<size_t>(kind)];
  return ratio.searches == 0 ? kGuessedRatio : std::exp(ratio.log);
}

std::vector<MinuteOfUse> QueryStats::minutes(const std::string& collection) const {
  const std::shared_ptr<Usage> usage = find(collection);
  if (usage == nullptr) return {};
  const uint64_t now = this_minute();
  std::vector<MinuteOfUse> kept;
  const MutexLock lock(usage->mutex);
  for (const MinuteOfUse& entry : usage->minutes)
    if (is_kept(entry.minute, now)) kept.push_back(entry);
  return kept;
}

std::vector<MinuteOfUse> QueryStats::minutes() const {
  std::vector<std::string> names;
  {
    const MutexLock lock(mutex_);
    for (const auto& [name, usage] : collections_)
      names.push_back(name);
  }
  std::map<uint64_t, MinuteOfUse> sums;
  for (const std::string& name : names) {
    for (const MinuteOfUse& entry : minutes(name)) {
      MinuteOfUse& sum = sums[entry.minute];
      sum.minute = entry.minute;
      sum.searches += entry.searches;
      sum.points_written += entry.points_written;
      sum.search_ms += entry.search_ms;
    }
  }
  std::vector<MinuteOfUse> ascending;
  ascending.reserve(sums.size());
  for (const auto& [minute, sum] : sums)
    ascending.push_back(sum);
  return ascending;
}

double QueryStats::points_per_second(const std::string& collection) const {
  const uint64_t now = this_minute();
  uint64_t points = 0;
  for (const MinuteOfUse& entry : minutes(collection))
    if (entry.minute + kRateMinutes > now) points += entry.points_written;
  return static_cast<double>(points) / (60.0 * kRateMinutes);
}

void QueryStats::forget(const std::string& collection) {
  const MutexLock lock(mutex_);
  collections_.erase(collection);
  metrics().forget("collection", collection);
}

}  // namespace ferres
