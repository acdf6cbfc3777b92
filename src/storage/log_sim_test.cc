// The log on a disk that forgets, tears and fails: whatever happens, an acknowledged record is
// there, in its place, and a bit that flipped is reported.
#include <gtest/gtest.h>

#include "base/coding.h"
#include "base/crc32c.h"
#include "base/sim_files.h"
#include "storage/log.h"
#include "storage/log_history.h"
#include "storage/log_segment.h"
#include "storage/test_support.h"

namespace ferres {
namespace {

constexpr const char* kDir = "data/wal";
constexpr TearMode kModes[] = {TearMode::kDropUnsynced, TearMode::kReorder, TearMode::kPrefix};

LogOptions small_segments() {
  LogOptions options;
  options.segment_bytes = 6000;
  return options;
}

/// What a program does with its log: commits, checkpoints (drops), restarts, retries.
class Program {
 public:
  Program(FileSystem& files, uint64_t seed) : files_(files), random_(seed) {}

  /// Goes on until `steps` are done or the disk is gone.
  void run(int steps) {
    for (; steps_ < steps && !gone_; ++steps_) {
      if (log_ == nullptr) open();
      if (log_ == nullptr) return;
      if (random_.below(12) == 0)
        log_ = nullptr;  // restart
      else if (random_.below(8) == 0)
        drop();
      else
        commit();
    }
  }
  /// Gives up when this many calls in a row fail.
  void set_patience(int patience) { patience_ = patience; }

  void expect_all_there(const LogRecords& found, Lsn after) const {
    const Lsn last = after + found.size();
    ASSERT_GE(last, acked_);
    ASSERT_LE(last, written_.size());
    ASSERT_EQ(found, written_.between(after + 1, last));
  }
  Lsn acked() const { return acked_; }
  Lsn dropped() const { return dropped_; }
  const LogRecords& written() const { return written_; }
  std::string failure() const { return failure_; }

 private:
  void open() {
    for (int i = 0; i < patience_ && log_ == nullptr; ++i) {
      LogRecords found;
      Result<std::unique_ptr<Log>> log =
          Log::open(files_, kDir, small_segments(), dropped_, found.visitor());
      if (!log.ok()) {
        if (log.error().code() == Code::kCorruption) failure_ = log.error().message();
        continue;
      }
      log_ = *std::move(log);
      adopt(found, dropped_);
    }
    gone_ = log_ == nullptr;
  }
  /// A restarted program takes over what the log holds, acknowledged or not.
  void adopt(const LogRecords& found, Lsn after) {
    ASSERT_NO_FATAL_FAILURE(expect_all_there(found, after));
    written_.drop_last(written_.size() - after - found.size());
    acked_ = written_.size();
  }
  void commit() {
    const std::vector<LogRecord> batch = written_.add(random_, 1 + random_.below(3), 900);
    const Status status = log_->commit(batch);
    if (status.ok()) {
      acked_ = written_.size();
      return;
    }
    ASSERT_EQ(log_->last_lsn(), acked_);
    if (!log_->poisoned()) {
      ASSERT_EQ(status.code(), Code::kNoSpace) << status.message();
      written_.drop_last(batch.size());
      return;
    }
    ASSERT_NE(status.code(), Code::kNoSpace);
    for (int i = 0; i < patience_ && log_->poisoned(); ++i) {
      ASSERT_EQ(log_->commit(batch).code(), Code::kUnavailable);
      LogRecords found;
      if (!log_->reopen(dropped_, found.visitor()).ok()) continue;
      adopt(found, dropped_);
    }
    gone_ = log_->poisoned();
  }
  void drop() {
    // Restarting from here on asks for nothing at or before.
    if (acked_ > 5) dropped_ = std::max(dropped_, acked_ - random_.below(5));
    log_->drop_through(dropped_).ignore();  // tried again with the next
  }

