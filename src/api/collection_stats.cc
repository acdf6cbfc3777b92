// GET /api/v1/collections/{name}/stats (API.md 5.7 and 16.2).
#include "api/handlers.h"
#include "json/writer.h"

namespace ferres {

Result<Answer> get_collection_stats(Context& context, Call& call) {
  TRY_ASSIGN(const std::shared_ptr<Collection> collection, context.db.find(call.collection));
  const CollectionStats stats = collection->stats();
  const LatencySummary latency = context.query_stats.latency(call.collection);
  const uint64_t point_bytes =
      stats.points == 0 ? 0
                        : (stats.memory_bytes_vectors + stats.memory_bytes_points) / stats.points;
  JsonWriter json;
  json.begin_object();
  json.field("num_points", stats.points).field("num_queries", stats.queries);
  json.field("avg_latency_ms", latency.avg_ms).field("p50_latency_ms", latency.p50_ms);
  json.field("p95_latency_ms", latency.p95_ms).field("p99_latency_ms", latency.p99_ms);
  json.field("avg_points_per_second", context.query_stats.points_per_second(call.collection));
  json.field("tombstone_count", stats.tombstones);
  json.field("tombstone_memory_waste_bytes", stats.tombstones * point_bytes);
  json.field("ef_search_current", stats.ef_search_current);
  json.field("hnsw_auto_tune_enabled", false);
  json.field("unlinked_points", stats.unlinked_points);
  json.key("unreachable_points");
  if (stats.unreachable_points) {
    json.integer(*stats.unreachable_points);
  } else {
    json.null();
  }
  json.key("index_build_left");
  if (stats.index_build_left) {
    json.integer(*stats.index_build_left);
  } else {
    json.null();
  }
  json.key("memory").begin_object();
  json.field("vectors", stats.memory_bytes_vectors).field("index", stats.memory_bytes_index);
  json.field("points", stats.memory_bytes_points).field("payload", stats.memory_bytes_payload);
  json.end_object();
  json.field("disk_bytes", stats.disk_bytes).field("history_bytes", stats.history_bytes);
  json.field("open_partitions", stats.open_partitions);
  json.field("lsn", stats.lsn).field("checkpoint_lsn", stats.checkpoint_lsn);
  json.end_object();
  return Answer{.body = json.take()};
}

}  // namespace ferres
