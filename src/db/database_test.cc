// Tests of the database: catalog, drops, and what a start finds after a crash.
#include "db/database.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace ferres {
namespace {

class DatabaseTest : public ::testing::Test {
 protected:
  DatabaseTest() : clock_(1'700'000'000'000'000), commit_clock_(clock_) {
    options_.dir = ::testing::TempDir() + "/database_test_" + random_uuid();
    executor_ = make_thread_pool(2);
    open();
  }
  ~DatabaseTest() override {
    if (database_) (void)database_->close().ok();
    database_.reset();
    executor_.reset();
    (void)posix_files().remove_tree(options_.dir).ok();
  }
  Result<std::shared_ptr<Database>> try_open() {
    return Database::open({&posix_files(), executor_.get(), &clock_, &commit_clock_}, options_);
  }
  void open() {
    auto opened = try_open();
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    database_ = *std::move(opened);
  }
  void reopen() {
    ASSERT_TRUE(database_->close().ok());
    database_.reset();
    open();
  }
  static CollectionConfig config(const std::string& name) {
    CollectionConfig config;
    config.name = name;
    config.dimension = 2;
    config.metric = Metric::kCosine;
    return config;
  }
  static void put(Collection& collection, const std::string& id) {
    UpsertRequest request;
    request.points.push_back({id, std::nullopt, {1, 2}, "{}", std::nullopt});
    ASSERT_TRUE(collection.upsert(std::move(request)).ok());
  }
  Status remove_collections_folder(const std::string& name) {
    return posix_files().remove_tree(options_.dir + "/collections/" + name);
  }

  /// What is written from now on is newer than what was.
  RestoreTarget now() {
    clock_.advance_micros(1000);  // commits at one moment are a microsecond apart
    const RestoreTarget target{.unix_micros = clock_.unix_micros(), .lsn = {}};
    clock_.advance_micros(1'000'000);
    return target;
  }