  FileSystem& files_;
  Random random_;
  LogRecords written_;
  Lsn acked_ = 0;
  Lsn dropped_ = 0;
  int steps_ = 0;
  int patience_ = 1;
  bool gone_ = false;
  std::string failure_;
  std::unique_ptr<Log> log_;
};

/// The log must open on this disk, hold what was acknowledged, keep it through another power cut,
/// and accept more.
void expect_recovers(SimFiles& disk, const Program& program) {
  LogRecords found;
  {
    Result<std::unique_ptr<Log>> log =
        Log::open(disk, kDir, small_segments(), program.dropped(), found.visitor());
    ASSERT_TRUE(log.ok()) << log.error().message();
    ASSERT_NO_FATAL_FAILURE(program.expect_all_there(found, program.dropped()));
    // Segments that were being dropped may be there or not, but without a hole.
    LogRecords kept;
    const Lsn first = (*log)->first_lsn();
    ASSERT_TRUE(read_log(disk, kDir, first, (*log)->last_lsn(), kept.visitor()).ok());
    ASSERT_EQ(kept, program.written().between(first, (*log)->last_lsn()));
  }
  disk.crash(TearMode::kDropUnsynced);
  LogRecords again;
  Result<std::unique_ptr<Log>> log =
      Log::open(disk, kDir, small_segments(), program.dropped(), again.visitor());
  ASSERT_TRUE(log.ok()) << log.error().message();
  ASSERT_EQ(again, found);
  Random random(1);
  LogRecords more = program.written().between(1, (*log)->last_lsn());
  ASSERT_TRUE((*log)->commit(more.add(random, 2, 100)).ok());
}

TEST(LogSim, PowerCutAtEveryCallLosesNothingAcknowledged) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SimFiles disk(seed);
    Program program(disk, seed);
    uint64_t cuts = 0;
    disk.on_operation([&](uint64_t index) {
      for (const TearMode mode : kModes) {
        if (testing::Test::HasFatalFailure()) return;
        SCOPED_TRACE("seed " + std::to_string(seed) + ", call " + std::to_string(index) +
                     ", mode " + std::to_string(static_cast<int>(mode)));
        const std::unique_ptr<SimFiles> copy = disk.after_crash(mode, seed * 1000 + index);
        expect_recovers(*copy, program);
        ++cuts;
      }
    });
    program.run(120);
    ASSERT_FALSE(HasFatalFailure());
    EXPECT_GT(cuts, 500u);
  }
}

TEST(LogSim, FaultAtEveryCallLosesNothingAcknowledged) {
  for (const FaultKind kind : {FaultKind::kEio, FaultKind::kEnospc, FaultKind::kShortWrite,
                               FaultKind::kFailedSync, FaultKind::kReadEio}) {
    bool fired = true;
    for (uint64_t n = 1; fired; ++n) {
      SCOPED_TRACE("kind " + std::to_string(static_cast<int>(kind)) + ", call " +
                   std::to_string(n));
      SimFiles disk(n);
      Program program(disk, 3);
      program.set_patience(3);
      disk.fail_at(n, kind);
      program.run(60);
      fired = disk.fault_fired();
      ASSERT_FALSE(HasFatalFailure());
      ASSERT_EQ(program.failure(), "");
      disk.clear_fault();
      for (const TearMode mode : kModes) {
        const std::unique_ptr<SimFiles> copy = disk.after_crash(mode, n);
        ASSERT_NO_FATAL_FAILURE(expect_recovers(*copy, program));
      }
    }
  }
}

TEST(LogSim, CrashAfterAFaultLosesNothingAcknowledged) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    SimFiles disk(seed);
    Program program(disk, seed);
    program.set_patience(4);
    for (int round = 0; round < 4; ++round) {
      constexpr FaultKind kKinds[] = {FaultKind::kEio, FaultKind::kEnospc, FaultKind::kShortWrite,
                                      FaultKind::kFailedSync};
      disk.fail_at(1 + random.below(60), kKinds[random.below(4)], false);
      program.run(25 * (round + 1));
      ASSERT_FALSE(HasFatalFailure());
      ASSERT_EQ(program.failure(), "");
      for (const TearMode mode : kModes) {
        const std::unique_ptr<SimFiles> copy = disk.after_crash(mode, random.next());
        ASSERT_NO_FATAL_FAILURE(expect_recovers(*copy, program));
      }
    }
  }
}

