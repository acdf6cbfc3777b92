// Backups of a database on a simulated disk in a store in memory: what comes back, what goes up,
// and that neither a store that fails at any call nor a backup that somebody made up does harm.
#include "db/backup.h"

#include <gtest/gtest.h>

#include "backup/archive.h"
#include "backup/manifest.h"
#include "backup/sha256.h"
#include "backup/test_object_store.h"
#include "base/sim_files.h"
#include "db/backup_names.h"

namespace ferres {
namespace {

constexpr uint64_t kNow = 1'700'000'000'000'000;

/// A database on a disk of its own.
struct World {
  explicit World(uint64_t seed, bool isolated = false)
      : isolate_namespaces(isolated), files(seed), executor(seed) {
    open();
  }
  ~World() { EXPECT_TRUE(db->close().ok()); }
  void open() {
    const Environment environment{&files, &executor, &clock, &commit_clock};
    auto opened = Database::open(environment, options());
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    db = *std::move(opened);
  }
  DatabaseOptions options() const {
    DatabaseOptions options;
    options.dir = "data";
    options.collection.isolate_namespaces = isolate_namespaces;
    options.collection.background = false;
    return options;
  }
  void reopen() {
    ASSERT_TRUE(db->close().ok());
    db.reset();
    open();
  }

  const bool isolate_namespaces;
  SimFiles files;
  ManualExecutor executor;
  ManualClock clock{kNow};
  CommitClock commit_clock{clock};
  std::shared_ptr<Database> db;
};

Status no_progress(uint64_t, uint64_t) {
  return {};
}

class BackupTest : public testing::Test {
 protected:
  void fill(const std::string& name, int points) {
    CollectionConfig config;
    config.name = name;
    config.dimension = 2;
    config.retention_days = 3;
    const auto made = world_.db->create(config);
    ASSERT_TRUE(made.ok()) << made.error().message();
    put(name, 0, points);
  }
  void put(const std::string& name, int from, int to) {
    UpsertRequest request;
    for (int i = from; i < to; ++i) {
      request.points.push_back({"p" + std::to_string(i),
                                std::nullopt,
                                {static_cast<float>(i), 1},
                                "{\"n\":" + std::to_string(i) + "}",
                                std::nullopt});
    }
    ASSERT_TRUE((*world_.db->find(name))->upsert(std::move(request)).ok());
  }
  Result<BackupOutcome> make(bool incremental) {
    world_.clock.advance_micros(1'000'000);
    return back_up(*world_.db, world_.files, store_,
                   {"0.1.0", world_.clock.unix_micros(), incremental}, no_progress);
  }
  Result<std::vector<RestoredCollection>> bring_back(World& world, BackupRestoreRequest request) {
    return restore_backup(*world.db, world.files, store_, request, no_progress);
  }
  static std::string text_of(Database& db, const std::string& name) {
    const auto collection = db.find(name);
    if (!collection.ok()) return std::string(collection.error().message());
    ListRequest all;
    all.limit = 1000;
    const auto points = (*collection)->list(all);
    if (!points.ok()) return std::string(points.error().message());
    std::string text;
    for (const Point& point : points->points) {
      text += point.id + " " + std::to_string(point.vector[0]) + " " + point.metadata_json + " " +
              std::to_string(point.created_at) + " " + std::to_string(point.version) + "\n";
    }
    return text;
  }
  std::string index_file(const std::string& name) {
    const std::string folder = "data/collections/" + name + "/";
    const std::vector<std::string> names = *world_.files.list(folder);
    for (const std::string& file : names)
      if (file.starts_with("index-")) return folder + file;
    ADD_FAILURE() << "no index file";
    return "";
  }
  static size_t folders(World& world) {
    const auto names = world.files.list("data/collections");
    return names.ok() ? names->size() : 0;
  }

