// The simulated disk keeps its promises: what is synced survives, what is not may go, in every way
// that the model names, and every fault fires where it was asked to.
#include "base/sim_files.h"

#include <set>

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "base/random.h"

namespace ferres {
namespace {

constexpr TearMode kModes[] = {TearMode::kDropUnsynced, TearMode::kReorder, TearMode::kPrefix};

std::unique_ptr<File> make(FileSystem& files, const std::string& path, std::string_view content) {
  auto file = files.open(path, OpenMode::kTruncate);
  EXPECT_TRUE(file.ok());
  EXPECT_TRUE((*file)->write(0, as_bytes(content)).ok());
  return *std::move(file);
}

std::string content_of(FileSystem& files, const std::string& path) {
  auto content = read_file(files, path, 1 << 30);
  return content.ok() ? *std::move(content) : std::string(content.error().message());
}

TEST(SimFiles, BehavesLikeADiskWhileThePowerIsOn) {
  SimFiles files(1);
  EXPECT_EQ(files.open("/d/a", OpenMode::kCreate).error().code(), Code::kNotFound);
  ASSERT_TRUE(files.make_dirs("/d/e").ok());
  EXPECT_EQ(files.open("/d/a", OpenMode::kRead).error().code(), Code::kNotFound);
  const auto file = make(files, "/d/a", "hello world");
  EXPECT_EQ(files.open("/d/a", OpenMode::kCreate).error().code(), Code::kAlreadyExists);
  EXPECT_EQ(content_of(files, "/d/a"), "hello world");
  ASSERT_TRUE(file->truncate(5).ok());
  ASSERT_TRUE(file->write(5000, as_bytes("end")).ok());
  EXPECT_EQ(*file->size(), 5003u);
  EXPECT_EQ(content_of(files, "/d/a"), "hello" + std::string(4995, '\0') + "end");
  EXPECT_EQ(*files.list("/d"), (std::vector<std::string>{"a", "e"}));
  ASSERT_TRUE(files.rename("/d/a", "/d/e/b").ok());
  EXPECT_FALSE(files.exists("/d/a"));
  EXPECT_TRUE(files.exists("d/e//b"));
  const auto reader = files.open("/d/e/b", OpenMode::kRead);
  EXPECT_EQ((*reader)->write(0, as_bytes("x")).code(), Code::kIo);
  EXPECT_EQ(files.remove("/d/e").code(), Code::kIo);
  EXPECT_EQ(files.remove("/d/x").code(), Code::kNotFound);
  ASSERT_TRUE(files.remove_tree("/d").ok());
  ASSERT_TRUE(files.remove_tree("/d").ok());
  EXPECT_FALSE(files.exists("/d"));
  EXPECT_EQ(files.used_bytes(), 0u);
}

TEST(SimFiles, SyncedContentUnderSyncedNamesSurvivesEveryCrash) {
  for (const TearMode mode : kModes) {
    for (uint64_t seed = 0; seed < 50; seed++) {
      SimFiles files(seed);
      ASSERT_TRUE(files.make_dirs("/d").ok());
      const auto file = make(files, "/d/a", std::string(3000, 'a'));
      ASSERT_TRUE(file->truncate(2500).ok());
      ASSERT_TRUE(file->sync().ok());
      ASSERT_TRUE(files.sync_dir("/d").ok());
      ASSERT_TRUE(file->write(4000, as_bytes(std::string(5000, 'b'))).ok());
      files.crash(mode);
      const std::string content = content_of(files, "/d/a");
      ASSERT_GE(content.size(), 2500u) << "seed " << seed;
      EXPECT_EQ(content.substr(0, 2500), std::string(2500, 'a')) << "seed " << seed;
    }
  }
}

TEST(SimFiles, DroppedWritesLeaveTheSyncedState) {
  SimFiles files(1);
  const auto file = make(files, "/a", "old old old");
  ASSERT_TRUE(file->sync().ok());
  ASSERT_TRUE(files.sync_dir("/").ok());
  ASSERT_TRUE(file->write(0, as_bytes("new")).ok());
  ASSERT_TRUE(file->truncate(4).ok());
  make(files, "/b", "unsynced name");
  files.crash(TearMode::kDropUnsynced);
  EXPECT_EQ(content_of(files, "/a"), "old old old");
  EXPECT_FALSE(files.exists("/b"));
}

TEST(SimFiles, SyncOfAFileSaysNothingAboutItsName) {
  SimFiles files(1);
  ASSERT_TRUE(make(files, "/a", "x")->sync().ok());
  files.crash(TearMode::kDropUnsynced);
  EXPECT_FALSE(files.exists("/a"));
}

TEST(SimFiles, MadeDirectoriesAreDurable) {
  for (const TearMode mode : kModes) {
    SimFiles files(1);
    ASSERT_TRUE(files.make_dirs("/x/y/z").ok());
    files.crash(mode);
    EXPECT_TRUE(files.exists("/x/y/z"));
  }
}

/// What may be left of an unsynced overwrite of 'o' by 'n', over many seeds.
std::set<std::string> outcomes(TearMode mode, uint64_t bytes) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 300; seed++) {
    SimFiles files(seed);
    const auto file = make(files, "/a", std::string(bytes, 'o'));
    EXPECT_TRUE(file->sync().ok());
    EXPECT_TRUE(files.sync_dir("/").ok());
    for (uint64_t at = 0; at < bytes; at += 1024) {
      EXPECT_TRUE(file->write(at, as_bytes(std::string(1024, 'n'))).ok());
    }
    files.crash(mode);
    seen.insert(content_of(files, "/a"));
  }
  return seen;
}

