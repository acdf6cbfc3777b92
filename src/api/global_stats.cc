// GET /api/v1/stats/global (API.md 5.7): the server as a whole.
#include "api/handlers.h"
#include "json/writer.h"
#include "kernels/distance.h"

namespace ferres {

Result<Answer> get_global_stats(Context& context, Call& call) {
  uint64_t points = 0;
  for (const std::shared_ptr<Collection>& collection : context.db.list()) {
    if (call.principal.may(Permission::kRead, collection->config().name))
      points += collection->stats().points;
  }
  const std::vector<MinuteOfUse> minutes = context.query_stats.minutes();
  uint64_t queries = 0;
  double total_ms = 0;
  for (const MinuteOfUse& minute : minutes) {
    queries += minute.searches;
    total_ms += minute.search_ms;
  }
  JsonWriter json;
  json.begin_object();
  json.field("total_collections", context.db.counts().total).field("total_points", points);
  json.field("total_queries_24h", queries);
  json.field("avg_latency_ms", queries == 0 ? 0.0 : total_ms / static_cast<double>(queries));
  json.key("queries_per_minute").begin_array();
  for (const MinuteOfUse& minute : minutes) {
    if (minute.searches == 0) continue;
    json.begin_object().field("timestamp", minute.minute * 60);
    json.field("count", minute.searches).end_object();
  }
  json.end_array();
  json.field("simd_enabled", kernels().isa != "scalar").field("role", "leader");
  json.field("namespace_physical_isolation", context.namespace_physical_isolation);
  json.field("hnsw_auto_tune_enabled", false);
  json.field("index_optimization_label", "Optimized by FerresEngine");
  json.end_object();
  return Answer{.body = json.take()};
}

}  // namespace ferres
