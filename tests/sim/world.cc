// See world.h.
#include "sim/world.h"

#include "base/logging.h"

namespace ferres::sim {

DatabaseOptions small_options() {
  DatabaseOptions options;
  options.dir = "/data";
  options.collection.checkpoint_log_bytes = 256 << 10;
  options.collection.flat_points_max = 100;
  options.collection.tail_points_max = 200;
  options.collection.log_segment_bytes = 64 << 10;
  options.collection.history_checkpoint_bytes = 64 << 10;
  options.collection.shrink_slots_min = 60;
  options.collection.open_partitions_max = 2;
  return options;
}

World::World(SimFiles& files, uint64_t seed, DatabaseOptions options, uint64_t now)
    : files_(files), seed_(seed), options_(std::move(options)), clock_(now) {
  // Thousands of damaged databases have little to say that a test does not.
  LoggingOptions logging;
  if (setting("FERRES_LOG", 0) == 0) logging.level = LogLevel::kOff;
  configure_logging(logging);
}

World::~World() {
  kill();
}

Status World::open() {
  executor_ = std::make_unique<ManualExecutor>(seed_ + opens_++);
  commit_clock_ = std::make_unique<CommitClock>(clock_);
  const Environment environment{&files_, executor_.get(), &clock_, commit_clock_.get()};
  TRY_ASSIGN(database_, Database::open(environment, options_));
  return {};
}

Status World::close() {
  Status status = database_->close();
  kill();
  return status;
}

void World::kill() {
  database_.reset();
  executor_.reset();
}

void World::advance_micros(uint64_t micros) {
  advance_unsettled(micros);
  settle();
}

void World::advance_unsettled(uint64_t micros) {
  clock_.advance_micros(micros);
  executor_->advance_micros(micros);
}

void World::settle() {
  executor_->run_all();
}

}  // namespace ferres::sim
