// GET /api/v1/admin/restore/points (API.md 5.9): which moments of which collections can be
// restored, as a list and, for the other kind of client, as a map.
#include <algorithm>

#include "api/handlers.h"
#include "json/writer.h"

namespace ferres {
namespace {

constexpr uint64_t kMicros = 1'000'000;

uint64_t oldest_second(const HistoryInfo& history, uint64_t created_at) {
  return history.oldest.lsn == 0 ? created_at : history.oldest.unix_micros / kMicros;
}

/// Seconds to choose from: the checkpoints, soon after which a restore is fast, and the newest.
void write_moments(JsonWriter& json, const HistoryInfo& history) {
  if (!history.checkpoints.empty()) {
    json.field("last_snapshot_timestamp", history.checkpoints.back().unix_micros / kMicros);
  }
  json.key("wal_timestamps").begin_array();
  uint64_t last = 0;
  const auto add = [&](uint64_t micros) {
    if (micros / kMicros > last) json.integer(micros / kMicros);
    last = std::max(last, micros / kMicros);
  };
  for (const HistoryInfo::Moment& checkpoint : history.checkpoints)
    add(checkpoint.unix_micros);
  add(history.newest.unix_micros);
  json.end_array();
}

}  // namespace

Result<Answer> get_restore_points(Context& context, Call& call) {
  const std::string* only = call.parameter("collection");
  const std::vector<DroppedCollection> dropped = context.db.dropped();
  const bool was = only != nullptr && std::any_of(dropped.begin(), dropped.end(),
                                                  [only](const DroppedCollection& gone) {
                                                    return gone.config.name == *only;
                                                  });
  if (only != nullptr && !was) {
    TRY_ASSIGN([[maybe_unused]] const auto found, context.db.find(*only));
  }
  JsonWriter list;
  JsonWriter map;
  list.begin_array();
  map.begin_object();
  for (const std::shared_ptr<Collection>& collection : context.db.list()) {
    const std::string& name = collection->config().name;
    if (only != nullptr && name != *only) continue;
    const auto known = collection->history();
    if (!known.ok()) continue;  // unavailable: its own answers say why
    const HistoryInfo& history = *known;
    list.begin_object().field("collection", name);
    if (!history.checkpoints.empty()) {
      list.field("snapshot_timestamp", history.checkpoints.back().unix_micros / kMicros);
    }
    if (history.newest.lsn > 0) {
      list.field("wal_min_timestamp", oldest_second(history, collection->config().created_at));
      list.field("wal_max_timestamp", history.newest.unix_micros / kMicros);
    }
    list.field("oldest_lsn", history.oldest.lsn);
    list.field("newest_lsn", history.newest.lsn);
    write_moments(list, history);
    list.end_object();
    map.key(name).begin_object();
    write_moments(map, history);
    map.end_object();
  }
  list.end_array();
  map.end_object();
  JsonWriter json;
  json.begin_object().key("collections").raw(list.text());
  json.key("restore_points").raw(map.text());
  json.key("dropped").begin_array();
  for (const DroppedCollection& gone : dropped) {
    if (only != nullptr && gone.config.name != *only) continue;
    json.begin_object().field("collection", gone.config.name);
    json.field("created_at", gone.config.created_at);
    json.field("dropped_at", gone.dropped_micros / kMicros).end_object();
  }
  json.end_array().end_object();
  return Answer{.body = json.take()};
}

}  // namespace ferres