TEST(LogSim, FullDiskRefusesAndGoesOnWhenThereIsSpace) {
  SimFiles disk(1);
  Random random(1);
  LogRecords written;
  LogRecords none;
  LogOptions options;
  options.segment_bytes = 30'000;
  Result<std::unique_ptr<Log>> log = Log::open(disk, kDir, options, 0, none.visitor());
  ASSERT_TRUE(log.ok());
  uint64_t capacity = 200'000;
  for (int round = 0; round < 5; ++round) {
    disk.set_capacity(capacity);
    int refused = 0;
    while (refused < 3) {
      const std::vector<LogRecord> batch = written.add(random, 1, 2000);
      const Status status = (*log)->commit(batch);
      if (status.ok()) continue;
      ASSERT_EQ(status.code(), Code::kNoSpace) << status.message();
      ASSERT_FALSE((*log)->poisoned());
      written.drop_last(1);
      ++refused;
    }
    EXPECT_LE(disk.used_bytes(), capacity);
    ASSERT_TRUE((*log)->drop_through((*log)->last_lsn() / 2).ok());
    capacity += 50'000 * static_cast<uint64_t>(round);
  }
  EXPECT_GT(written.size(), 100u);
  LogRecords found;
  ASSERT_TRUE(read_log(disk, kDir, (*log)->first_lsn(), (*log)->last_lsn(), found.visitor()).ok());
  EXPECT_EQ(found, written.between((*log)->first_lsn(), written.size()));
}

/// The page cache's view, as a process that was killed leaves it.
std::unique_ptr<SimFiles> killed(SimFiles& disk) {
  auto copy = std::make_unique<SimFiles>(1);
  EXPECT_TRUE(copy->make_dirs(kDir).ok());
  const Result<std::vector<std::string>> names = disk.list(kDir);
  for (const std::string& name : *names) {
    const std::string path = std::string(kDir) + "/" + name;
    const Result<std::string> content = read_file(disk, path, 1 << 30);
    const Result<std::unique_ptr<File>> file = copy->open(path, OpenMode::kCreate);
    EXPECT_TRUE((*file)->write(0, as_bytes(*content)).ok());
  }
  return copy;
}

