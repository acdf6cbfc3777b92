// GET /metrics (API.md 11.1): everything that the process counts, for Prometheus.
#include "base/metrics.h"

#include "api/handlers.h"
#include "telemetry/prometheus.h"

namespace ferres {

Result<Answer> get_metrics(Context& context, Call&) {
  const CollectionCounts counts = context.db.counts();
  metrics()
      .gauge("collections_active", "Collections that exist")
      ->set(static_cast<double>(counts.total));
  metrics()
      .gauge("collections_unavailable", "Those among them that refuse everything")
      ->set(static_cast<double>(counts.unavailable));
  return Answer{.body = prometheus_text(metrics()), .content_type = kPrometheusContentType};
}

}  // namespace ferres
