// The audit log: what is asked of it, its chain, and what is left after crashes and full disks.
#include "auth/audit_log.h"

#include <gtest/gtest.h>

#include "auth/audit_lines.h"
#include "base/sim_files.h"

namespace ferres {
namespace {

constexpr uint64_t kDay = 86400ull * 1'000'000;
constexpr char kDir[] = "data/logs";

class AuditLogTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }
  void open(uint64_t days_max = 365) {
    log_.reset();
    auto log = AuditLog::open(files_, executor_, kDir, days_max);
    ASSERT_TRUE(log.ok()) << log.error().message();
    log_ = *std::move(log);
  }
  void add(const std::string& action, const std::string& user = "ann",
           const std::string& resource = "collection:docs") {
    log_->add({.unix_micros = now_++,
               .user = user,
               .action = action,
               .resource = resource,
               .details_json = R"({"n":1})",
               .result = "success",
               .ip_address = "127.0.0.1",
               .duration_micros = 1500});
  }
  /// The actions that are found, newest first.
  std::string actions(const AuditQuery& query = {}) {
    const auto found = log_->query(query);
    EXPECT_TRUE(found.ok());
    std::string all;
    for (const std::string& entry : *found) {
      const size_t at = entry.find("\"action\":\"") + 10;
      all += entry.substr(at, entry.find('"', at) - at) + " ";
    }
    return all;
  }
  std::string check() {
    const auto check = check_audit_log(files_, kDir);
    EXPECT_TRUE(check.ok());
    return check->broken;
  }
  std::string path(std::string_view day = "2023-11-14") const {
    return std::string(kDir) + "/" + audit_file_name(day);
  }
  std::string content() { return *read_file(files_, path(), 1 << 20); }

  SimFiles files_{1};
  ManualExecutor executor_{1};
  uint64_t now_ = 1'700'000'000'000'000;  // 2023-11-14
  std::shared_ptr<AuditLog> log_;
};

TEST_F(AuditLogTest, EntriesAreWrittenSoonAndFoundByWhatTheySay) {
  add("upsert");
  add("create_user", "root", "user:bob");
  add("upsert", "bob", "collection:other");
  executor_.run_all();
  EXPECT_EQ(actions(), "upsert create_user upsert ");
  EXPECT_EQ(actions({.user = "ann", .action = {}, .resource = {}}), "upsert ");
  EXPECT_EQ(actions({.user = {}, .action = "create_user", .resource = {}}), "create_user ");
  EXPECT_EQ(actions({.user = {}, .action = {}, .resource = "other"}), "upsert ");
  EXPECT_EQ(actions({.user = {}, .action = {}, .resource = {}, .from_micros = now_ - 2}),
            "upsert create_user ");
  EXPECT_EQ(
      actions({.user = {}, .action = {}, .resource = {}, .from_micros = 0, .to_micros = now_ - 3}),
      "upsert ");
  AuditQuery one;
  one.limit = 1;
  EXPECT_EQ(actions(one), "upsert ");
  EXPECT_NE(content().find(R"("timestamp":"2023-11-14T22:13:20.000000Z","user_id":"ann",)"
                           R"("action":"upsert","resource":"collection:docs","details":{"n":1},)"
                           R"("result":"success","ip_address":"127.0.0.1","duration_ms":1.5,)"),
            std::string::npos)
      << content();
}

TEST_F(AuditLogTest, TheChainShowsWhatWasChangedTakenOutOrPutIn) {
  for (int i = 0; i < 5; ++i)
    add("a" + std::to_string(i));
  ASSERT_TRUE(log_->flush().ok());
  EXPECT_EQ(check(), "");
  const std::string good = content();
  std::vector<size_t> starts = {0};
  for (size_t at = good.find('\n'); at + 1 < good.size(); at = good.find('\n', at + 1))
    starts.push_back(at + 1);
  ASSERT_EQ(starts.size(), 5u);
  std::string changed = good;
  changed.replace(changed.find("\"a2\""), 4, "\"a9\"");
  const std::string without = good.substr(0, starts[2]) + good.substr(starts[3]);
  const std::string twice = good.substr(0, starts[3]) + good.substr(starts[2]);
  for (const std::string& bad : {changed, without, twice}) {
    ASSERT_TRUE(write_file_atomic(files_, path(), as_bytes(bad)).ok());
    EXPECT_NE(check(), "");
  }
  ASSERT_TRUE(write_file_atomic(files_, path(), as_bytes(good)).ok());
  EXPECT_EQ(check(), "");
}