  DatabaseOptions options_;
  ManualClock clock_;
  CommitClock commit_clock_;
  std::unique_ptr<Executor> executor_;
  std::shared_ptr<Database> database_;
};

TEST_F(DatabaseTest, CollectionsAndTheirPointsSurviveAReopening) {
  for (const char* name : {"b", "a"})
    put(**database_->create(config(name)), "p");
  reopen();
  ASSERT_EQ(database_->list().size(), 2u);
  EXPECT_EQ(database_->list()[0]->config().name, "a");
  EXPECT_EQ((*database_->find("b"))->get("p", std::nullopt)->id, "p");
}

TEST_F(DatabaseTest, ChangesOfAConfigurationSurviveAReopening) {
  put(**database_->create(config("a")), "p");
  const auto change = [](CollectionConfig& config) -> Status {
    config.retention_days = 3;
    config.index.layout = GraphLayout::kFast;
    return {};
  };
  ASSERT_TRUE(database_->configure("a", change).ok());
  EXPECT_EQ((*database_->find("a"))->config().retention_days, 3u);
  EXPECT_EQ(database_->configure("b", change).code(), Code::kNotFound);
  const auto refusal = [](CollectionConfig& config) -> Status {
    config.retention_days = 4;
    return {Code::kInvalidArgument, "no"};
  };
  EXPECT_EQ(database_->configure("a", refusal).message(), "no");
  reopen();
  EXPECT_EQ((*database_->find("a"))->config().retention_days, 3u);
  EXPECT_EQ((*database_->find("a"))->config().index.layout, GraphLayout::kFast);
  EXPECT_EQ((*database_->find("a"))->get("p", std::nullopt)->id, "p");
  ASSERT_TRUE(database_->drop("a").ok());
  ASSERT_TRUE(database_->create(config("a")).ok());
  reopen();
  EXPECT_FALSE((*database_->find("a"))->config().retention_days.has_value());
}

TEST_F(DatabaseTest, NamesAreCheckedAndUnique) {
  EXPECT_EQ(database_->create(config("../x")).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(database_->create(config("")).error().code(), Code::kInvalidArgument);
  ASSERT_TRUE(database_->create(config("x")).ok());
  EXPECT_EQ(database_->create(config("x")).error().code(), Code::kAlreadyExists);
  EXPECT_EQ(database_->find("y").error().message(), "collection 'y' not found");
}

TEST_F(DatabaseTest, DroppedCollectionStaysGoneAndItsNameIsFree) {
  put(**database_->create(config("x")), "old");
  ASSERT_TRUE(database_->drop("x").ok());
  EXPECT_EQ(database_->find("x").error().code(), Code::kNotFound);
  EXPECT_EQ(database_->drop("x").code(), Code::kNotFound);
  put(**database_->create(config("x")), "new");
  reopen();
  EXPECT_EQ((*database_->find("x"))->get("old", std::nullopt).error().code(), Code::kNotFound);
  EXPECT_TRUE((*database_->find("x"))->get("new", std::nullopt).ok());
}

TEST_F(DatabaseTest, WhoStillAsksADroppedCollectionIsToldThatItIsGone) {
  const std::shared_ptr<Collection> held = *database_->create(config("x"));
  put(*held, "a");
  ASSERT_TRUE(database_->drop("x").ok());
  UpsertRequest request;
  request.points.push_back({"b", std::nullopt, {1, 2}, "{}", std::nullopt});
  EXPECT_EQ(held->upsert(std::move(request)).error().code(), Code::kNotFound);
  EXPECT_EQ(held->get("a", std::nullopt).error().code(), Code::kNotFound);
  EXPECT_EQ(held->checkpoint().code(), Code::kNotFound);
}

TEST_F(DatabaseTest, SecondOpenerIsRefused) {
  EXPECT_EQ(try_open().error().code(), Code::kConflict);
}

// Joined with names it would be the root of the file system.
TEST_F(DatabaseTest, AFolderWithoutANameIsRefused) {
  options_.dir.clear();
  EXPECT_EQ(try_open().error().code(), Code::kInvalidArgument);
}

TEST_F(DatabaseTest, FolderWithoutARecordIsPutAside) {
  ASSERT_TRUE(database_->create(config("x")).ok());
  ASSERT_TRUE(database_->close().ok());
  database_.reset();
  // A create that was cut before its record: the folder is there, the catalog does not know it.
  FileSystem& files = posix_files();
  ASSERT_TRUE(files.make_dirs(options_.dir + "/collections/half").ok());
  open();
  EXPECT_EQ(database_->list().size(), 1u);
  EXPECT_FALSE(files.exists(options_.dir + "/collections/half"));
  EXPECT_TRUE(files.exists(options_.dir + "/dropped/half.unknown"));
}

TEST_F(DatabaseTest, MissingFolderIsDamageOfOneCollection) {
  put(**database_->create(config("x")), "p");
  put(**database_->create(config("y")), "p");
  ASSERT_TRUE(database_->close().ok());
  database_.reset();
  ASSERT_TRUE(remove_collections_folder("x").ok());
  open();
  EXPECT_EQ(database_->find("x").error().code(), Code::kCorruption);
  EXPECT_TRUE((*database_->find("y"))->get("p", std::nullopt).ok());
  EXPECT_EQ(database_->create(config("x")).error().code(), Code::kAlreadyExists);
  EXPECT_TRUE(database_->drop("x").ok());
  EXPECT_TRUE(database_->create(config("x")).ok());
}

TEST_F(DatabaseTest, WhatIsUnavailableSaysSoAndIsNotLeftOutOfARestore) {
  for (const char* name : {"closed", "failed", "whole"})
    put(**database_->create(config(name)), "p");
  ASSERT_TRUE(database_->close().ok());
  database_.reset();
  ASSERT_TRUE(remove_collections_folder("closed").ok());
  open();
  ASSERT_TRUE((*database_->find("failed"))->close(false).ok());
  EXPECT_EQ(database_->find("failed").error().code(), Code::kUnavailable);
  EXPECT_EQ(database_->configure("failed", [](CollectionConfig&) { return Status(); }).code(),
            Code::kUnavailable);
  const CollectionCounts counts = database_->counts();
  EXPECT_EQ(counts.total, 3u);
  EXPECT_EQ(counts.unavailable, 2u);
  clock_.advance_micros(1000);  // commits at one moment are a microsecond apart
  RestoreRequest request;
  request.target.unix_micros = clock_.unix_micros();
  const auto restored = database_->restore(request, nullptr);
  ASSERT_TRUE(restored.ok()) << restored.error().message();
  ASSERT_EQ(restored->restored.size(), 1u);
  EXPECT_EQ(restored->restored[0].first, "whole");
  ASSERT_EQ(restored->failed.size(), 2u);
  EXPECT_EQ(restored->failed[0].first, "closed");
  EXPECT_EQ(restored->failed[1].first, "failed");
  EXPECT_TRUE(database_->drop("failed").ok());
  EXPECT_EQ(database_->find("failed").error().code(), Code::kNotFound);
}

TEST_F(DatabaseTest, ADroppedCollectionComesBackAsItWas) {
  auto a = *database_->create(config("a"));
  put(*a, "p");
  const RestoreTarget then = now();
  put(*a, "late");
  ASSERT_TRUE(database_->drop("a").ok());
  a.reset();
  ASSERT_EQ(database_->dropped().size(), 1u);
  reopen();
  const auto outcome = database_->restore({then, "a", {}}, nullptr);
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  ASSERT_EQ(outcome->restored.size(), 1u);
  EXPECT_EQ(outcome->restored[0].first, "a");
  EXPECT_TRUE(database_->dropped().empty());
  reopen();
  a = *database_->find("a");
  EXPECT_TRUE(a->get("p", {}).ok());
  EXPECT_EQ(a->get("late", {}).error().code(), Code::kNotFound);
  EXPECT_EQ(a->stats().lsn, 3u);
  // Undone: the moment before the restore.
  ASSERT_TRUE(database_->restore({{.unix_micros = {}, .lsn = 2, .ns = {}}, "a", {}}, nullptr).ok());
  EXPECT_TRUE(a->get("late", {}).ok());
}

TEST_F(DatabaseTest, AnOldStateBecomesACollectionOfItsOwn) {
  auto a = *database_->create(config("a"));
  put(*a, "1");
  ASSERT_TRUE(a->checkpoint().ok());
  put(*a, "2");
  put(*a, "3");
  const auto outcome =
      database_->restore({{.unix_micros = {}, .lsn = 2, .ns = {}}, "a", "b"}, nullptr);
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_EQ(outcome->restored[0].first, "b");
  EXPECT_EQ(outcome->restored[0].second.points, 2u);
  EXPECT_EQ(a->stats().points, 3u);
  put(**database_->find("b"), "of b");
  reopen();
  const auto b = *database_->find("b");
  EXPECT_EQ(b->stats().points, 3u);
  EXPECT_TRUE(b->get("2", {}).ok());
  EXPECT_FALSE(b->get("3", {}).ok());
  EXPECT_FALSE((*database_->find("a"))->get("of b", {}).ok());
  // Before the copy there is no history of it.
  EXPECT_EQ(b->restore({.unix_micros = {}, .lsn = 1, .ns = {}}, nullptr).error().code(),
            Code::kNotFound);
  EXPECT_EQ(database_->restore({{.unix_micros = {}, .lsn = 2, .ns = {}}, "a", "b"}, nullptr)
                .error()
                .code(),
            Code::kAlreadyExists);
}

// The whole history of a copy begins with its first checkpoint, which therefore stays.
TEST_F(DatabaseTest, ACopyKeepsItsHistoryToo) {
  Collection& source = **database_->create(config("a"));
  put(source, "p");
  const RestoreTarget target{.unix_micros = {}, .lsn = 1};
  ASSERT_TRUE(database_->restore({target, "a", "copy"}, nullptr).ok());
  for (const char* id : {"q", "r", "s"}) {
    put(**database_->find("copy"), id);
    ASSERT_TRUE((*database_->find("copy"))->checkpoint().ok());
  }
  reopen();
  const std::shared_ptr<Collection> copy = *database_->find("copy");
  EXPECT_EQ(copy->history()->oldest.lsn, 1u);
  ASSERT_TRUE(copy->restore({.unix_micros = {}, .lsn = 2}, nullptr).ok());
  EXPECT_EQ(copy->stats().points, 2u);
  ASSERT_TRUE(copy->restore({.unix_micros = {}, .lsn = 1}, nullptr).ok());
  EXPECT_EQ(copy->stats().points, 1u);
  EXPECT_FALSE(copy->restore({.unix_micros = {}, .lsn = 0}, nullptr).ok());
}

TEST_F(DatabaseTest, ALogThatIsMissingIsDamage) {
  put(**database_->create(config("a")), "p");
  ASSERT_TRUE(database_->close().ok());  // checkpointed
  database_.reset();
  ASSERT_TRUE(posix_files().remove_tree(options_.dir + "/collections/a/wal").ok());
  open();
  EXPECT_EQ(database_->find("a").error().code(), Code::kCorruption);
}

TEST_F(DatabaseTest, WhatARestoreHasFinishedIsNoLongerUnfinished) {
  put(**database_->create(config("a")), "p");
  ASSERT_TRUE(database_->close().ok());
  database_.reset();
  // As if the power went between the record and the removal of the mark.
  const std::string mark = options_.dir + "/collections/a/UNFINISHED";
  ASSERT_TRUE(write_file_atomic(posix_files(), mark, {}).ok());
  open();
  EXPECT_EQ((*database_->find("a"))->stats().points, 1u);
  EXPECT_FALSE(posix_files().exists(mark));
}

TEST_F(DatabaseTest, ADroppedCollectionBecomesAnotherWhileItsNameIsTaken) {
  put(**database_->create(config("a")), "old");
  const RestoreTarget then = now();
  ASSERT_TRUE(database_->drop("a").ok());
  put(**database_->create(config("a")), "new");
  EXPECT_EQ(database_->restore({then, "a", {}}, nullptr).error().code(), Code::kConflict);
  const auto outcome = database_->restore({then, "a", "b"}, nullptr);
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_TRUE((*database_->find("b"))->get("old", {}).ok());
  EXPECT_TRUE((*database_->find("a"))->get("new", {}).ok());
  EXPECT_EQ(database_->dropped().size(), 1u);
}

TEST_F(DatabaseTest, EverythingGoesBackToOneMoment) {
  put(**database_->create(config("stays")), "1");
  put(**database_->create(config("gone")), "1");
  const RestoreTarget then = now();
  put(**database_->find("stays"), "2");
  put(**database_->create(config("newer")), "1");
  ASSERT_TRUE(database_->drop("gone").ok());
  const auto outcome = database_->restore({then, {}, {}}, nullptr);
  ASSERT_TRUE(outcome.ok()) << outcome.error().message();
  EXPECT_EQ(outcome->restored.size(), 2u);
  EXPECT_EQ(outcome->newer, std::vector<std::string>{"newer"});
  EXPECT_TRUE(outcome->failed.empty());
  EXPECT_EQ((*database_->find("stays"))->stats().points, 1u);
  EXPECT_EQ((*database_->find("gone"))->stats().points, 1u);
  EXPECT_EQ((*database_->find("newer"))->stats().points, 1u);
}

TEST_F(DatabaseTest, AMomentIsOfTheCollectionThatLivedThen) {
  put(**database_->create(config("a")), "first");
  const RestoreTarget in_first = now();
  ASSERT_TRUE(database_->drop("a").ok());
  const RestoreTarget between = now();
  put(**database_->create(config("a")), "second");
  const RestoreTarget in_second = now();
  ASSERT_TRUE(database_->drop("a").ok());
  ASSERT_TRUE(database_->restore({in_first, "a", {}}, nullptr).ok());
  EXPECT_TRUE((*database_->find("a"))->get("first", {}).ok());
  EXPECT_EQ(database_->restore({between, "a", {}}, nullptr).error().code(), Code::kNotFound);
  EXPECT_EQ(database_->restore({in_second, "a", {}}, nullptr).error().code(), Code::kConflict);
  reopen();
  ASSERT_TRUE(database_->restore({in_second, "a", "b"}, nullptr).ok());
  EXPECT_TRUE((*database_->find("b"))->get("second", {}).ok());
  EXPECT_TRUE((*database_->find("a"))->get("first", {}).ok());
}

TEST_F(DatabaseTest, ARestoreThatIsCutShortChangesNothing) {
  put(**database_->create(config("a")), "p");
  ASSERT_TRUE(database_->drop("a").ok());
  const auto stop = [](uint64_t, uint64_t) { return Status(Code::kUnavailable, "enough"); };
  const RestoreTarget target{.unix_micros = {}, .lsn = 1, .ns = {}};
  for (const std::optional<std::string>& as : {std::optional<std::string>(), {"b"}}) {
    const auto outcome = database_->restore({target, "a", as}, stop);
    EXPECT_EQ(outcome.error().message(), "enough");
    EXPECT_TRUE(database_->list().empty());
    EXPECT_EQ(database_->find(as.value_or("a")).error().code(), Code::kNotFound);
    EXPECT_EQ(database_->dropped().size(), 1u);
    EXPECT_EQ(posix_files().list(options_.dir + "/dropped")->size(), 1u);
    EXPECT_TRUE(posix_files().list(options_.dir + "/collections")->empty());
  }
  ASSERT_TRUE(database_->restore({target, "a", {}}, nullptr).ok());
}

TEST_F(DatabaseTest, AFolderThatIsNotFinishedIsRemovedByAStart) {
  ASSERT_TRUE(database_->close().ok());
  database_.reset();
  FileSystem& files = posix_files();
  const std::string folder = options_.dir + "/collections/half";
  ASSERT_TRUE(files.make_dirs(folder).ok());
  ASSERT_TRUE(write_file_atomic(files, folder + "/UNFINISHED", {}).ok());
  open();
  EXPECT_FALSE(files.exists(folder));
  EXPECT_TRUE(files.list(options_.dir + "/dropped")->empty());
}

TEST_F(DatabaseTest, WhatIsPurgedLeavesNothing) {
  FileSystem& files = posix_files();
  put(**database_->create(config("a")), "before");
  ASSERT_TRUE(database_->drop("a").ok());
  put(**database_->create(config("a")), "p");
  ASSERT_TRUE(database_->drop("a", true).ok());
  CollectionConfig forgetful = config("b");
  forgetful.retention_days = 0;
  put(**database_->create(forgetful), "p");
  ASSERT_TRUE(database_->drop("b").ok());
  EXPECT_TRUE(files.list(options_.dir + "/dropped")->empty());
  EXPECT_TRUE(database_->dropped().empty());
  const RestoreTarget then = now();
  EXPECT_EQ(database_->restore({then, "a", {}}, nullptr).error().code(), Code::kNotFound);
  reopen();
  EXPECT_TRUE(database_->dropped().empty());
}

}  // namespace
}  // namespace ferres
