// A fixed run of small random operations on 8-dimensional points, with a checkpoint about every
// hundred, whose state can be judged at any moment: what was acknowledged, and what was on its way.
// Used where a run is cut off or damaged (power_cut_test.cc, bit_flip_test.cc). One thread.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "sim/oracle.h"
#include "sim/world.h"

namespace ferres::sim {

/// One log record of a collection.
struct WriteOp {
  std::vector<OraclePoint> points;                            // of an upsert
  std::vector<std::string> ids;                               // of a delete
  std::string ns;                                             // of a delete
  std::optional<std::pair<Oracle::Key, Oracle::Key>> linked;  // of a link, or of its end
  bool unlink = false;
  uint64_t micros = 0;
  std::shared_ptr<const Oracle> restored;  // of a restore: what was there then
  std::optional<std::string> alone;        // of a restore or a drop: the namespace
};

class Trace {
 public:
  Trace(World& world, uint64_t seed) : world_(world), random_(seed) {}

  void start();
  /// One to four writes at once, or something rarer. Says so by gtest when an answer is wrong.
  void step();

  /// Whether `world`, opened after this one ended at this moment, holds all that was acknowledged,
  /// perhaps the beginning of what was not, and nothing else.
  testing::AssertionResult explains(World& world) const;
  /// Whether every collection still takes a write.
  static testing::AssertionResult takes_writes(World& world);
  /// What a collection holds while nothing is on its way.
  const Oracle& oracle(const std::string& name) const { return tracked_.at(name).oracle; }

 private:
  struct Tracked {
    Oracle oracle{Metric::kCosine};                     // acknowledged
    Lsn lsn = 0;                                        // of the last acknowledged write
    std::deque<WriteOp> in_flight;                      // in the order of their LSNs, from lsn + 1
    bool coming = false;                                // create() has not returned yet
    bool going = false;                                 // drop() has not returned yet
    std::map<Lsn, std::shared_ptr<const Oracle>> past;  // some moments
  };

  static void apply(Oracle& oracle, const WriteOp& op, Lsn lsn);
  testing::AssertionResult explains(const Tracked& tracked, Collection& collection,
                                    uint64_t now) const;
  void create(const std::string& name, Metric metric);
  void drop(const std::string& name);
  void restore(const std::string& name);
  void drop_namespace(const std::string& name);
  void write_some(const std::string& name);
  void submit_upsert(Collection& collection, const std::string& name);
  void submit_link(Collection& collection, const std::string& name);
  void submit_delete(Collection& collection, const std::string& name);
  void acknowledge(const std::string& name, Lsn lsn);

  World& world_;
  Random random_;
  std::map<std::string, Tracked> tracked_;
  uint64_t steps_ = 0;
};

}  // namespace ferres::sim
