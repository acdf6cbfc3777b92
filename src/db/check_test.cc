// Tests of the check of a data folder, on a simulated disk: each kind of damage is named for what
// it is, and what the check advises helps.
#include "db/check.h"

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "base/executor.h"
#include "base/sim_files.h"
#include "collection/history.h"
#include "db/database.h"

namespace ferres {
namespace {

constexpr uint32_t kDimension = 8;
const std::string kDir = "/data";
const std::string kDocs = kDir + "/collections/docs";

class CheckTest : public ::testing::Test {
 protected:
  CheckTest() : files_(1), clock_(1'700'000'000'000'000) {
    options_.dir = kDir;
    options_.collection.background = false;
    options_.collection.log_segment_bytes = 16 << 10;
  }
  ~CheckTest() override { stop(); }

  void start() {
    executor_ = std::make_unique<ManualExecutor>(1);
    commit_clock_ = std::make_unique<CommitClock>(clock_);
    auto opened =
        Database::open({&files_, executor_.get(), &clock_, commit_clock_.get()}, options_);
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    database_ = *std::move(opened);
  }
  /// As a process that is killed.
  void stop() {
    database_.reset();
    executor_.reset();
  }

  Collection& docs() { return **database_->find("docs"); }
  void create_docs() {
    CollectionConfig config;
    config.name = "docs";
    config.dimension = kDimension;
    config.retention_days = 4;
    ASSERT_TRUE(database_->create(config).ok());
  }
  void put(size_t first, size_t count) {
    UpsertRequest request;
    for (size_t i = first; i < first + count; ++i) {
      std::vector<float> vector(kDimension, 1);
      vector[i % kDimension] = static_cast<float>(i + 1);
      request.points.push_back({"p" + std::to_string(i), std::nullopt, std::move(vector),
                                R"({"n":)" + std::to_string(i) + "}", std::nullopt});
    }
    ASSERT_TRUE(docs().upsert(std::move(request)).ok());
  }
  /// Checkpoints of LSN 2 and 4, and a record behind them.
  void make_folder() {
    start();
    create_docs();
    for (size_t round = 0; round < 2; ++round) {
      put(round * 200, 100);
      put(round * 200 + 100, 100);
      ASSERT_TRUE(docs().checkpoint().ok());
      clock_.advance_micros(100'000'000'000);  // more than a day: history keeps both
    }
    put(400, 100);
    stop();
  }
  uint64_t points_after_start() {
    start();
    ListRequest request;
    request.count_only = true;
    return docs().list(request)->total;
  }

  std::vector<std::string> names(const std::string& dir, std::string_view with) {
    std::vector<std::string> found;
    const auto listed = files_.list(dir);
    for (const std::string& name : *listed)
      if (name.find(with) != std::string::npos) found.push_back(dir + "/" + name);
    return found;
  }
  /// Of the first checkpoint's points or of the last one's.
  std::string page_file(std::string_view family, bool newest) {
    auto found = names(kDocs, family);
    EXPECT_EQ(found.size(), 2u);
    return newest ? found.back() : found.front();
  }
  void flip(const std::string& path, uint64_t byte) {
    ASSERT_TRUE(files_.flip_bit(path, byte * 8).ok()) << path;
  }
  CheckReport check(bool repair = false) {
    auto report = check_database(files_, {.dir = kDir, .repair = repair, .progress = {}});
    EXPECT_TRUE(report.ok()) << report.error().message();
    return *std::move(report);
  }
  /// The only finding.
  static Finding only(const CheckReport& report) {
    EXPECT_EQ(report.findings.size(), 1u);
    return report.findings.empty() ? Finding() : report.findings.front();
  }

  SimFiles files_;
  ManualClock clock_;
  DatabaseOptions options_;
  std::unique_ptr<CommitClock> commit_clock_;
  std::unique_ptr<ManualExecutor> executor_;
  std::shared_ptr<Database> database_;
};

void expect_says(const Finding& finding, std::string_view words) {
  EXPECT_NE(finding.advice.find(words), std::string::npos) << finding.advice;
}

TEST_F(CheckTest, AWholeFolderIsSound) {
  make_folder();
  const CheckReport report = check();
  EXPECT_TRUE(report.sound());
  EXPECT_TRUE(report.findings.empty());
  ASSERT_EQ(report.collections.size(), 1u);
  EXPECT_TRUE(report.collections[0].whole);
  EXPECT_EQ(report.collections[0].points, 500u);
  EXPECT_EQ(report.collections[0].lsn, 5u);
}

TEST_F(CheckTest, AFolderInUseIsRefused) {
  start();
  const auto used = check_database(files_, {.dir = kDir, .repair = false, .progress = {}});
  ASSERT_FALSE(used.ok());
  EXPECT_EQ(used.error().code(), Code::kConflict);
  const auto other = check_database(files_, {.dir = "/other", .repair = false, .progress = {}});
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code(), Code::kNotFound);
  EXPECT_FALSE(files_.exists("/other"));
}

TEST_F(CheckTest, ProgressEndsWithAllThatThereIs) {
  make_folder();
  uint64_t last = 0;
  uint64_t all = 0;
  const auto report = check_database(
      files_, {.dir = kDir, .repair = false, .progress = [&](uint64_t done, uint64_t total) {
                 EXPECT_GE(done, last);
                 last = done;
                 all = total;
               }});
  ASSERT_TRUE(report.ok());
  EXPECT_GT(last, all / 2);
  EXPECT_LE(last, all);
}

TEST_F(CheckTest, ADamagedCatalogIsNamedAndTheCollectionsAreStillChecked) {
  make_folder();
  flip(names(kDir + "/system/wal", ".wal").front(), 4096 + 40);
  const CheckReport report = check();
  const Finding finding = only(report);
  EXPECT_EQ(finding.kind, Finding::Kind::kDamage);
  EXPECT_EQ(finding.where.offset, 4096u);
  expect_says(finding, "catalog");
  ASSERT_EQ(report.collections.size(), 1u);
  EXPECT_EQ(report.collections[0].points, 500u);
}

TEST_F(CheckTest, PagesOfTheNewestPointsAreMendedByTheOlderCheckpointAndTheLog) {
  make_folder();
  const std::string damaged = page_file("points-", true);
  flip(damaged, 100);
  const CheckReport report = check();
  const Finding finding = only(report);
  EXPECT_EQ(finding.kind, Finding::Kind::kDamage);
  EXPECT_EQ(finding.where.file, damaged);
  EXPECT_EQ(finding.where.offset, 0u);
  EXPECT_FALSE(report.sound());
  EXPECT_TRUE(report.collections[0].whole);
  const std::string manifest = manifest_path(manifest_dir_of(kDocs), 4);
  expect_says(finding, "move " + manifest + " away; the next start reads the checkpoint of LSN 2");
  ASSERT_TRUE(files_.remove(manifest).ok());
  EXPECT_EQ(points_after_start(), 500u);
}

// Nothing was written to the namespace since, so a start would not miss the file.
TEST_F(CheckTest, AMissingFileOfANamespaceIsMendedByTheOlderCheckpointAndTheLog) {
  options_.collection.isolate_namespaces = true;
  make_folder();
  const auto files = names(kDocs + "/namespaces/_default", "points-");
  ASSERT_EQ(files.size(), 2u);
  ASSERT_TRUE(files_.remove(files.back()).ok());
  const CheckReport report = check();
  EXPECT_TRUE(report.collections[0].whole);
  const std::string manifest = manifest_path(manifest_dir_of(kDocs), 4);
  expect_says(only(report),
              "move " + manifest + " away; the next start reads the checkpoint of LSN 2");
  ASSERT_TRUE(files_.remove(manifest).ok());
  EXPECT_EQ(points_after_start(), 500u);
}

TEST_F(CheckTest, PointsOfAllCheckpointsAreMendedByAWholeLog) {
  make_folder();
  for (const std::string& path : names(kDocs, "points-"))
    ASSERT_TRUE(files_.remove(path).ok());
  const CheckReport report = check();
  EXPECT_EQ(report.findings.size(), 2u);
  for (const Finding& finding : report.findings)
    expect_says(finding, "No point is lost: the next start reads the empty beginning and the log");
  EXPECT_EQ(points_after_start(), 500u);
}

TEST_F(CheckTest, WithoutTheLogDamagedPointsAreSaidToBeLost) {
  make_folder();
  start();
  ASSERT_TRUE(database_
                  ->configure("docs",
                              [](CollectionConfig& config) {
                                config.retention_days = 0;
                                return Status();
                              })
                  .ok());
  put(500, 1);
  ASSERT_TRUE(docs().checkpoint().ok());
  stop();
  for (const std::string& path : names(kDocs, "points-"))
    flip(path, 100);
  const CheckReport report = check(true);
  EXPECT_FALSE(report.sound());
  EXPECT_FALSE(report.collections[0].whole);
  for (const Finding& finding : report.findings) {
    EXPECT_EQ(finding.kind, Finding::Kind::kDamage);
    EXPECT_FALSE(finding.repaired);
    expect_says(finding, "from a backup");
  }
}

TEST_F(CheckTest, ADamagedManifestIsPassedOver) {
  make_folder();
  const std::string manifest = manifest_path(manifest_dir_of(kDocs), 4);
  flip(manifest, 20);
  const CheckReport report = check();
  const Finding finding = only(report);
  EXPECT_EQ(finding.where.file, manifest);
  expect_says(finding, "No point is lost: the next start reads the checkpoint of LSN 2");
  EXPECT_TRUE(report.collections[0].whole);
  EXPECT_EQ(points_after_start(), 500u);
}

TEST_F(CheckTest, AnOlderCheckpointIsOnlyNeededByRestores) {
  make_folder();
  flip(manifest_path(manifest_dir_of(kDocs), 2), 20);
  expect_says(only(check()), "Restores start from the empty beginning instead");
}

TEST_F(CheckTest, LogThatACheckpointCoversIsOnlyHistory) {
  make_folder();
  flip(names(kDocs + "/wal", ".wal").front(), 4096 + 40);
  const CheckReport report = check();
  const Finding finding = only(report);
  EXPECT_EQ(finding.where.offset, 4096u);
  expect_says(finding, "The newest state does not need them");
  EXPECT_TRUE(report.collections[0].whole);
  EXPECT_EQ(report.collections[0].points, 500u);
}

TEST_F(CheckTest, LogBehindTheLastCheckpointIsLost) {
  make_folder();
  flip(names(kDocs + "/wal", ".wal").back(), 4096 + 40);
  const CheckReport report = check();
  const Finding finding = only(report);
  expect_says(finding, "Writes from LSN 5 on");
  expect_says(finding, "does not open");
  EXPECT_FALSE(report.collections[0].whole);
}

TEST_F(CheckTest, AMissingLogIsNamed) {
  make_folder();
  ASSERT_TRUE(files_.remove_tree(kDocs + "/wal").ok());
  const Finding finding = only(check());
  EXPECT_NE(finding.where.what.find("the log ends with LSN 0"), std::string::npos);
  expect_says(finding, "segments are missing");
}

TEST_F(CheckTest, ARepairRemovesADamagedIndexAndTheStartMakesItAnew) {
  make_folder();
  const std::string damaged = page_file("index-", true);
  flip(damaged, 100);
  EXPECT_EQ(only(check()).kind, Finding::Kind::kDerived);
  EXPECT_TRUE(files_.exists(damaged));
  const CheckReport repaired = check(true);
  EXPECT_TRUE(only(repaired).repaired);
  EXPECT_TRUE(repaired.sound());
  EXPECT_FALSE(files_.exists(damaged));
  EXPECT_TRUE(check().sound());
  EXPECT_EQ(points_after_start(), 500u);
  EXPECT_TRUE(docs().get("p450", std::nullopt).ok());
  // A restore into another collection copies what that checkpoint has.
  RestoreRequest request;
  request.target.lsn = 5;
  request.collection = "docs";
  request.as = "copy";
  const auto restored = database_->restore(request, nullptr);
  ASSERT_TRUE(restored.ok()) << restored.error().message();
  EXPECT_EQ(restored->restored.front().second.points, 500u);
}

TEST_F(CheckTest, ARepairWritesTheConfigurationAsTheCatalogHasIt) {
  make_folder();
  const std::string config = kDocs + "/config.json";
  ASSERT_TRUE(files_.remove(config).ok());
  EXPECT_EQ(only(check()).kind, Finding::Kind::kDerived);
  EXPECT_TRUE(check(true).sound());
  EXPECT_TRUE(check().findings.empty());
  EXPECT_EQ(points_after_start(), 500u);
}

TEST_F(CheckTest, LeftoversAreNamedAndARepairRemovesThem) {
  make_folder();
  const std::vector<std::string> leftovers = {kDocs + "/points-99.bin", kDocs + "/config.json.tmp",
                                              manifest_path(manifest_dir_of(kDocs), 9) + ".tmp"};
  for (const std::string& path : leftovers)
    ASSERT_TRUE(files_.open(path, OpenMode::kCreate).ok());
  const CheckReport report = check();
  EXPECT_TRUE(report.sound());
  ASSERT_EQ(report.findings.size(), leftovers.size());
  for (size_t i = 0; i < leftovers.size(); ++i)
    EXPECT_EQ(report.findings[i].kind, Finding::Kind::kLeftover);
  check(true);
  for (const std::string& path : leftovers)
    EXPECT_FALSE(files_.exists(path)) << path;
  EXPECT_TRUE(check().findings.empty());
}

TEST_F(CheckTest, NothingIsALeftoverBesideAManifestThatCannotBeRead) {
  make_folder();
  flip(manifest_path(manifest_dir_of(kDocs), 4), 20);
  const std::string needed = page_file("points-", true);
  check(true);
  EXPECT_TRUE(files_.exists(needed));
}

// Nothing is wrong with what a newer program wrote, and nothing of it is removed.
TEST_F(CheckTest, NewerFormatsAreNamedAndLeftAlone) {
  struct Row {
    std::string path;
    const char* magic;
    bool at_end;
  };
  make_folder();
  const std::string manifest = manifest_path(manifest_dir_of(kDocs), 4);
  for (const Row& row :
       {Row{manifest, "FERRMANI", false}, Row{page_file("points-", true), "FERRPAGE", true},
        Row{page_file("index-", true), "FERRPAGE", true},
        Row{names(kDocs + "/wal", ".wal").back(), "FERRSLOG", false}}) {
    const auto file = files_.open(row.path, OpenMode::kReadWrite);
    ASSERT_TRUE(file.ok());
    std::string head(row.magic);
    put_u32(head, 99);
    put_u32(head, crc32c(as_bytes(head)));
    const uint64_t at = row.at_end ? *(*file)->size() - head.size() : 0;
    std::string before(head.size(), '\0');
    ASSERT_TRUE((*file)->read(at, std::as_writable_bytes(std::span(before))).ok());
    ASSERT_TRUE((*file)->write(at, as_bytes(head)).ok());
    const CheckReport report = check(true);
    expect_says(only(report), "start that program");
    EXPECT_NE(only(report).where.what.find("format 99"), std::string::npos);
    EXPECT_TRUE(files_.exists(row.path));
    ASSERT_TRUE((*file)->write(at, as_bytes(before)).ok());
    EXPECT_TRUE(check().sound());
  }
}

TEST_F(CheckTest, DroppedCollectionsAreCheckedToo) {
  make_folder();
  start();
  ASSERT_TRUE(database_->drop("docs").ok());
  stop();
  const CheckReport report = check();
  ASSERT_EQ(report.collections.size(), 1u);
  EXPECT_TRUE(report.collections[0].dropped);
  EXPECT_EQ(report.collections[0].points, 500u);
  EXPECT_TRUE(report.findings.empty());
}

// There is no log from before a copy's first checkpoint: without it nothing is left of the points,
// and what is there of them must not be taken for a leftover.
TEST_F(CheckTest, ACopyIsSoundAndDamagedWithoutTheCheckpointItBeganWith) {
  make_folder();
  start();
  const RestoreTarget target{.unix_micros = {}, .lsn = 4};
  ASSERT_TRUE(database_->restore({target, "docs", "copy"}, nullptr).ok());
  stop();
  EXPECT_TRUE(check().sound());
  const std::string copy = kDir + "/collections/copy";
  flip(names(copy + "/checkpoints", ".manifest").front(), 40);
  for (const bool missing : {false, true}) {
    if (missing) {
      ASSERT_TRUE(files_.remove(names(copy + "/checkpoints", ".manifest").front()).ok());
    }
    const CheckReport report = check(true);
    EXPECT_FALSE(report.sound());
    for (const Finding& finding : report.findings) {
      EXPECT_FALSE(finding.repaired) << finding.where.file;
      EXPECT_EQ(finding.advice.find("No point is lost"), std::string::npos) << finding.advice;
    }
    EXPECT_FALSE(names(copy, "points-").empty());
    start();
    EXPECT_EQ(database_->find("copy").error().code(), Code::kCorruption);
    EXPECT_TRUE(database_->find("docs").ok());
    stop();
  }
}

TEST_F(CheckTest, ALostCatalogIsDamageAndNoStartGoesOnWithoutIt) {
  make_folder();
  const std::vector<std::string> segments = names(kDir + "/system/wal", ".wal");
  ASSERT_EQ(segments.size(), 1u);
  ASSERT_TRUE(files_.remove(segments.front()).ok());
  const CheckReport report = check(true);
  EXPECT_FALSE(report.sound());
  EXPECT_FALSE(report.collections.empty());  // checked all the same
  executor_ = std::make_unique<ManualExecutor>(1);
  const auto opened =
      Database::open({&files_, executor_.get(), &clock_, commit_clock_.get()}, options_);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), Code::kCorruption);
  EXPECT_TRUE(files_.exists(kDocs + "/config.json"));
}

TEST_F(CheckTest, AFolderThatTheCatalogDoesNotKnowStays) {
  make_folder();
  const std::string unknown = kDir + "/collections/other";
  ASSERT_TRUE(files_.make_dirs(unknown).ok());
  EXPECT_EQ(only(check(true)).kind, Finding::Kind::kLeftover);
  EXPECT_TRUE(files_.exists(unknown));
}

}  // namespace
}  // namespace ferres
