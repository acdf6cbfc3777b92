// Tests of the log on the real disk: order, recovery, damage. Power cuts and failing calls are in
// log_faults_test.cc.
#include "storage/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/random.h"

namespace ferres {
namespace {

class LogTest : public ::testing::Test {
 protected:
  LogTest() {
    dir_ = ::testing::TempDir() + "/log_test_" + random_uuid();
    options_.segment_bytes = 16 << 10;
  }
  ~LogTest() override { (void)posix_files().remove_tree(dir_).ok(); }

  std::unique_ptr<Log> open(Lsn after = 0) {
    seen_.clear();
    auto log = try_open(after);
    EXPECT_TRUE(log.ok()) << (log.ok() ? "" : log.error().message());
    return log.ok() ? *std::move(log) : nullptr;
  }
  Result<std::unique_ptr<Log>> try_open(Lsn after = 0) {
    return Log::open(posix_files(), dir_, options_, after, [this](const LogRecord& record) {
      seen_.push_back({record.lsn, std::string(as_text(record.payload))});
      return Status();
    });
  }
  static Status append(Log& log, const std::string& payload, uint64_t micros = 7) {
    const LogRecord record{log.last_lsn() + 1, micros, 1, as_bytes(payload)};
    return log.commit({&record, 1});
  }
  std::vector<std::string> segments() {
    std::vector<std::string> paths;
    const auto names = *posix_files().list(dir_);
    for (const auto& name : names) paths.push_back(dir_ + "/" + name);
    return paths;
  }
  void flip(const std::string& path, uint64_t offset) {
    auto file = *posix_files().open(path, OpenMode::kReadWrite);
    std::array<std::byte, 1> byte{};
    ASSERT_TRUE(file->read(offset, byte).ok());
    byte[0] ^= std::byte{0x10};
    ASSERT_TRUE(file->write(offset, byte).ok());
  }

  std::string dir_;
  LogOptions options_;
  std::vector<std::pair<Lsn, std::string>> seen_;
};

TEST_F(LogTest, EmptyLogBeginsBehindTheCheckpoint) {
  EXPECT_EQ(open(41)->last_lsn(), 41u);
}

TEST_F(LogTest, RecordsComeBackInOrderOverManySegments) {
  {
    auto log = open();
    for (int i = 1; i <= 200; ++i) {
      ASSERT_TRUE(append(*log, std::string(i * 7 % 1000, 'x') + std::to_string(i)).ok());
    }
  }
  EXPECT_GT(segments().size(), 3u);
  auto log = open();
  ASSERT_EQ(seen_.size(), 200u);
  EXPECT_EQ(seen_[199].first, 200u);
  EXPECT_TRUE(seen_[199].second.ends_with("200"));
  ASSERT_TRUE(append(*log, "more").ok());
  open(150);
  EXPECT_EQ(seen_.size(), 51u);
}

TEST_F(LogTest, GroupIsOneCommit) {
  auto log = open();
  const std::string a = "a", b = "b";
  const LogRecord records[] = {{1, 1, 1, as_bytes(a)}, {2, 1, 2, as_bytes(b)}};
  ASSERT_TRUE(log->commit(records).ok());
  EXPECT_EQ(log->last_lsn(), 2u);
  open();
  EXPECT_EQ(seen_.size(), 2u);
}

TEST_F(LogTest, EveryFlippedBitOfAPromisedRecordIsDetected) {
  uint64_t end = 0;
  {
    auto log = open();
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(append(*log, "record " + std::to_string(i)).ok());
    end = 4096 + log->bytes();
  }
  const std::string path = segments().front();
  for (uint64_t offset = 0; offset < end; ++offset) {
    // The mark's own sector and the unused rest of the header page promise nothing by themselves.
    if (offset >= 28 && offset < 4096) continue;
    // Padding and the header's reserved bytes carry nothing.
    flip(path, offset);
    auto log = try_open();
    if (log.ok()) {
      seen_.clear();
      EXPECT_EQ((*log)->last_lsn(), 5u) << "offset " << offset;
    } else {
      EXPECT_TRUE(log.error().code() == Code::kCorruption ||
                  log.error().code() == Code::kUnimplemented)
          << offset;
      EXPECT_NE(log.error().message().find(path), std::string::npos);
    }
    flip(path, offset);
  }
  open();
  EXPECT_EQ(seen_.size(), 5u);
}

TEST_F(LogTest, TornTailIsCut) {
  {
    auto log = open();
    ASSERT_TRUE(append(*log, "kept").ok());
    auto file = *posix_files().open(segments().front(), OpenMode::kReadWrite);
    // Half a record that nobody was promised.
    ASSERT_TRUE(file->write(4096 + log->bytes(), as_bytes("torn torn torn torn torn")).ok());
  }
  auto log = open();
  EXPECT_EQ(seen_.size(), 1u);
  ASSERT_TRUE(append(*log, "next").ok());
  open();
  EXPECT_EQ(seen_.size(), 2u);
}

TEST_F(LogTest, MissingSegmentIsDamage) {
  {
    auto log = open();
    for (int i = 0; i < 60; ++i) ASSERT_TRUE(append(*log, std::string(1000, 'x')).ok());
  }
  const auto paths = segments();
  ASSERT_GT(paths.size(), 3u);
  ASSERT_TRUE(posix_files().remove(paths[1]).ok());
  EXPECT_EQ(try_open().error().code(), Code::kCorruption);
  ASSERT_TRUE(posix_files().remove(paths[0]).ok());
  EXPECT_EQ(try_open().error().code(), Code::kCorruption);
}

TEST_F(LogTest, DropKeepsWhatIsNewer) {
  auto log = open();
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(append(*log, std::string(1000, 'x')).ok());
  ASSERT_TRUE(log->drop_through(30).ok());
  EXPECT_GT(log->first_lsn(), 1u);
  EXPECT_LE(log->first_lsn(), 31u);
  log.reset();
  open(30);
  EXPECT_EQ(seen_.size(), 30u);
}

TEST_F(LogTest, OldFirstRecordRollsTheSegment) {
  options_.segment_micros = 100;
  auto log = open();
  ASSERT_TRUE(append(*log, "a", 1000).ok());
  ASSERT_TRUE(append(*log, "b", 1050).ok());
  EXPECT_EQ(segments().size(), 1u);
  ASSERT_TRUE(append(*log, "c", 1101).ok());
  EXPECT_EQ(segments().size(), 2u);
}

TEST_F(LogTest, ReadsARange) {
  auto log = open();
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(append(*log, std::string(1000, 'x')).ok());
  std::vector<Lsn> lsns;
  ASSERT_TRUE(log->read(20, 40, [&](const LogRecord& record) {
                   lsns.push_back(record.lsn);
                   return Status();
                 }).ok());
  ASSERT_EQ(lsns.size(), 21u);
  EXPECT_EQ(lsns.front(), 20u);
  EXPECT_NEAR(static_cast<double>(log->bytes_after(30)), static_cast<double>(log->bytes()) / 2, 2e3);
}

}  // namespace
}  // namespace ferres