TEST(SimFiles, PrefixKeepsWritesInOrderAndTearsTheLast) {
  const std::set<std::string> seen = outcomes(TearMode::kPrefix, 4096);
  EXPECT_TRUE(seen.contains(std::string(4096, 'n')));
  bool torn = false;
  for (const std::string& content : seen) {
    const size_t kept = content.find('o') == std::string::npos ? 4096 : content.find('o');
    EXPECT_EQ(content, std::string(kept, 'n') + std::string(4096 - kept, 'o'));
    torn = torn || kept % 512 != 0;
  }
  EXPECT_TRUE(torn);
}

TEST(SimFiles, ReorderKeepsLaterSectorsWithoutEarlierOnes) {
  const std::set<std::string> seen = outcomes(TearMode::kReorder, 4096);
  bool reordered = false;
  bool torn = false;
  for (const std::string& content : seen) {
    reordered = reordered || content.find("on") != std::string::npos;
    for (size_t at = 0; at < 4096; at += 512) {
      const std::string sector = content.substr(at, 512);
      torn = torn || (sector.front() == 'n' && sector.back() == 'o');
    }
  }
  EXPECT_TRUE(reordered);
  EXPECT_TRUE(torn);
}

TEST(SimFiles, AppendsMayLeaveHolesAndStaleBytes) {
  bool zeros = false;
  bool stale = false;
  for (uint64_t seed = 0; seed < 500; seed++) {
    SimFiles files(seed);
    const auto file = make(files, "/a", "");
    ASSERT_TRUE(files.sync_dir("/").ok());
    ASSERT_TRUE(file->write(0, as_bytes(std::string(4096, 'n'))).ok());
    files.crash(TearMode::kReorder);
    for (const char c : content_of(files, "/a")) {
      zeros = zeros || c == 0;
      stale = stale || (c != 0 && c != 'n');
    }
  }
  EXPECT_TRUE(zeros);
  EXPECT_TRUE(stale);
}

TEST(SimFiles, AtomicWriteLeavesOldOrNewWhole) {
  for (const TearMode mode : kModes) {
    std::set<std::string> seen;
    for (uint64_t seed = 0; seed < 200; seed++) {
      SimFiles files(seed);
      const std::string before(2000, 'o');
      const std::string after(3000, 'n');
      ASSERT_TRUE(files.make_dirs("/d").ok());
      ASSERT_TRUE(write_file_atomic(files, "/d/a", as_bytes(before)).ok());
      const uint64_t start = files.operation_count();
      files.on_operation([&](uint64_t index) {
        const auto copy = files.after_crash(mode, seed);
        const std::string content = content_of(*copy, "/d/a");
        EXPECT_TRUE(content == before || content == after)
            << "seed " << seed << " operation " << index - start << " size " << content.size();
        seen.insert(content);
      });
      ASSERT_TRUE(write_file_atomic(files, "/d/a", as_bytes(after)).ok());
      files.on_operation(nullptr);
      EXPECT_EQ(content_of(*files.after_crash(mode, seed), "/d/a"), after);
    }
    // Before the last sync the rename may have happened or not.
    EXPECT_EQ(seen.size(), mode == TearMode::kDropUnsynced ? 1u : 2u);
  }
}

