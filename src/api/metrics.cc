// GET /metrics (API.md 11.1): everything that the process counts, for Prometheus.
#include "base/metrics.h"

#include "api/handlers.h"
#include "telemetry/prometheus.h"

namespace ferres {

Result<Answer> get_metrics(Context& context, Call&) {
  metrics()
      .gauge("collections_active", "Collections that exist")
      ->set(static_cast<double>(context.db.list().size()));
  return Answer{.body = prometheus_text(metrics()), .content_type = kPrometheusContentType};
}

}  // namespace ferres
