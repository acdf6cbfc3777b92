// Arenas under concurrent readers, the lane and a checkpoint writer. A word at index i holds either
// zero or {i, version}; the lane raises versions, readers never see them fall or stray, and each
// checkpoint opens with exactly the words of its moment.
#include <atomic>
#include <cstring>
#include <functional>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/executor.h"
#include "base/mutex.h"
#include "base/random.h"
#include "storage/page_store.h"
#include "storage/test_support.h"

namespace ferres {
namespace {

std::unique_ptr<PageStore> open_store(const std::string& dir, const StoreManifest& manifest) {
  Result<std::unique_ptr<PageStore>> store = PageStore::open(posix_files(), dir, manifest);
  EXPECT_TRUE(store.ok()) << store.error().message();
  return store.ok() ? *std::move(store) : nullptr;
}

Arena* open_arena(PageStore& store) {
  ArenaSpec spec;
  spec.id = 1;
  spec.name = "words";
  spec.huge_pages = true;
  return *store.arena(spec);
}

uint64_t load_word(const std::byte* base, uint64_t index) {
  auto* const word = const_cast<uint64_t*>(reinterpret_cast<const uint64_t*>(base) + index);
  return std::atomic_ref<uint64_t>(*word).load(std::memory_order_acquire);
}

/// The lane's side: words and what they must be.
class Writer {
 public:
  Writer(Arena& arena, uint64_t seed) : arena_(arena), random_(seed) {}

  void grow(uint64_t words) {
    words_.resize(std::max<uint64_t>(words_.size(), words));
    ASSERT_TRUE(arena_.grow(words_.size() * 8).ok());
  }
  void change(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t index = random_.below(words_.size());
      const uint64_t value = index << 32 | ((words_[index] & 0xFFFFFFFFu) + 1);
      auto* const word = reinterpret_cast<uint64_t*>(arena_.mutate(index * 8, 8));
      std::atomic_ref<uint64_t>(*word).store(value, std::memory_order_release);
      words_[index] = value;
    }
  }
  void take(const std::vector<uint64_t>& words) { words_ = words; }
  const std::vector<uint64_t>& words() const { return words_; }

