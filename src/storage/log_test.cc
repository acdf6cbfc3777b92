// The log on the real disk: what was committed is read back, and damage is told from a torn tail.
#include "storage/log.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/random.h"
#include "storage/check.h"
#include "storage/log_history.h"
#include "storage/test_support.h"

namespace ferres {
namespace {

Status ignore_record(const LogRecord&) {
  return {};
}

std::unique_ptr<Log> open_log(const std::string& dir, LogRecords& into, Lsn after = 0,
                              const LogOptions& options = {}) {
  Result<std::unique_ptr<Log>> log = Log::open(posix_files(), dir, options, after, into.visitor());
  EXPECT_TRUE(log.ok()) << log.error().message();
  return log.ok() ? *std::move(log) : nullptr;
}

void commit(Log& log, LogRecords& records, Random& random, size_t count, size_t bytes_max) {
  const std::vector<LogRecord> batch = records.add(random, count, bytes_max);
  const Status status = log.commit(batch);
  ASSERT_TRUE(status.ok()) << status.message();
}

TEST(Log, CommittedRecordsAreReadBack) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::string dir = fresh_dir("log");
    Random random(seed);
    LogRecords written;
    LogOptions options;
    options.segment_bytes = 20'000;
    for (int life = 0; life < 5; ++life) {
      LogRecords found;
      const std::unique_ptr<Log> log = open_log(dir, found, 0, options);
      EXPECT_EQ(found, written);
      EXPECT_EQ(log->last_lsn(), written.size());
      EXPECT_EQ(log->last_unix_micros(), written.last_micros());
      for (int i = 0; i < 30; ++i)
        commit(*log, written, random, 1 + random.below(4), 3000);
      LogRecords part;
      const Lsn from = 1 + random.below(written.size());
      const Lsn to = from + random.below(written.size() - from + 1);
      ASSERT_TRUE(read_log(posix_files(), dir, from, to, part.visitor()).ok());
      EXPECT_EQ(part, written.between(from, to));
    }
  }
}

TEST(Log, EmptyLogStartsAtOne) {
  LogRecords found;
  const std::unique_ptr<Log> log = open_log(fresh_dir("log"), found);
  EXPECT_EQ(log->last_lsn(), 0u);
  EXPECT_EQ(log->first_lsn(), 1u);
  EXPECT_EQ(log->bytes(), 0u);
}

TEST(Log, DroppedSegmentsAreGoneAndTheRestIsKept) {
  const std::string dir = fresh_dir("log");
  Random random(7);
  LogRecords written;
  LogOptions options;
  options.segment_bytes = 10'000;
  {
    LogRecords found;
    const std::unique_ptr<Log> log = open_log(dir, found, 0, options);
    for (int i = 0; i < 100; ++i)
      commit(*log, written, random, 1, 2000);
    const uint64_t before = log->bytes();
    ASSERT_TRUE(log->drop_through(50).ok());
    EXPECT_GT(log->first_lsn(), 1u);
    EXPECT_LE(log->first_lsn(), 51u);
    EXPECT_LT(log->bytes(), before);
    EXPECT_EQ(read_log(posix_files(), dir, 1, 100, ignore_record).code(), Code::kNotFound);
    EXPECT_EQ(log->bytes_after(100), 0u);
    EXPECT_LT(log->bytes_after(90), log->bytes_after(60));
  }
  LogRecords found;
  const std::unique_ptr<Log> log = open_log(dir, found, 60, options);
  EXPECT_EQ(found, written.between(61, 100));
  const Result<std::unique_ptr<Log>> gap =
      Log::open(posix_files(), dir, options, 10, ignore_record);
  EXPECT_EQ(gap.error().code(), Code::kCorruption);
}

TEST(Log, ANewestSegmentThatIsGoneIsDamage) {
  Random random(8);
  LogOptions options;
  options.segment_bytes = 10'000;
  for (const bool ended : {true, false}) {  // its first record alone in it, or more
    const std::string dir = fresh_dir("log");
    LogRecords written;
    {
      LogRecords none;
      const std::unique_ptr<Log> log = open_log(dir, none, 0, options);
      const auto segments = [&] { return posix_files().list(dir)->size(); };
      while (segments() < 3)
        commit(*log, written, random, 1, 2000);
      if (!ended) commit(*log, written, random, 3, 500);
    }
    const std::vector<std::string> names = *posix_files().list(dir);
    ASSERT_TRUE(posix_files().remove(dir + "/" + names.back()).ok());
    const auto opened = Log::open(posix_files(), dir, options, 0, ignore_record);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code(), Code::kCorruption);
    EXPECT_NE(opened.error().message().find("is missing"), std::string_view::npos);
    const auto checked = check_log(posix_files(), dir, ignore_record, [](uint64_t) {});
    ASSERT_TRUE(checked.ok());
    EXPECT_EQ(checked->gaps.size(), 1u);
  }
}

TEST(Log, DroppingAllOfItLeavesAnEmptySegment) {
  const std::string dir = fresh_dir("log");
  Random random(11);
  LogRecords written;
  {
    LogRecords found;
    const std::unique_ptr<Log> log = open_log(dir, found);
    commit(*log, written, random, 20, 2000);
    ASSERT_TRUE(log->drop_through(20).ok());
    EXPECT_EQ(log->first_lsn(), 21u);
    EXPECT_EQ(log->bytes(), 0u);
    ASSERT_TRUE(log->drop_through(20).ok());
  }
  LogRecords found;
  const std::unique_ptr<Log> log = open_log(dir, found, 20);
  EXPECT_EQ(log->last_lsn(), 20u);
  EXPECT_EQ(log->last_unix_micros(), written.last_micros());
  commit(*log, written, random, 1, 100);
  EXPECT_EQ(log->last_lsn(), 21u);
}

}  // namespace
}  // namespace ferres
