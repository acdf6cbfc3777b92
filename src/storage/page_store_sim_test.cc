// Page store and manifests on a disk that forgets, tears and fails: the newest published manifest
// opens with exactly its content, and a bit that flipped is reported before its bytes are used.
#include <cstring>
#include <map>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/sim_files.h"
#include "storage/manifest.h"
#include "storage/page_store.h"
#include "storage/test_support.h"

namespace ferres {
namespace {

constexpr const char* kDir = "data/part";
constexpr const char* kManifests = "data/part/checkpoints";
constexpr TearMode kModes[] = {TearMode::kDropUnsynced, TearMode::kReorder, TearMode::kPrefix};
constexpr uint32_t kArenas = 3;
constexpr uint64_t kArenaBytesMax = 700'000;

using Content = std::vector<std::vector<std::byte>>;

/// The content of all arenas, or the first problem.
Result<Content> read_all(FileSystem& files, const Manifest& manifest) {
  TRY_ASSIGN(const std::unique_ptr<PageStore> store,
             PageStore::open(files, kDir, manifest.stores.at(0)));
  Content content;
  for (uint32_t id = 0; id < kArenas; ++id) {
    ArenaSpec spec;
    spec.id = id;
    spec.name = "test";
    TRY_ASSIGN(const Arena* const arena, store->arena(spec));
    const EpochGuard guard;
    const Arena::Range range = arena->range();
    TRY(arena->verify(0, range.bytes));
    content.emplace_back(range.base, range.base + range.bytes);
  }
  TRY(store->damage());
  return content;
}

/// A partition that changes, checkpoints, restarts and collects garbage.
class Program {
 public:
  Program(FileSystem& files, uint64_t seed) : files_(files), random_(seed) {
    newest_.stores.resize(1);
    newest_.stores[0].family = "points";
    content_.resize(kArenas);
    published_[0] = content_;
  }

  void run(int steps) {
    for (; steps_ < steps; ++steps_) {
      if (store_ == nullptr && !open()) continue;
      switch (random_.below(10)) {
        case 0:
          store_ = nullptr;
          break;
        case 1:
          store_->scrub(1 << 20);
          break;
        case 2:
        case 3:
        case 4:
          checkpoint();
          break;
        default:
          change();
      }
    }
  }
  /// What may be found after a crash: the newest manifest that was reported as published, or one
  /// whose publishing was under way.
  void expect_recovers(FileSystem& files) const {
    const Result<std::vector<Lsn>> lsns = list_manifests(files, kManifests);
    ASSERT_TRUE(lsns.ok());
    const Lsn lsn = lsns->empty() ? 0 : lsns->back();
    ASSERT_GE(lsn, newest_.lsn);
    // Older ones too: garbage goes after the manifest that needed it, never before.
    for (const Lsn each : *lsns) {
      const Result<Manifest> manifest = read_manifest(files, kManifests, each);
      ASSERT_TRUE(manifest.ok()) << manifest.error().message();
      const Result<Content> content = read_all(files, *manifest);
      ASSERT_TRUE(content.ok()) << content.error().message();
      ASSERT_EQ(*content, published_.at(each)) << each;
    }
  }
  uint64_t failures() const { return failures_; }