TEST_F(AuditLogTest, TheChainGoesOnAfterARestartAndIntoTheNextDay) {
  add("one");
  ASSERT_TRUE(log_->flush().ok());
  const std::string head = log_->head();
  open();
  EXPECT_EQ(log_->head(), head);
  add("two");
  now_ += kDay;
  ASSERT_TRUE(log_->flush().ok());
  add("three");
  ASSERT_TRUE(log_->flush().ok());
  now_ -= kDay;  // the clock is set back: the newest file goes on
  add("four");
  ASSERT_TRUE(log_->flush().ok());
  EXPECT_EQ(check(), "");
  EXPECT_TRUE(files_.exists(path("2023-11-15")));
  EXPECT_EQ(actions(), "four three two one ");
}

TEST_F(AuditLogTest, HalfALineOfACrashIsNoEntry) {
  add("one");
  ASSERT_TRUE(log_->flush().ok());
  const std::string torn = content() + R"({"timestamp":"2023)";
  ASSERT_TRUE(write_file_atomic(files_, path(), as_bytes(torn)).ok());
  open();
  add("two");
  ASSERT_TRUE(log_->flush().ok());
  EXPECT_EQ(check(), "");
  EXPECT_EQ(actions(), "two one ");
}

TEST_F(AuditLogTest, WhatIsFlushedSurvivesAPowerCut) {
  add("one");
  ASSERT_TRUE(log_->flush().ok());
  add("two");
  log_.reset();
  files_.crash(TearMode::kDropUnsynced);
  open();
  EXPECT_EQ(actions(), "one ");
}

TEST_F(AuditLogTest, OnAFullDiskEntriesWaitAndThoseThatCannotAreCounted) {
  add("first");
  ASSERT_TRUE(log_->flush().ok());
  files_.fail_at(1, FaultKind::kEnospc, true);
  for (size_t i = 0; i < AuditLog::kWaitingMax + 3; ++i)
    add("later");
  EXPECT_FALSE(log_->flush().ok());
  files_.clear_fault();
  ASSERT_TRUE(log_->flush().ok());
  const auto all = check_audit_log(files_, kDir);
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->broken, "");
  EXPECT_EQ(all->entries, 1 + AuditLog::kWaitingMax + 1);
  AuditQuery lost;
  lost.action = "audit_entries_lost";
  const auto found = log_->query(lost);
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->size(), 1u);
  EXPECT_NE(found->front().find(R"("count":3)"), std::string::npos);
}

TEST_F(AuditLogTest, OldFilesAreRemovedWhenADayBegins) {
  open(2);
  for (int day = 0; day < 4; ++day) {
    add("daily");
    ASSERT_TRUE(log_->flush().ok());
    now_ += kDay;
  }
  EXPECT_FALSE(files_.exists(path("2023-11-14")));
  EXPECT_FALSE(files_.exists(path("2023-11-15")));
  EXPECT_TRUE(files_.exists(path("2023-11-16")));
  EXPECT_EQ(check(), "");
}

TEST_F(AuditLogTest, AFileThatEndsOtherwiseIsNotWrittenTo) {
  const std::string strange = "hello\n";
  ASSERT_TRUE(write_file_atomic(files_, path(), as_bytes(strange)).ok());
  EXPECT_EQ(AuditLog::open(files_, executor_, kDir, 1).error().code(), Code::kCorruption);
  EXPECT_EQ(content(), strange);
}

}  // namespace
}  // namespace ferres