  World world_{1};
  MemoryStore store_;
};

TEST_F(BackupTest, EitherKindComesBackAsItWasAndLives) {
  fill("a", 50);
  fill("b", 0);
  for (const bool incremental : {false, true}) {
    const auto made = make(incremental);
    ASSERT_TRUE(made.ok()) << made.error().message();
    EXPECT_TRUE(made->skipped.empty());
    World other(2);
    const auto restored = bring_back(other, {made->key, {}, {}});
    ASSERT_TRUE(restored.ok()) << restored.error().message();
    ASSERT_EQ(restored->size(), 2u);
    EXPECT_EQ((*restored)[0].points, 50u);
    EXPECT_EQ(text_of(*other.db, "a"), text_of(*world_.db, "a"));
    const CollectionConfig& config = (*other.db->find("a"))->config();
    EXPECT_EQ(config.retention_days, 3u);
    EXPECT_EQ(config.created_at, (*world_.db->find("a"))->config().created_at);
    EXPECT_NE(config.uuid, (*world_.db->find("a"))->config().uuid);
    UpsertRequest request;
    request.points.push_back({"new", std::nullopt, {1, 1}, "{}", std::nullopt});
    ASSERT_TRUE((*other.db->find("a"))->upsert(std::move(request)).ok());
    other.reopen();
    EXPECT_TRUE((*other.db->find("a"))->get("new", std::nullopt).ok());
    EXPECT_TRUE((*other.db->find("a"))->get("p49", std::nullopt).ok());
  }
}

TEST_F(BackupTest, NamespacesWithFilesOfTheirOwnComeBackInEitherForm) {
  World apart(5, true);
  CollectionConfig config;
  config.name = "a";
  config.dimension = 2;
  const auto made = apart.db->create(config);
  ASSERT_TRUE(made.ok());
  UpsertRequest request;
  for (int i = 0; i < 30; ++i) {
    const std::string ns = i % 3 == 0 ? "" : i % 3 == 1 ? "plain" : "../\xC3\xA9 x";
    request.points.push_back({"p" + std::to_string(i),
                              ns.empty() ? std::nullopt : std::optional(ns),
                              {static_cast<float>(i), 1},
                              "{}",
                              std::nullopt});
  }
  ASSERT_TRUE((*made)->upsert(std::move(request)).ok());
  for (const bool incremental : {false, true}) {
    const auto backup =
        back_up(*apart.db, apart.files, store_, {"0.1.0", kNow, incremental}, no_progress);
    ASSERT_TRUE(backup.ok()) << backup.error().message();
    for (const bool isolated : {true, false}) {
      World other(6, isolated);
      const auto restored = bring_back(other, {backup->key, {}, {}});
      ASSERT_TRUE(restored.ok()) << restored.error().message();
      EXPECT_EQ((*restored)[0].points, 30u);
      EXPECT_EQ(text_of(*other.db, "a"), text_of(*apart.db, "a"));
      other.reopen();
      EXPECT_EQ(text_of(*other.db, "a"), text_of(*apart.db, "a"));
    }
  }
}

TEST_F(BackupTest, AnIncrementalOneUploadsWhatIsNew) {
  fill("a", 50);
  fill("b", 50);
  const auto first = make(true);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->files, first->new_files);
  const auto same = make(true);
  ASSERT_TRUE(same.ok());
  EXPECT_EQ(same->new_files, 0u);
  EXPECT_EQ(same->size_bytes, store_.objects.at(same->key).size());
  put("b", 50, 60);
  const auto more = make(true);
  ASSERT_TRUE(more.ok());
  EXPECT_GT(more->new_files, 0u);
  EXPECT_LT(more->new_files, more->files);
  World other(2);
  ASSERT_TRUE(bring_back(other, {first->key, {}, {}}).ok());
  EXPECT_FALSE((*other.db->find("b"))->get("p55", std::nullopt).ok());
  World third(3);
  ASSERT_TRUE(bring_back(third, {more->key, {}, {}}).ok());
  EXPECT_EQ(text_of(*third.db, "b"), text_of(*world_.db, "b"));
  const auto listed = list_backups(store_);
  ASSERT_TRUE(listed.ok());
  ASSERT_EQ(listed->size(), 3u);
  EXPECT_EQ((*listed)[0].key, more->key);
  EXPECT_TRUE((*listed)[0].incremental);
}

TEST_F(BackupTest, OneOfManyComesBackUnderAnotherName) {
  fill("a", 10);
  fill("b", 20);
  fill("c", 30);
  const auto made = make(false);
  ASSERT_TRUE(made.ok());
  const auto restored = bring_back(world_, {made->key, "b", "b2"});
  ASSERT_TRUE(restored.ok()) << restored.error().message();
  EXPECT_EQ(text_of(*world_.db, "b2"), text_of(*world_.db, "b"));
  EXPECT_EQ(world_.db->list().size(), 4u);
}

TEST_F(BackupTest, RefusalsSayWhyAndChangeNothing) {
  fill("a", 10);
  const auto made = make(false);
  ASSERT_TRUE(made.ok());
  const std::vector<std::pair<BackupRestoreRequest, Code>> wrong = {
      {{made->key, {}, {}}, Code::kAlreadyExists},
      {{made->key, "nobody", {}}, Code::kNotFound},
      {{made->key, "a", "../x"}, Code::kInvalidArgument},
      {{"backups/ferresdb-2000-01-01T00-00-00Z.json", {}, {}}, Code::kNotFound},
      {{"backups/objects/x", {}, {}}, Code::kNotFound},
  };
  for (const auto& [request, code] : wrong) {
    const auto restored = bring_back(world_, request);
    ASSERT_FALSE(restored.ok()) << request.key;
    EXPECT_EQ(restored.error().code(), code) << restored.error().message();
  }
  EXPECT_EQ(folders(world_), 1u);
}

TEST_F(BackupTest, WhatCannotBeReadIsLeftOutAndNamed) {
  fill("a", 10);
  fill("b", 10);
  ASSERT_TRUE(world_.files.remove("data/collections/b/config.json").ok());
  world_.reopen();
  const auto made = make(false);
  ASSERT_TRUE(made.ok()) << made.error().message();
  ASSERT_EQ(made->skipped.size(), 1u);
  EXPECT_EQ(made->skipped[0].first, "b");
  World other(2);
  ASSERT_TRUE(bring_back(other, {made->key, {}, {}}).ok());
  EXPECT_EQ(text_of(*other.db, "a"), text_of(*world_.db, "a"));
  // A backup of nothing would look like one of something.
  ASSERT_TRUE(world_.files.remove("data/collections/a/config.json").ok());
  world_.reopen();
  EXPECT_FALSE(make(false).ok());
  EXPECT_EQ(list_backups(store_)->size(), 1u);
}

TEST_F(BackupTest, WhatIsDamagedIsLeftOutAndNamed) {
  for (const bool incremental : {false, true}) {
    fill("a", 10);
    fill("b", 10);
    for (const char* name : {"a", "b"})
      ASSERT_TRUE((*world_.db->find(name))->checkpoint().ok());
    const std::string folder = "data/collections/b/";
    const std::vector<std::string> names = *world_.files.list(folder);
    for (const std::string& name : names) {
      // Of the index too: that is made anew, wherever it is.
      if (name.ends_with(".bin")) {
        ASSERT_TRUE(world_.files.flip_bit(folder + name, 80).ok());
      }
    }
    ASSERT_TRUE(world_.files.flip_bit(index_file("a"), 80).ok());
    const auto made = make(incremental);
    ASSERT_TRUE(made.ok()) << made.error().message();
    ASSERT_EQ(made->skipped.size(), 1u);
    EXPECT_EQ(made->skipped[0].first, "b");
    EXPECT_EQ(made->skipped[0].second.code(), Code::kCorruption);
    EXPECT_NE(made->skipped[0].second.message().find("fails its checksum"), std::string::npos);
    World other(2);
    const auto restored = bring_back(other, {made->key, {}, {}});
    ASSERT_TRUE(restored.ok()) << restored.error().message();
    ASSERT_EQ(restored->size(), 1u);
    EXPECT_EQ(restored->front().points, 10u);
    ASSERT_TRUE(world_.db->drop("a").ok());
    ASSERT_TRUE(world_.db->drop("b").ok());
  }
}

TEST_F(BackupTest, WhatIsDroppedBeforeItsFilesAreTakenIsLeftOut) {
  for (const bool incremental : {false, true}) {
    for (const uint64_t moment : {0u, 4u, 7u, 9u, 12u}) {  // before b, amid it, after it
      for (const char* name : {"a", "b", "c"}) {
        if (!world_.db->find(name).ok()) fill(name, 20);
      }
      uint64_t calls = 0;
      const auto made = back_up(*world_.db, world_.files, store_, {"0.1.0", kNow, incremental},
                                [&](uint64_t done, uint64_t total) -> Status {
                                  EXPECT_LE(done, total);
                                  if (calls++ != moment) return {};
                                  TRY(world_.db->drop("b"));
                                  fill("b", 1);  // another one, which was not there
                                  return {};
                                });
      ASSERT_TRUE(made.ok()) << made.error().message();
      EXPECT_TRUE(made->skipped.empty());
      World other(2);
      const auto restored = bring_back(other, {made->key, {}, {}});
      ASSERT_TRUE(restored.ok()) << restored.error().message();
      EXPECT_EQ(restored->size(), 2u);
      EXPECT_FALSE(other.db->find("b").ok());
      EXPECT_EQ(text_of(*other.db, "c"), text_of(*world_.db, "c"));
      ASSERT_TRUE(world_.db->drop("b").ok());
    }
  }
}

TEST_F(BackupTest, AnEmptyDatabaseIsABackupToo) {
  const auto made = make(false);
  ASSERT_TRUE(made.ok());
  World other(2);
  const auto restored = bring_back(other, {made->key, {}, {}});
  ASSERT_TRUE(restored.ok()) << restored.error().message();
  EXPECT_TRUE(restored->empty());
}

TEST_F(BackupTest, AStoreThatFailsAtAnyCallLeavesNothingHalf) {
  fill("a", 20);
  for (const bool incremental : {false, true}) {
    for (uint64_t call = 1;; ++call) {
      store_ = {};
      store_.fail_at = call;
      const auto made = make(incremental);
      store_.fail_at = 0;
      EXPECT_TRUE(store_.uploads.empty());
      if (made.ok()) break;
      EXPECT_EQ(made.error().code(), Code::kUpstream);
      EXPECT_TRUE(list_backups(store_)->empty());
    }
    World other(2);
    const std::string key = list_backups(store_)->front().key;
    for (uint64_t call = 1;; ++call) {
      store_.calls = 0;
      store_.fail_at = call;
      const auto restored = bring_back(other, {key, {}, {}});
      if (restored.ok()) break;
      EXPECT_EQ(restored.error().code(), Code::kUpstream) << restored.error().message();
      EXPECT_EQ(folders(other), 0u);
      EXPECT_TRUE(other.db->list().empty());
    }
    EXPECT_EQ(text_of(*other.db, "a"), text_of(*world_.db, "a"));
  }
}

TEST_F(BackupTest, ADiskThatFailsAtAnyCallLeavesNothingHalf) {
  fill("a", 20);
  const auto made = make(true);
  ASSERT_TRUE(made.ok());
  uint64_t failures = 0;
  for (uint64_t call = 1;; ++call) {
    World other(call);
    other.files.fail_at(call, FaultKind::kEio);
    const auto restored = bring_back(other, {made->key, {}, {}});
    const bool fired = other.files.fault_fired();
    other.files.clear_fault();
    if (!fired) break;
    other.reopen();  // what is there now must be whole
    if (restored.ok()) {
      EXPECT_EQ(text_of(*other.db, "a"), text_of(*world_.db, "a")) << call;
    } else {
      ++failures;
      EXPECT_TRUE(other.db->list().empty() || text_of(*other.db, "a") == text_of(*world_.db, "a"))
          << call;
    }
  }
  EXPECT_GT(failures, 5u);
}

TEST_F(BackupTest, PowerThatGoesAtAnyCallLeavesAllOrNothing) {
  fill("a", 20);
  const auto made = make(false);
  ASSERT_TRUE(made.ok());
  for (uint64_t call = 1;; ++call) {
    World other(call);
    other.files.cut_power_at(call);
    const bool whole = bring_back(other, {made->key, {}, {}}).ok();
    (void)other.db->close().ok();
    other.db.reset();
    other.files.crash(TearMode::kReorder);
    other.open();
    const size_t count = other.db->list().size();
    if (count > 0 || whole) {
      EXPECT_EQ(text_of(*other.db, "a"), text_of(*world_.db, "a")) << call;
    }
    if (whole) break;
  }
}

TEST_F(BackupTest, ADamagedObjectIsFoundByItsHash) {
  fill("a", 20);
  const auto made = make(true);
  ASSERT_TRUE(made.ok());
  for (auto& [key, content] : store_.objects) {
    if (!key.starts_with("backups/objects/")) continue;
    const std::string good = content;
    content[content.size() / 2] ^= 1;
    World other(2);
    const auto restored = bring_back(other, {made->key, {}, {}});
    ASSERT_FALSE(restored.ok()) << key;
    EXPECT_EQ(restored.error().code(), Code::kCorruption) << restored.error().message();
    EXPECT_EQ(folders(other), 0u);
    content = good;
  }
}

// Padding between the files is the only part of an archive that no hash covers.
TEST_F(BackupTest, AChangedBitOfAnArchiveIsFoundOrWithoutMeaning) {
  fill("a", 20);
  const auto made = make(false);
  ASSERT_TRUE(made.ok());
  std::string& archive = store_.objects.at(made->key);
  const std::string good = text_of(*world_.db, "a");
  size_t refused = 0;
  size_t tried = 0;
  for (size_t at = 0; at < archive.size(); at += 13, ++tried) {
    const auto bit = static_cast<char>(1 << (tried % 8));
    archive[at] = static_cast<char>(archive[at] ^ bit);
    World other(2);
    const auto restored = bring_back(other, {made->key, {}, {}});
    if (restored.ok()) {
      EXPECT_EQ(text_of(*other.db, "a"), good) << at;
    } else {
      EXPECT_EQ(restored.error().code(), Code::kCorruption) << restored.error().message();
      EXPECT_EQ(folders(other), 0u) << at;
      ++refused;
    }
    archive[at] = static_cast<char>(archive[at] ^ bit);
  }
  EXPECT_GT(refused, tried / 2);
}

TEST_F(BackupTest, AStoppedOneLeavesNothing) {
  fill("a", 20);
  for (const bool incremental : {false, true}) {
    uint64_t left = 4;  // of three files, each read three times
    const auto made = back_up(*world_.db, world_.files, store_, {"0.1.0", kNow, incremental},
                              [&left](uint64_t, uint64_t) -> Status {
                                if (left-- > 0) return {};
                                return {Code::kUnavailable, "stop"};
                              });
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code(), Code::kUnavailable);
    EXPECT_TRUE(list_backups(store_)->empty());
    EXPECT_TRUE(store_.uploads.empty());
  }
}

