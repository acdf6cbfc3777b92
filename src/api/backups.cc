// See backups.h.
#include "api/backups.h"

#include "api/errors.h"

namespace ferres {

Result<BackupStore> open_backup_store(Context& context, uint32_t attempts_max) {
  BackupStore store;
  TRY_ASSIGN(store.target, context.cloud.target());
  S3Options options;
  options.attempts_max = attempts_max;
  options.stopping = [&stopping = context.stopping] { return stopping.load(); };
  TRY_ASSIGN(store.objects, context.open_store(store.target, options));
  return store;
}

Answer not_configured_answer(const Status& status) {
  if (status.code() != Code::kInvalidArgument) return error_answer(status);
  return error_answer(503, "s3_not_configured",
                      "backups need S3: " + std::string(status.message()) +
                          " (PUT /api/v1/admin/settings/cloud, or the settings s3_*)");
}

Answer store_error_answer(const Status& status, std::string_view word) {
  return status.code() == Code::kUpstream ? error_answer(502, word, status.message())
                                          : error_answer(status);
}

void run_alone(Context& context, BackupWork work, const Reply& reply) {
  if (context.backing_up.exchange(true)) {
    return reply(error_answer(
        Status(Code::kConflict,
               "a backup is being made or restored already: GET /api/v1/admin/tasks tells how far "
               "it is")));
  }
  context.store_requests.submit([&context, work = std::move(work), reply] {
    const Result<uint64_t> begun = context.tasks.begin(work.kind, work.about, 1);
    if (!begun.ok()) {
      context.backing_up = false;
      return reply(error_answer(begun.error()));
    }
    const uint64_t task = *begun;
    const auto answer = work.work([&context, task](uint64_t done, uint64_t total) -> Status {
      TRY(context.tasks.progress(task, done, total));
      if (!context.stopping) return {};
      return {Code::kUnavailable, "the server is stopping"};
    });
    context.tasks.end(task, answer.ok() ? Status() : answer.error().clone());
    context.backing_up = false;  // before the answer: the next one may follow it at once
    reply(answer.ok() ? *answer : work.refusal(answer.error()));
  });
}

}  // namespace ferres