TEST(SimFiles, RenameWithoutSyncedContentMayPublishNothing) {
  bool damaged = false;
  for (uint64_t seed = 0; seed < 200 && !damaged; seed++) {
    SimFiles files(seed);
    make(files, "/a.tmp", std::string(3000, 'n'));
    ASSERT_TRUE(files.rename("/a.tmp", "/a").ok());
    ASSERT_TRUE(files.sync_dir("/").ok());
    files.crash(TearMode::kReorder);
    damaged = content_of(files, "/a") != std::string(3000, 'n');
  }
  EXPECT_TRUE(damaged);
}

TEST(SimFiles, RenamesNeverLoseAFileOrNameItTwice) {
  for (const TearMode mode : kModes) {
    std::set<std::string> places;
    for (uint64_t seed = 0; seed < 300; seed++) {
      SimFiles files(seed);
      ASSERT_TRUE(files.make_dirs("/d").ok());
      ASSERT_TRUE(make(files, "/a", "1")->sync().ok());
      ASSERT_TRUE(files.sync_dir("/").ok());
      ASSERT_TRUE(files.rename("/a", "/b").ok());
      make(files, "/a", "2");
      ASSERT_TRUE(files.rename("/b", "/d/c").ok());
      ASSERT_TRUE(files.rename("/a", "/b").ok());
      if (seed % 2 == 1) {
        ASSERT_TRUE(files.sync_dir("/d").ok());
      }
      files.crash(mode);
      std::string where;
      for (const char* const path : {"/a", "/b", "/d/c"}) {
        if (files.exists(path) && content_of(files, path) == "1") where += path;
      }
      EXPECT_TRUE(where == "/a" || where == "/b" || where == "/d/c") << where << " seed " << seed;
      if (seed % 2 == 1) {
        EXPECT_EQ(where, "/d/c");
      }
      places.insert(where);
    }
    EXPECT_EQ(places.size(), mode == TearMode::kDropUnsynced ? 2u : 3u);
  }
}

TEST(SimFiles, RemovedFilesMayComeBackUntilTheDirectoryIsSynced) {
  SimFiles files(1);
  ASSERT_TRUE(make(files, "/a", "x")->sync().ok());
  ASSERT_TRUE(files.sync_dir("/").ok());
  ASSERT_TRUE(files.remove("/a").ok());
  EXPECT_TRUE(files.after_crash(TearMode::kDropUnsynced, 1)->exists("/a"));
  ASSERT_TRUE(files.sync_dir("/").ok());
  EXPECT_FALSE(files.after_crash(TearMode::kDropUnsynced, 1)->exists("/a"));
}

TEST(SimFiles, SameSeedGivesTheSameCrash) {
  const auto run = [](uint64_t seed) {
    SimFiles files(seed);
    const auto file = make(files, "/a", std::string(20000, 'x'));
    EXPECT_TRUE(files.sync_dir("/").ok());
    files.crash(TearMode::kReorder);
    return content_of(files, "/a");
  };
  EXPECT_EQ(run(5), run(5));
  EXPECT_NE(run(5), run(6));
}

TEST(SimFiles, CopiesDoNotTouchTheOriginal) {
  SimFiles files(1);
  const auto file = make(files, "/a", std::string(10000, 'x'));
  ASSERT_TRUE(file->sync().ok());
  ASSERT_TRUE(files.sync_dir("/").ok());
  const auto copy = files.after_crash(TearMode::kDropUnsynced, 1);
  ASSERT_TRUE((*copy->open("/a", OpenMode::kReadWrite))->write(100, as_bytes("copy")).ok());
  ASSERT_TRUE(copy->rename("/a", "/b").ok());
  EXPECT_EQ(content_of(files, "/a"), std::string(10000, 'x'));
  ASSERT_TRUE(file->write(5000, as_bytes("original")).ok());
  EXPECT_EQ(content_of(*copy, "/b").substr(5000, 8), "xxxxxxxx");
}

