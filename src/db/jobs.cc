// The table of jobs and their timer.
#include "db/jobs.h"

#include <atomic>
#include <span>
#include <string_view>

#include "db/database.h"

namespace ferres {
namespace {

struct Job {
  std::string_view name;
  uint64_t period_micros;
  void (*run)(Database& database);
};

void sweep_expired(Database& database) {
  for (const auto& collection : database.list())
    collection->sweep_expired();
}

void trim_history(Database& database) {
  database.trim();
}

void look_at_disk(Database& database) {
  database.look_at_disk();
}

constexpr Job kJobs[] = {
    {"expiry", 60'000'000, sweep_expired},
    {"retention", 3600'000'000, trim_history},
    {"disk_space", 1'000'000, look_at_disk},
};

}  // namespace

struct JobRunner::Stop {
  std::atomic<bool> stopped{false};
};

namespace {

template <class Stop>
void schedule(Executor& executor, const std::weak_ptr<Database>& database,
              const std::shared_ptr<Stop>& stop, const Job& job) {
  executor.submit_after(job.period_micros, [&executor, database, stop, &job] {
    if (stop->stopped.load()) return;
    {
      const std::shared_ptr<Database> living = database.lock();
      if (!living) return;
      job.run(*living);
    }
    schedule(executor, database, stop, job);
  });
}

}  // namespace

JobRunner::JobRunner(Executor& executor, const std::weak_ptr<Database>& database)
    : stop_(std::make_shared<Stop>()) {
  for (const Job& job : kJobs)
    schedule(executor, database, stop_, job);
}

JobRunner::~JobRunner() {
  stop_->stopped = true;
}

}  // namespace ferres