// ---- archives that somebody made up

class HostileBackup : public BackupTest {
 protected:
  using Files = std::vector<std::pair<std::string, std::string>>;

  void SetUp() override {
    fill("a", 10);
    const auto made = make(true);
    ASSERT_TRUE(made.ok());
    manifest_ = *decode_backup_manifest(store_.objects.at(made->key));
  }
  Files files() const {
    Files files;
    for (const BackupCollection& collection : manifest_.collections) {
      for (const BackupFile& file : collection.files)
        files.emplace_back(archive_name(collection.name, file.path),
                           store_.objects.at(object_key(file.sha256)));
    }
    return files;
  }
  void set_content(size_t index, std::string content) {
    BackupFile& file = manifest_.collections[0].files[index];
    file.bytes = content.size();
    file.sha256 = Sha256::hex_of(as_bytes(content));
    store_.objects[object_key(file.sha256)] = std::move(content);
  }
  /// Why the archive of these files is refused; nothing may be there then.
  std::string refusal(const Files& files) {
    std::string bytes;
    ArchiveWriter writer(0, [&bytes](Bytes more) {
      bytes += as_text(more);
      return Status();
    });
    const std::string json = encode_backup_manifest(manifest_);
    Files all = {{std::string(kArchiveManifest), json}};
    all.insert(all.end(), files.begin(), files.end());
    for (const auto& [name, content] : all) {
      EXPECT_TRUE(writer.begin(name, content.size()).ok());
      EXPECT_TRUE(writer.write(as_bytes(content)).ok());
    }
    EXPECT_TRUE(writer.finish().ok());
    const std::string key = backup_key({.unix_seconds = 1, .incremental = false});
    store_.objects[key] = bytes;
    World other(2);
    const auto restored = bring_back(other, {key, {}, {}});
    if (restored.ok()) return "";
    EXPECT_EQ(folders(other), 0u);
    EXPECT_TRUE(other.db->list().empty());
    EXPECT_EQ(restored.error().code(), Code::kCorruption) << restored.error().message();
    return std::string(restored.error().message());
  }