TEST(SimFiles, OpenFilesAndLocksDieWithThePower) {
  SimFiles files(1);
  ASSERT_TRUE(files.make_dirs("/d").ok());
  const auto file = make(files, "/d/a", "x");
  auto lock = files.lock("/d/lock");
  ASSERT_TRUE(lock.ok());
  EXPECT_EQ(files.lock("/d/lock").error().code(), Code::kConflict);
  files.cut_power();
  EXPECT_EQ(file->sync().code(), Code::kIo);
  EXPECT_EQ(files.open("/d/a", OpenMode::kRead).error().code(), Code::kIo);
  EXPECT_FALSE(files.exists("/d"));
  files.crash(TearMode::kPrefix);
  EXPECT_TRUE(files.exists("/d"));
  EXPECT_EQ(file->write(0, as_bytes("y")).code(), Code::kIo);
  const auto again = files.lock("/d/lock");
  EXPECT_TRUE(again.ok());
  (*lock).reset();  // of the dead process: must not release the new one
  EXPECT_EQ(files.lock("/d/lock").error().code(), Code::kConflict);
}

TEST(SimFiles, PowerCutAtAnIndexFailsEverythingFromThenOn) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 100; seed++) {
    SimFiles files(seed);
    const auto file = make(files, "/a", "old");
    ASSERT_TRUE(file->sync().ok());
    ASSERT_TRUE(files.sync_dir("/").ok());
    files.cut_power_at(2);
    EXPECT_TRUE(file->write(0, as_bytes("111")).ok());
    EXPECT_EQ(file->write(0, as_bytes("222")).code(), Code::kIo);
    EXPECT_EQ(file->write(0, as_bytes("333")).code(), Code::kIo);
    files.crash(TearMode::kPrefix);
    seen.insert(content_of(files, "/a"));
  }
  EXPECT_TRUE(seen.contains("old"));
  EXPECT_TRUE(seen.contains("111"));
  EXPECT_TRUE(seen.contains("221"));  // the write in flight, torn
  EXPECT_FALSE(seen.contains("333"));
}

TEST(SimFiles, HookSeesEveryMutatingCallOnce) {
  SimFiles files(1);
  std::vector<uint64_t> indexes;
  files.on_operation([&](uint64_t index) { indexes.push_back(index); });
  ASSERT_TRUE(write_file_atomic(files, "/a", as_bytes("x")).ok());
  EXPECT_EQ(indexes, (std::vector<uint64_t>{1, 2, 3, 4, 5}));
  EXPECT_EQ(files.operation_count(), 5u);
  EXPECT_EQ(content_of(files, "/a"), "x");
  EXPECT_EQ(files.operation_count(), 5u);
}

TEST(SimFiles, EveryFaultIsReachedAndThenEnds) {
  const std::pair<FaultKind, uint64_t> kinds[] = {{FaultKind::kEio, 5},
                                                  {FaultKind::kEnospc, 3},
                                                  {FaultKind::kShortWrite, 1},
                                                  {FaultKind::kFailedSync, 2}};
  for (const auto& [kind, calls] : kinds) {
    uint64_t n = 1;
    for (;; n++) {
      SimFiles files(n);
      files.fail_at(n, kind);
      const Status status = write_file_atomic(files, "/a", as_bytes("x"));
      EXPECT_EQ(status.ok(), !files.fault_fired());
      if (!files.fault_fired()) break;
      const bool full = kind == FaultKind::kEnospc || kind == FaultKind::kShortWrite;
      EXPECT_EQ(status.code(), full ? Code::kNoSpace : Code::kIo);
      EXPECT_TRUE(write_file_atomic(files, "/a", as_bytes("x")).ok()) << "fires once";
    }
    EXPECT_EQ(n, calls + 1);
  }
}

TEST(SimFiles, ReadsFailWhenAskedTo) {
  SimFiles files(1);
  make(files, "/a", "x");
  files.fail_at(2, FaultKind::kReadEio);
  const auto file = files.open("/a", OpenMode::kRead);
  ASSERT_TRUE(file.ok());
  std::byte byte{};
  EXPECT_EQ((*file)->read(0, {&byte, 1}).error().code(), Code::kIo);
  EXPECT_TRUE((*file)->read(0, {&byte, 1}).ok());
}

