// A whole database on a simulated disk, driven by one thread: what happens follows from the seed,
// so a failure is repeated by its seed alone. Shared by the sim tests.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/executor.h"
#include "base/sim_files.h"
#include "base/test_settings.h"
#include "db/database.h"

namespace ferres::sim {

inline constexpr uint64_t kStartMicros = 1'750'000'000'000'000;  // some day in 2025

/// Small limits, so that a short run meets segments, checkpoints, the tail and the graph.
DatabaseOptions small_options();

class World {
 public:
  World(SimFiles& files, uint64_t seed, DatabaseOptions options, uint64_t now = kStartMicros);
  ~World();

  Status open();
  /// The next open() keeps namespaces that way, and converts what is kept otherwise.
  void isolate_namespaces(bool isolate) { options_.collection.isolate_namespaces = isolate; }
  bool isolates_namespaces() const { return options_.collection.isolate_namespaces; }
  /// A clean end.
  Status close();
  /// Drops the database without closing it: a process that died after its running tasks, or, with
  /// the disk's power cut before, at that moment.
  void kill();

  bool is_open() const { return database_ != nullptr; }
  Database& database() { return *database_; }
  ManualClock& clock() { return clock_; }
  /// Time passes; what became due runs.
  void advance_micros(uint64_t micros);
  /// Time passes; what became due runs among what comes next.
  void advance_unsettled(uint64_t micros);
  /// Runs what is waiting.
  void settle();

 private:
  SimFiles& files_;
  const uint64_t seed_;
  DatabaseOptions options_;
  ManualClock clock_;
  uint64_t opens_ = 0;
  std::unique_ptr<CommitClock> commit_clock_;
  std::unique_ptr<ManualExecutor> executor_;
  std::shared_ptr<Database> database_;
};

}  // namespace ferres::sim