  BackupManifest manifest_;
};

TEST_F(HostileBackup, TheUnchangedOneIsTaken) {
  EXPECT_EQ(refusal(files()), "");
}

TEST_F(HostileBackup, EntriesAreThoseOfTheManifestAndInItsOrder) {
  const Files good = files();
  Files changed = good;
  std::swap(changed[0], changed[1]);
  EXPECT_NE(refusal(changed), "");
  changed = good;
  changed[1].first = "collections/a/../../../etc/cron.d/x";
  EXPECT_NE(refusal(changed), "");
  changed = good;
  changed[1].first = "/etc/cron.d/x";
  EXPECT_NE(refusal(changed), "");
  changed = good;
  changed.insert(changed.begin() + 1, good[0]);
  EXPECT_NE(refusal(changed), "");
  changed = good;
  changed.pop_back();
  EXPECT_NE(refusal(changed), "");
  changed = good;
  changed[1].second += "more";
  EXPECT_NE(refusal(changed), "");
  changed = good;
  changed[1].second[100] ^= 1;
  EXPECT_NE(refusal(changed).find("SHA-256"), std::string::npos);
}

TEST_F(HostileBackup, FilesAreThoseThatTheCheckpointNeeds) {
  std::vector<BackupFile>& listed = manifest_.collections[0].files;
  const std::vector<BackupFile> good = listed;
  listed[1].path = "points-99.bin";
  EXPECT_NE(refusal(files()), "");
  listed = good;
  listed.push_back(good[1]);
  listed.back().path = "LOCK";
  EXPECT_NE(refusal(files()), "");
  listed = good;
  listed.pop_back();
  EXPECT_NE(refusal(files()), "");
  listed = good;
  listed.erase(listed.begin());
  EXPECT_NE(refusal(files()), "");
  listed = good;
  ++manifest_.collections[0].lsn;
  EXPECT_NE(refusal(files()), "");
}