TEST(SimFiles, StickyFaultsStayUntilCleared) {
  SimFiles files(1);
  const auto file = make(files, "/a", "x");
  files.fail_at(2, FaultKind::kFailedSync, true);
  EXPECT_TRUE(file->sync().ok());
  EXPECT_EQ(file->sync().code(), Code::kIo);
  EXPECT_EQ(file->sync().code(), Code::kIo);
  files.clear_fault();
  EXPECT_TRUE(file->sync().ok());
}

TEST(SimFiles, ShortWritesLeaveAPrefix) {
  std::set<uint64_t> sizes;
  for (uint64_t seed = 0; seed < 20; seed++) {
    SimFiles files(seed);
    const auto file = make(files, "/a", "");
    files.fail_at(1, FaultKind::kShortWrite);
    EXPECT_EQ(file->write(0, as_bytes(std::string(1000, 'x'))).code(), Code::kNoSpace);
    sizes.insert(*file->size());
    EXPECT_EQ(content_of(files, "/a"), std::string(*file->size(), 'x'));
  }
  EXPECT_GT(sizes.size(), 5u);
}

TEST(SimFiles, AfterAFailedSyncALaterOneDoesNotSaveTheData) {
  bool lost = false;
  bool kept = false;
  bool seen_new_but_lost = false;
  bool seen_old = false;
  for (uint64_t seed = 0; seed < 100; seed++) {
    SimFiles files(seed);
    const auto file = make(files, "/a", std::string(4096, 'o'));
    ASSERT_TRUE(file->sync().ok());
    ASSERT_TRUE(files.sync_dir("/").ok());
    ASSERT_TRUE(file->write(0, as_bytes(std::string(4096, 'n'))).ok());
    files.fail_at(1, FaultKind::kFailedSync);
    ASSERT_EQ(file->sync().code(), Code::kIo);
    const bool reads_new = content_of(files, "/a")[0] == 'n';
    ASSERT_TRUE(file->sync().ok());
    files.crash(TearMode::kDropUnsynced);
    const bool is_new = content_of(files, "/a")[0] == 'n';
    lost = lost || !is_new;
    kept = kept || is_new;
    seen_new_but_lost = seen_new_but_lost || (reads_new && !is_new);
    seen_old = seen_old || !reads_new;
  }
  EXPECT_TRUE(lost && kept && seen_new_but_lost && seen_old);
}

TEST(SimFiles, WritingAgainAfterAFailedSyncSavesTheData) {
  for (uint64_t seed = 0; seed < 50; seed++) {
    SimFiles files(seed);
    const std::string content(10000, 'n');
    const auto file = make(files, "/a", content);
    ASSERT_TRUE(files.sync_dir("/").ok());
    files.fail_at(1, FaultKind::kFailedSync);
    ASSERT_EQ(file->sync().code(), Code::kIo);
    ASSERT_TRUE(file->write(0, as_bytes(content)).ok());
    ASSERT_TRUE(file->sync().ok());
    files.crash(TearMode::kDropUnsynced);
    EXPECT_EQ(content_of(files, "/a"), content) << "seed " << seed;
  }
}

TEST(SimFiles, FullDiskRefusesAndRecoversWhenSpaceReturns) {
  SimFiles files(1);
  files.set_capacity(1000);
  const auto file = make(files, "/a", std::string(600, 'x'));
  const auto other = make(files, "/b", "");
  EXPECT_EQ(*files.free_bytes("/"), 400u);
  EXPECT_EQ(other->write(0, as_bytes(std::string(500, 'y'))).code(), Code::kNoSpace);
  EXPECT_EQ(*other->size(), 400u);
  EXPECT_TRUE(file->write(0, as_bytes(std::string(600, 'z'))).ok()) << "overwriting takes no space";
  EXPECT_EQ(file->write(700, as_bytes("z")).code(), Code::kNoSpace);
  EXPECT_EQ(*file->size(), 600u);
  ASSERT_TRUE(files.remove("/b").ok());
  EXPECT_EQ(*files.free_bytes("/"), 400u);
  EXPECT_TRUE(file->write(600, as_bytes(std::string(400, 'z'))).ok());
  EXPECT_EQ(*files.free_bytes("/"), 0u);
}

