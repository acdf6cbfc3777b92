// The Prometheus text format (version 0.0.4) of base's metrics. Any thread.
#pragma once
#include <string>
#include <string_view>

#include "base/metrics.h"

namespace ferres {

inline constexpr std::string_view kPrometheusContentType = "text/plain; version=0.0.4";

std::string prometheus_text(const MetricRegistry& registry);

}  // namespace ferres