 private:
  bool open() {
    Result<std::unique_ptr<PageStore>> store = PageStore::open(files_, kDir, newest_.stores.at(0));
    if (!store.ok()) {
      ++failures_;
      EXPECT_NE(store.error().code(), Code::kCorruption) << store.error().message();
      return false;
    }
    store_ = *std::move(store);
    content_ = published_.at(newest_.lsn);
    for (uint32_t id = 0; id < kArenas; ++id) {
      ArenaSpec spec;
      spec.id = id;
      spec.name = "test";
      spec.huge_pages = true;
      arenas_[id] = *store_->arena(spec);
    }
    return true;
  }
  void change() {
    for (int i = 0; i < 4; ++i) {
      const auto id = static_cast<uint32_t>(random_.below(kArenas));
      std::vector<std::byte>& shadow = content_[id];
      if (shadow.empty() || random_.below(10) == 0) {
        shadow.resize(std::min(kArenaBytesMax, shadow.size() + 1 + random_.below(150'000)));
        ASSERT_TRUE(arenas_[id]->grow(shadow.size()).ok());
      }
      const uint64_t offset = random_.below(shadow.size());
      const uint64_t length = std::min(1 + random_.below(3000), shadow.size() - offset);
      std::byte* const to = arenas_[id]->mutate(offset, length);
      std::memset(to, static_cast<int>(random_.below(256)), length);
      std::memcpy(shadow.data() + offset, to, length);
    }
  }
  void checkpoint() {
    store_->begin_checkpoint();
    Manifest next;
    next.lsn = ++last_lsn_;
    published_[next.lsn] = content_;
    for (uint64_t i = random_.below(3); i > 0; --i)
      change();
    Result<StoreManifest> written = store_->write_checkpoint();
    Status status;
    if (written.ok()) {
      next.stores.push_back(*std::move(written));
      status = write_manifest(files_, kManifests, next);
    } else {
      status = std::move(written).error();
    }
    if (!status.ok()) {
      EXPECT_NE(status.code(), Code::kCorruption) << status.message();
      ++failures_;
      store_->abort_checkpoint();
      return;
    }
    store_->commit_checkpoint();
    EXPECT_EQ(store_->changed_bytes() == 0, content_ == published_[next.lsn]);
    std::vector<Lsn> keep = {next.lsn};
    if (newest_.lsn != 0 && random_.below(2) == 0) keep.push_back(newest_.lsn);
    newest_ = next;
    if (!collect_checkpoint_garbage(files_, kManifests, kDir, keep).ok()) ++failures_;
    ASSERT_LE(next.stores[0].files.size(), 65u);
  }

  FileSystem& files_;
  Random random_;
  int steps_ = 0;
  Content content_;
  std::map<Lsn, Content> published_;
  Manifest newest_;
  Lsn last_lsn_ = 0;
  uint64_t failures_ = 0;
  std::unique_ptr<PageStore> store_;
  Arena* arenas_[kArenas] = {};
};

TEST(PageStoreSim, PowerCutAtEveryCallLeavesAPublishedCheckpoint) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SimFiles disk(seed);
    ASSERT_TRUE(disk.make_dirs(kDir).ok());
    Program program(disk, seed);
    uint64_t cuts = 0;
    disk.on_operation([&](uint64_t index) {
      for (const TearMode mode : kModes) {
        if (testing::Test::HasFatalFailure()) return;
        SCOPED_TRACE("seed " + std::to_string(seed) + ", call " + std::to_string(index) +
                     ", mode " + std::to_string(static_cast<int>(mode)));
        program.expect_recovers(*disk.after_crash(mode, seed * 1000 + index));
        ++cuts;
      }
    });
    program.run(80);
    ASSERT_FALSE(HasFatalFailure());
    EXPECT_GT(cuts, 300u);
  }
}

TEST(PageStoreSim, FaultAtEveryCallLeavesAPublishedCheckpoint) {
  for (const FaultKind kind : {FaultKind::kEio, FaultKind::kEnospc, FaultKind::kShortWrite,
                               FaultKind::kFailedSync, FaultKind::kReadEio}) {
    bool fired = true;
    uint64_t failures = 0;
    for (uint64_t n = 1; fired; ++n) {
      SCOPED_TRACE("kind " + std::to_string(static_cast<int>(kind)) + ", call " +
                   std::to_string(n));
      SimFiles disk(n);
      ASSERT_TRUE(disk.make_dirs(kDir).ok());
      Program program(disk, 3);
      disk.fail_at(n, kind);
      program.run(25);
      fired = disk.fault_fired();
      failures += program.failures();
      disk.clear_fault();
      ASSERT_NO_FATAL_FAILURE(program.expect_recovers(disk));
      for (const TearMode mode : kModes)
        ASSERT_NO_FATAL_FAILURE(program.expect_recovers(*disk.after_crash(mode, n)));
    }
    EXPECT_GT(failures, 0u);
  }
}

TEST(PageStoreSim, BitFlipIsReportedBeforeUse) {
  SimFiles disk(1);
  ASSERT_TRUE(disk.make_dirs(kDir).ok());
  Program program(disk, 11);
  program.run(60);
  const Result<std::vector<Lsn>> lsns = list_manifests(disk, kManifests);
  ASSERT_FALSE(lsns->empty());
  const Result<Manifest> manifest = read_manifest(disk, kManifests, lsns->back());
  ASSERT_TRUE(manifest.ok());
  const Result<Content> before = read_all(disk, *manifest);
  ASSERT_TRUE(before.ok());
  Random random(77);
  uint64_t superseded = 0;
  for (int i = 0; i < 2000; ++i) {
    SCOPED_TRACE("flip " + std::to_string(i));
    const auto& files = manifest->stores[0].files;
    const PageFileEntry& file = files[random.below(files.size())];
    const std::string path = std::string(kDir) + "/" + file.name;
    const uint64_t from_end = random.below(2) * random.below(std::min<uint64_t>(file.bytes, 800));
    const uint64_t byte = from_end != 0 ? file.bytes - from_end : random.below(file.bytes);
    const uint64_t bit = byte * 8 + random.below(8);
    ASSERT_TRUE(disk.flip_bit(path, bit).ok());
    const Result<Content> content = read_all(disk, *manifest);
    if (content.ok()) {
      // The page has a newer version in a later file.
      ASSERT_EQ(*content, *before);
      ++superseded;
    } else {
      ASSERT_EQ(content.error().code(), Code::kCorruption) << content.error().message();
      ASSERT_NE(content.error().message().find(path), std::string::npos)
          << content.error().message();
      ASSERT_NE(content.error().message().find("byte "), std::string::npos)
          << content.error().message();
    }
    ASSERT_TRUE(disk.flip_bit(path, bit).ok());
  }
  EXPECT_LT(superseded, 1300u);
  const std::string path = std::string(kManifests) + "/" + disk.list(kManifests)->back();
  const uint64_t bytes = read_file(disk, path, 1 << 20)->size();
  for (uint64_t bit = 0; bit < bytes * 8; ++bit) {
    ASSERT_TRUE(disk.flip_bit(path, bit).ok());
    const Result<Manifest> flipped = read_manifest(disk, kManifests, lsns->back());
    ASSERT_FALSE(flipped.ok()) << bit;
    ASSERT_EQ(flipped.error().code(), Code::kCorruption) << flipped.error().message();
    ASSERT_TRUE(disk.flip_bit(path, bit).ok());
  }
}

}  // namespace
}  // namespace ferres