TEST(SimFiles, MapCopiesPrivatelyOverAReservedRange) {
  constexpr size_t kBytes = 8192;
  void* const at = ::mmap(nullptr, kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(at, MAP_FAILED);
  const MutableBytes range(static_cast<std::byte*>(at), kBytes);
  SimFiles files(1);
  const auto file = make(files, "/a", std::string(4096, 'a') + "b");
  ASSERT_TRUE(file->map(0, range).ok());
  EXPECT_EQ(range[4096], std::byte{'b'});
  EXPECT_EQ(range[4097], std::byte{0});
  range[0] = std::byte{'z'};
  EXPECT_EQ(content_of(files, "/a")[0], 'a');
  EXPECT_EQ(file->map(4096, range).code(), Code::kInvalidArgument);
  EXPECT_EQ(file->map(1, range.first(4096)).code(), Code::kInvalidArgument);
  ::munmap(at, kBytes);
}

TEST(SimFiles, FlippedBitsStayFlipped) {
  SimFiles files(1);
  const auto file = make(files, "/a", "abc");
  ASSERT_TRUE(file->sync().ok());
  ASSERT_TRUE(files.sync_dir("/").ok());
  ASSERT_TRUE(files.flip_bit("/a", 8).ok());
  EXPECT_EQ(content_of(files, "/a"), "acc");
  files.crash(TearMode::kDropUnsynced);
  EXPECT_EQ(content_of(files, "/a"), "acc");
  EXPECT_EQ(files.flip_bit("/a", 24).code(), Code::kNotFound);
}

/// Random calls against a plain model; also what a crash leaves must be readable.
TEST(SimFiles, RandomCallsReadBackAsAPlainMapWould) {
  for (uint64_t seed = 0; seed < 30; seed++) {
    Random random(seed);
    SimFiles files(seed);
    std::map<std::string, std::string> model;
    for (int step = 0; step < 400; step++) {
      const std::string path = "/f" + std::to_string(random.below(4));
      const auto file = files.open(path, OpenMode::kReadWrite);
      std::string* const expected = model.contains(path) ? &model[path] : nullptr;
      ASSERT_EQ(file.ok(), expected != nullptr) << "seed " << seed << " step " << step;
      switch (random.below(8)) {
        case 0:
          ASSERT_TRUE(files.open(path, OpenMode::kTruncate).ok());
          model[path].clear();
          break;
        case 1: {
          const std::string to = "/f" + std::to_string(random.below(4));
          ASSERT_EQ(files.rename(path, to).ok(), expected != nullptr);
          if (expected == nullptr || to == path) break;
          model[to] = *expected;
          model.erase(path);
          break;
        }
        case 2:
          if (random.one_in(4)) {
            ASSERT_EQ(files.remove(path).ok(), model.erase(path) == 1);
          }
          break;
        case 3:
          if (!expected) break;
          expected->resize(random.below(20000));
          ASSERT_TRUE((*file)->truncate(expected->size()).ok());
          break;
        case 4:
          if (expected) {
            ASSERT_TRUE((*file)->sync().ok());
          }
          ASSERT_TRUE(files.sync_dir("/").ok());
          break;
        default: {
          if (!expected) break;
          const uint64_t at = random.below(15000);
          const std::string data(random.below(9000), static_cast<char>('a' + random.below(26)));
          ASSERT_TRUE((*file)->write(at, as_bytes(data)).ok());
          if (!data.empty() && expected->size() < at + data.size()) {
            expected->resize(at + data.size());
          }
          expected->replace(std::min<size_t>(at, expected->size()), data.size(), data);
        }
      }
      uint64_t total = 0;
      for (const auto& [name, content] : model) {
        ASSERT_EQ(content_of(files, name), content) << "seed " << seed << " step " << step;
        total += content.size();
      }
      ASSERT_EQ(files.used_bytes(), total) << "seed " << seed << " step " << step;
      if (!random.one_in(50)) continue;
      files.crash(kModes[random.below(3)]);
      model.clear();
      const auto names = files.list("/");
      for (const std::string& name : *names)
        model["/" + name] = content_of(files, "/" + name);
    }
  }
}

}  // namespace
}  // namespace ferres