 private:
  Arena& arena_;
  Random random_;
  std::vector<uint64_t> words_;
};

/// Reads at random until told to stop.
void read_words(const Arena& arena, uint64_t seed, const std::atomic<bool>& stop,
                std::atomic<uint64_t>& problems) {
  Random random(seed);
  std::vector<uint64_t> seen;
  while (!stop.load()) {
    const EpochGuard guard;
    const Arena::Range range = arena.range();
    const uint64_t words = range.bytes / 8;
    seen.resize(words);
    for (int i = 0; i < 200 && words > 0; ++i) {
      const uint64_t index = random.below(words);
      if (!arena.verify(index * 8, 8).ok()) problems.fetch_add(1);
      const uint64_t value = load_word(range.base, index);
      if (value != 0 && value >> 32 != index) problems.fetch_add(1);
      // A range taken before a move stays as it was, so a version may only be compared upwards.
      if (arena.base() == range.base && value < seen[index]) problems.fetch_add(1);
      seen[index] = std::max(seen[index], value);
    }
  }
}

void expect_content(const std::string& dir, const StoreManifest& manifest,
                    const std::vector<uint64_t>& words) {
  const std::unique_ptr<PageStore> store = open_store(dir, manifest);
  const Arena* const arena = open_arena(*store);
  const EpochGuard guard;
  const Arena::Range range = arena->range();
  ASSERT_EQ(range.bytes, words.size() * 8);
  ASSERT_TRUE(arena->verify(0, range.bytes).ok());
  ASSERT_EQ(std::memcmp(range.base, words.data(), range.bytes), 0);
}

/// Runs body on this thread while readers and whatever it submits run on others.
void with_readers(const Arena& arena, const std::function<void(Executor&)>& body) {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> problems{0};
  {
    const std::unique_ptr<Executor> pool = make_thread_pool(4);
    for (uint64_t reader = 0; reader < 2; ++reader)
      pool->submit([&, reader] { read_words(arena, 100 + reader, stop, problems); });
    body(*pool);
    stop.store(true);
  }
  EXPECT_EQ(problems.load(), 0u);
}

/// One checkpoint beside a lane that goes on changing words.
StoreManifest checkpoint_beside(PageStore& store, Writer& writer, Executor& pool,
                                uint64_t grown_words = 0) {
  StoreManifest manifest;
  std::atomic<bool> written{false};
  store.begin_checkpoint();
  pool.submit([&] {
    Result<StoreManifest> result = store.write_checkpoint();
    EXPECT_TRUE(result.ok()) << result.error().message();
    if (result.ok()) manifest = *std::move(result);
    written.store(true);
  });
  writer.grow(grown_words);
  while (!written.load())
    writer.change(50);
  store.commit_checkpoint();
  return manifest;
}

TEST(PageStoreThreads, CheckpointsAreExactWhileTheLaneGoesOn) {
  const std::string dir = fresh_dir("threads");
  StoreManifest manifest;
  manifest.family = "points";
  const std::unique_ptr<PageStore> store = open_store(dir, manifest);
  Arena* const arena = open_arena(*store);
  Writer writer(*arena, 1);
  writer.grow(100'000);
  with_readers(*arena, [&](Executor& pool) {
    for (int round = 0; round < 12; ++round) {
      writer.grow(100'000 + 60'000 * static_cast<uint64_t>(round));
      writer.change(2000);
      const std::vector<uint64_t> words = writer.words();
      manifest = checkpoint_beside(*store, writer, pool);
      ASSERT_NO_FATAL_FAILURE(expect_content(dir, manifest, words));
    }
  });
}

TEST(PageStoreThreads, ReadersKeepTheirRangeWhileTheArenaMoves) {
  const std::string dir = fresh_dir("threads");
  StoreManifest manifest;
  manifest.family = "points";
  const std::unique_ptr<PageStore> store = open_store(dir, manifest);
  Arena* const arena = open_arena(*store);
  Writer writer(*arena, 2);
  writer.grow(1000);
  const std::byte* const before = arena->base();
  with_readers(*arena, [&](Executor& pool) {
    for (uint64_t round = 0; round < 3; ++round) {
      writer.change(500);
      const std::vector<uint64_t> words = writer.words();
      // 64 MiB is the end of the first reservation: the arena moves in the second checkpoint.
      const uint64_t grown = round == 1 ? 8'400'000 : 1000;
      const StoreManifest next = checkpoint_beside(*store, writer, pool, grown);
      ASSERT_NO_FATAL_FAILURE(expect_content(dir, next, words));
    }
  });
  EXPECT_NE(arena->base(), before);
}

/// The real disk, but for writes, which wait until the gate opens.
class GatedFiles : public FileSystem {
 public:
  void open_gate() {
    const MutexLock lock(mutex_);
    is_open_ = true;
    opened_.signal_all();
  }
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    TRY_ASSIGN(std::unique_ptr<File> file, posix_files().open(path, mode));
    return std::unique_ptr<File>(std::make_unique<GatedFile>(std::move(file), *this));
  }
  bool exists(const std::string& path) override { return posix_files().exists(path); }
  Status rename(const std::string& from, const std::string& to) override {
    return posix_files().rename(from, to);
  }
  Status remove(const std::string& path) override { return posix_files().remove(path); }
  Status make_dirs(const std::string& path) override { return posix_files().make_dirs(path); }
  Status remove_tree(const std::string& path) override { return posix_files().remove_tree(path); }
  Result<std::vector<std::string>> list(const std::string& dir) override {
    return posix_files().list(dir);
  }
  Status sync_dir(const std::string& dir) override { return posix_files().sync_dir(dir); }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    return posix_files().lock(path);
  }
  Result<uint64_t> free_bytes(const std::string& path) override {
    return posix_files().free_bytes(path);
  }