TEST(LogSim, BitFlipIsReportedOrHarmless) {
  SimFiles disk(1);
  Random random(5);
  LogRecords written;
  LogRecords none;
  LogOptions options;
  options.segment_bytes = 600;
  Result<std::unique_ptr<Log>> log = Log::open(disk, kDir, options, 0, none.visitor());
  ASSERT_TRUE(log.ok());
  for (int i = 0; i < 12; ++i)
    ASSERT_TRUE((*log)->commit(written.add(random, 1, 120)).ok());
  for (const bool closed : {false, true}) {
    if (closed) log = Status(Code::kUnavailable, "closed");
    const std::unique_ptr<SimFiles> copy = killed(disk);
    const Result<std::vector<std::string>> names = copy->list(kDir);
    ASSERT_GE(names->size(), 2u);
    uint64_t reported = 0;
    uint64_t harmless = 0;
    for (const std::string& name : *names) {
      const std::string path = std::string(kDir) + "/" + name;
      const uint64_t bytes = std::min<uint64_t>(read_file(*copy, path, 1 << 30)->size(), 6000);
      for (uint64_t bit = 0; bit < bytes * 8; ++bit) {
        // Most of a header page is zeros that no record depends on: every 61st bit will do.
        if (bit >= 64 * 8 && bit < 4096 * 8 && bit % 61 != 0) continue;
        const std::unique_ptr<SimFiles> flipped = killed(*copy);
        ASSERT_TRUE(flipped->flip_bit(path, bit).ok());
        LogRecords found;
        const Result<std::unique_ptr<Log>> again =
            Log::open(*flipped, kDir, options, 0, found.visitor());
        if (again.ok()) {
          ASSERT_EQ(found, written) << name << " bit " << bit;
          ++harmless;
        } else {
          ASSERT_EQ(again.error().code(), Code::kCorruption) << again.error().message();
          ASSERT_NE(again.error().message().find(path + ": byte "), std::string::npos)
              << again.error().message();
          ++reported;
        }
      }
    }
    // Harmless: the mark, and zeros behind the newest record.
    EXPECT_GT(reported, 10'000u);
    EXPECT_EQ(harmless > 1000, !closed) << harmless;
  }
}

/// One log of `count` records, one commit each, in dir.
LogRecords make_log(SimFiles& disk, const std::string& dir, uint64_t seed, int count,
                    const LogOptions& options) {
  Random random(seed);
  LogRecords written;
  LogRecords none;
  Result<std::unique_ptr<Log>> log = Log::open(disk, dir, options, 0, none.visitor());
  EXPECT_TRUE(log.ok());
  for (int i = 0; i < count; ++i)
    EXPECT_TRUE((*log)->commit(written.add(random, 1, 0)).ok());
  return written;
}

TEST(LogSim, SegmentOfAnotherLogIsRefused) {
  SimFiles disk(1);
  LogOptions options;
  options.segment_bytes = 64;  // two records without payload
  make_log(disk, "one", 1, 6, options);
  make_log(disk, "two", 2, 6, options);
  const std::vector<std::string> names = *disk.list("one");
  ASSERT_EQ(names, *disk.list("two"));
  ASSERT_EQ(names.size(), 3u);
  ASSERT_TRUE(disk.rename("two/" + names[1], "one/" + names[1]).ok());
  LogRecords found;
  const Status status = Log::open(disk, "one", options, 0, found.visitor()).error().clone();
  EXPECT_EQ(status.code(), Code::kCorruption);
  EXPECT_NE(status.message().find("one/"), std::string::npos) << status.message();
}

TEST(LogSim, CutTailStaysDeadWhenItsFirstRecordIsWrittenAgain) {
  SimFiles disk(1);
  LogRecords written = make_log(disk, kDir, 3, 4, {});
  const std::string path = std::string(kDir) + "/" + segment_name(1);
  // As if the third record had been torn, and neither it nor the fourth acknowledged.
  ASSERT_TRUE(disk.flip_bit(path, kMarkOffset * 8).ok());
  ASSERT_TRUE(disk.flip_bit(path, (kSegmentHeaderBytes + 2 * record_bytes(0) + 20) * 8).ok());
  LogRecords found;
  Result<std::unique_ptr<Log>> log = Log::open(disk, kDir, {}, 0, found.visitor());
  ASSERT_TRUE(log.ok()) << log.error().message();
  ASSERT_EQ(found, written.between(1, 2));
  const LogRecords::Record third = written.all()[2];
  const LogRecord again{third.lsn, third.unix_micros, third.op, {}};
  ASSERT_TRUE((*log)->commit(std::span(&again, 1)).ok());
  const std::unique_ptr<SimFiles> copy = killed(disk);
  LogRecords after;
  ASSERT_TRUE(Log::open(*copy, kDir, {}, 0, after.visitor()).ok());
  EXPECT_EQ(after, written.between(1, 3));
}

TEST(LogSim, NewerFormatIsRefusedByName) {
  SimFiles disk(1);
  make_log(disk, kDir, 3, 4, {});
  const std::string path = std::string(kDir) + "/" + segment_name(1);
  std::string head("FERRSLOG");
  put_u32(head, 2);
  put_u32(head, crc32c(as_bytes(head)));
  ASSERT_TRUE((*disk.open(path, OpenMode::kReadWrite))->write(0, as_bytes(head)).ok());
  LogRecords found;
  const Status status = Log::open(disk, kDir, {}, 0, found.visitor()).error().clone();
  EXPECT_EQ(status.code(), Code::kUnimplemented);
  EXPECT_NE(status.message().find("log format 2"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace ferres
