// POST and GET /api/v1/collections/{name}/reindex, GET .../reindex/{id} (API.md 5.6).
#include "api/reindex_jobs.h"

#include <algorithm>

#include "api/handlers.h"
#include "api/uuid.h"
#include "json/writer.h"

namespace ferres {
namespace {

constexpr uint64_t kMicros = 1'000'000;

std::string_view phase_name(ReindexPhase phase) {
  switch (phase) {
    case ReindexPhase::kQueued:
      return "Queued";
    case ReindexPhase::kBuilding:
      return "Building";
    case ReindexPhase::kSwapping:
      return "Swapping";
    case ReindexPhase::kCompleted:
      return "Completed";
    case ReindexPhase::kFailed:
      break;
  }
  return "Failed";
}

double progress_of(const ReindexState& state) {
  if (state.phase == ReindexPhase::kCompleted) return 1;
  if (state.points_total == 0) return 0;
  return std::min(1.0,
                  static_cast<double>(state.points_done) / static_cast<double>(state.points_total));
}

void write_job(JsonWriter& json, const ReindexJob& job) {
  const ReindexState state = job.run->state();
  json.begin_object();
  json.field("id", std::string_view(job.id));
  json.field("collection", std::string_view(job.collection));
  json.field("status", phase_name(state.phase)).field("progress", progress_of(state));
  json.field("started_at", state.started_micros / kMicros);
  json.key("completed_at");
  if (state.ended()) {
    json.integer(state.ended_micros / kMicros);
  } else {
    json.null();
  }
  json.key("error");
  if (state.error.empty()) {
    json.null();
  } else {
    json.string(state.error);
  }
  json.key("stats").begin_object();
  json.field("points_processed", state.points_done).field("points_total", state.points_total);
  json.field("tombstones_cleaned", state.tombstones_cleaned);
  json.field("old_index_size_bytes", state.old_index_bytes);
  json.field("new_index_size_bytes", state.new_index_bytes).end_object();
  json.end_object();
}

}  // namespace

std::string ReindexJobs::add(std::string collection, std::shared_ptr<const ReindexRun> run) {
  const MutexLock lock(mutex_);
  jobs_.push_front({make_uuid(), std::move(collection), std::move(run)});
  size_t ended = 0;
  std::erase_if(jobs_, [&ended](const ReindexJob& job) {
    return job.run->state().ended() && ++ended > kEndedMax;
  });
  return jobs_.front().id;
}

std::vector<ReindexJob> ReindexJobs::list(const std::string& collection) const {
  std::vector<ReindexJob> found;
  const MutexLock lock(mutex_);
  for (const ReindexJob& job : jobs_)
    if (job.collection == collection) found.push_back(job);
  return found;
}

void ReindexJobs::forget(const std::string& collection) {
  const MutexLock lock(mutex_);
  std::erase_if(jobs_, [&](const ReindexJob& job) { return job.collection == collection; });
}

Result<Answer> start_reindex(Context& context, Call& call) {
  TRY_ASSIGN(const std::shared_ptr<Collection> collection, context.db.find(call.collection));
  TRY_ASSIGN(std::shared_ptr<const ReindexRun> run, collection->reindex());
  const std::string id = context.reindex_jobs.add(call.collection, std::move(run));
  JsonWriter json;
  json.begin_object();
  json.field("job_id", std::string_view(id));
  json.field("collection", std::string_view(call.collection));
  json.field("status", "Building").field("message", "reindex job started").end_object();
  return Answer{.status = 202, .body = json.take()};
}

Result<Answer> list_reindex_jobs(Context& context, Call& call) {
  TRY_ASSIGN([[maybe_unused]] const auto collection, context.db.find(call.collection));
  JsonWriter json;
  json.begin_object().key("jobs").begin_array();
  for (const ReindexJob& job : context.reindex_jobs.list(call.collection))
    write_job(json, job);
  json.end_array().end_object();
  return Answer{.body = json.take()};
}

Result<Answer> get_reindex_job(Context& context, Call& call) {
  TRY_ASSIGN([[maybe_unused]] const auto collection, context.db.find(call.collection));
  for (const ReindexJob& job : context.reindex_jobs.list(call.collection)) {
    if (job.id != call.item) continue;
    JsonWriter json;
    write_job(json, job);
    return Answer{.body = json.take()};
  }
  return Status(Code::kNotFound, "reindex job '" + call.item + "' not found");
}

}  // namespace ferres