 private:
  class GatedFile : public File {
   public:
    GatedFile(std::unique_ptr<File> file, GatedFiles& gate) : file_(std::move(file)), gate_(gate) {}
    Result<size_t> read(uint64_t offset, MutableBytes into) const override {
      return file_->read(offset, into);
    }
    Status write(uint64_t offset, Bytes data) override {
      gate_.pass();
      return file_->write(offset, data);
    }
    Status sync() override { return file_->sync(); }
    Status truncate(uint64_t size) override { return file_->truncate(size); }
    Result<uint64_t> size() const override { return file_->size(); }
    Status map(uint64_t offset, MutableBytes at) const override { return file_->map(offset, at); }

   private:
    std::unique_ptr<File> file_;
    GatedFiles& gate_;
  };
  void pass() {
    const MutexLock lock(mutex_);
    while (!is_open_)
      opened_.wait(mutex_);
  }

  Mutex mutex_;
  CondVar opened_;
  bool is_open_ GUARDED_BY(mutex_) = false;
};

TEST(PageStoreThreads, LaneOutrunsASlowWriterWithBoundedMemory) {
  const std::string dir = fresh_dir("threads");
  StoreManifest manifest;
  manifest.family = "points";
  GatedFiles slow;
  Result<std::unique_ptr<PageStore>> opened = PageStore::open(slow, dir, manifest);
  PageStore& store = **opened;
  Arena* const arena = open_arena(store);
  constexpr uint64_t kPages = 1500;  // 1024 may be handed over before the lane waits
  ASSERT_TRUE(arena->grow(kPages * kPageBytes).ok());
  const std::unique_ptr<Executor> pool = make_thread_pool(2);
  const auto fill = [&](std::byte value, const std::function<void(uint64_t)>& before) {
    for (uint64_t page = kPages; page-- > 0;) {
      before(page);
      *arena->mutate(page * kPageBytes + 100, 1) = value;
    }
  };
  fill(std::byte{1}, [](uint64_t) {});
  store.begin_checkpoint();
  std::atomic<bool> done{false};
  pool->submit([&] {
    Result<StoreManifest> result = store.write_checkpoint();
    EXPECT_TRUE(result.ok());
    manifest = *std::move(result);
    done.store(true);
  });
  fill(std::byte{2}, [&](uint64_t page) {
    if (page == kPages - 900) slow.open_gate();
  });
  while (!done.load())
    arena->mutate(0, 1);
  store.commit_checkpoint();
  EXPECT_EQ(store.changed_bytes(), kPages * kPageBytes);
  const std::unique_ptr<PageStore> again = open_store(dir, manifest);
  const Arena* const found = open_arena(*again);
  ASSERT_TRUE(found->verify(0, found->bytes()).ok());
  for (uint64_t page = 0; page < kPages; ++page)
    ASSERT_EQ(found->base()[page * kPageBytes + 100], std::byte{1}) << page;
}

TEST(PageStoreThreads, OpenedPagesAreCheckedWhileTheyChange) {
  const std::string dir = fresh_dir("threads");
  StoreManifest manifest;
  manifest.family = "points";
  std::vector<uint64_t> words;
  {
    const std::unique_ptr<PageStore> store = open_store(dir, manifest);
    Writer writer(*open_arena(*store), 3);
    writer.grow(1'000'000);
    writer.change(200'000);
    words = writer.words();
    store->begin_checkpoint();
    manifest = *store->write_checkpoint();
    store->commit_checkpoint();
  }
  for (uint64_t life = 0; life < 3; ++life) {
    const std::unique_ptr<PageStore> store = open_store(dir, manifest);
    Arena* const arena = open_arena(*store);
    Writer writer(*arena, 10 + life);
    writer.take(words);
    with_readers(*arena, [&](Executor& pool) {
      writer.change(100);
      while (store->scrub(1 << 20))
        writer.change(20);
      EXPECT_TRUE(store->all_verified());
      const std::vector<uint64_t> now = writer.words();
      manifest = checkpoint_beside(*store, writer, pool);
      ASSERT_NO_FATAL_FAILURE(expect_content(dir, manifest, now));
      words = now;
    });
    EXPECT_TRUE(store->damage().ok());
  }
}

}  // namespace
}  // namespace ferres