TEST_F(HostileBackup, WrongBytesUnderRightHashesAreFoundByTheStore) {
  const std::vector<BackupFile> good = manifest_.collections[0].files;
  set_content(0, "this is no checkpoint");
  EXPECT_NE(refusal(files()), "");
  manifest_.collections[0].files = good;
  set_content(1, std::string(good[1].bytes, 'x'));
  EXPECT_NE(refusal(files()), "");
  // One bit of a page: the table of the pages is as it was.
  std::string points = store_.objects.at(object_key(good[1].sha256));
  points[10] = static_cast<char>(points[10] ^ 1);
  set_content(1, points);
  EXPECT_NE(refusal(files()).find("fails its checksum"), std::string::npos);
}

TEST_F(HostileBackup, AnEmptyManifestOrNoneIsRefused) {
  const std::string key = backup_key({.unix_seconds = 1, .incremental = false});
  for (const std::string& bytes : {std::string(), std::string("x"), std::string(100'000, '\0')}) {
    store_.objects[key] = bytes;
    World other(2);
    const auto restored = bring_back(other, {key, {}, {}});
    ASSERT_FALSE(restored.ok());
    EXPECT_EQ(restored.error().code(), Code::kCorruption) << restored.error().message();
  }
}

}  // namespace
}  // namespace ferres
