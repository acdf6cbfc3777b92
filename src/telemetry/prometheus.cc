// Families as HELP, TYPE and one line a sample; histogram buckets are cumulative.
#include "telemetry/prometheus.h"

#include <charconv>
#include <cmath>

namespace ferres {
namespace {

using Family = MetricRegistry::Family;
using Series = MetricRegistry::Series;

template <class T>
std::string number(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    if (std::isnan(value)) return "NaN";
  }
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof(digits), value).ptr};
}

// Help texts escape backslash and line feed, label values also the quote.
std::string escaped(std::string_view text, bool quote) {
  std::string result;
  for (const char c : text) {
    if (c == '\\') {
      result += "\\\\";
    } else if (c == '\n') {
      result += "\\n";
    } else if (c == '"' && quote) {
      result += "\\\"";
    } else {
      result += c;
    }
  }
  return result;
}

std::string labels_text(const MetricLabels& labels, std::string_view extra) {
  if (labels.empty() && extra.empty()) return "";
  std::string text = "{";
  for (const auto& [name, value] : labels) {
    if (text.size() > 1) text += ',';
    text += name + "=\"" + escaped(value, true) + "\"";
  }
  if (!extra.empty()) text += (text.size() > 1 ? "," : "") + std::string(extra);
  return text + "}";
}

void append_histogram(std::string& out, const std::string& name, const Series& series) {
  const std::vector<double>& bounds = series.histogram->bounds();
  const std::vector<uint64_t> counts = series.histogram->bucket_counts();
  uint64_t total = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    total += counts[i];
    const std::string bound = i < bounds.size() ? number(bounds[i]) : "+Inf";
    out += name + "_bucket" + labels_text(series.labels, "le=\"" + bound + "\"") + " " +
           number(total) + "\n";
  }
  const std::string labels = labels_text(series.labels, "");
  out += name + "_sum" + labels + " " + number(series.histogram->sum()) + "\n";
  out += name + "_count" + labels + " " + number(total) + "\n";
}

void append_family(std::string& out, const Family& family) {
  const char* type = family.kind == MetricKind::kCounter ? "counter"
                     : family.kind == MetricKind::kGauge ? "gauge"
                                                         : "histogram";
  out += "# HELP " + family.name + " " + escaped(family.help, false) + "\n";
  out += "# TYPE " + family.name + " " + type + "\n";
  for (const Series& series : family.series) {
    if (series.histogram) {
      append_histogram(out, family.name, series);
      continue;
    }
    out += family.name + labels_text(series.labels, "") + " " +
           (series.counter ? number(series.counter->value()) : number(series.gauge->value())) +
           "\n";
  }
}

}  // namespace

std::string prometheus_text(const MetricRegistry& registry) {
  std::string out;
  for (const Family& family : registry.families())
    append_family(out, family);
  return out;
}

}  // namespace ferres
