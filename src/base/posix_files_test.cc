// The real disk through FileSystem, in a fresh directory under the system's temporary one.
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"

namespace ferres {
namespace {

class PosixFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "ferres_files_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  void TearDown() override { EXPECT_TRUE(files_.remove_tree(root_).ok()); }

  std::string path(const std::string& name) const { return root_ + "/" + name; }
  std::unique_ptr<File> make(const std::string& name, std::string_view content) {
    auto file = files_.open(path(name), OpenMode::kCreate);
    EXPECT_TRUE(file.ok());
    EXPECT_TRUE((*file)->write(0, as_bytes(content)).ok());
    return *std::move(file);
  }

  FileSystem& files_ = posix_files();
  std::string root_;
};

TEST_F(PosixFilesTest, ReadsBackWhatWasWritten) {
  const auto file = make("a", "hello world");
  ASSERT_TRUE(file->sync().ok());
  std::array<std::byte, 16> buffer{};
  const auto got = file->read(6, buffer);
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(as_text(Bytes(buffer).first(*got)), "world");
  EXPECT_EQ(*file->size(), 11u);
  EXPECT_EQ(*file->read(100, buffer), 0u);
}

TEST_F(PosixFilesTest, GapsReadAsZerosAndTruncateCuts) {
  const auto file = make("a", "x");
  ASSERT_TRUE(file->write(5, as_bytes("y")).ok());
  EXPECT_EQ(*read_file(files_, path("a"), 100), std::string("x\0\0\0\0y", 6));
  ASSERT_TRUE(file->truncate(1).ok());
  ASSERT_TRUE(file->truncate(3).ok());
  EXPECT_EQ(*read_file(files_, path("a"), 100), std::string("x\0\0", 3));
}

TEST_F(PosixFilesTest, OpenModesSayWhatMustExist) {
  EXPECT_EQ(files_.open(path("a"), OpenMode::kRead).error().code(), Code::kNotFound);
  EXPECT_EQ(files_.open(path("a"), OpenMode::kReadWrite).error().code(), Code::kNotFound);
  make("a", "abc");
  EXPECT_EQ(files_.open(path("a"), OpenMode::kCreate).error().code(), Code::kAlreadyExists);
  EXPECT_EQ(*(*files_.open(path("a"), OpenMode::kReadWrite))->size(), 3u);
  EXPECT_EQ(*(*files_.open(path("a"), OpenMode::kTruncate))->size(), 0u);
}

TEST_F(PosixFilesTest, MessagesNamePathCallAndReason) {
  const auto opened = files_.open(path("missing"), OpenMode::kRead);
  EXPECT_EQ(opened.error().message(), path("missing") + ": open: No such file or directory");
}

TEST_F(PosixFilesTest, WritingThroughAReadOnlyFileFails) {
  make("a", "abc");
  const auto file = files_.open(path("a"), OpenMode::kRead);
  EXPECT_EQ((*file)->write(0, as_bytes("z")).code(), Code::kIo);
}

TEST_F(PosixFilesTest, FullDiskIsNoSpace) {
  const std::string disk = path("disk");
  ASSERT_TRUE(files_.make_dirs(disk).ok());
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=64k") != 0)
    GTEST_SKIP() << "mounting a small tmpfs is not allowed here";
  {
    const auto file = make("disk/a", "");
    EXPECT_EQ(file->write(0, as_bytes(std::string(128 << 10, 'x'))).code(), Code::kNoSpace);
  }
  EXPECT_EQ(::umount(disk.c_str()), 0);
}

TEST_F(PosixFilesTest, OnlyRegularFilesAreOpened) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  ASSERT_TRUE(files_.make_dirs(path("folder")).ok());
  for (const OpenMode mode : {OpenMode::kRead, OpenMode::kReadWrite, OpenMode::kTruncate}) {
    for (const std::string& name : {path("pipe"), std::string("/dev/zero")}) {
      const auto opened = files_.open(name, mode);
      ASSERT_FALSE(opened.ok()) << name;
      EXPECT_EQ(opened.error().code(), Code::kCorruption);
      EXPECT_TRUE(opened.error().message().starts_with(name + ": "));
    }
  }
  EXPECT_EQ(files_.open(path("folder"), OpenMode::kRead).error().code(), Code::kCorruption);
  EXPECT_EQ(files_.lock(path("pipe")).error().code(), Code::kCorruption);
  const auto held = files_.lock(path("folder"));
  EXPECT_TRUE(held.ok());
  EXPECT_EQ(files_.lock(path("folder")).error().code(), Code::kConflict);
  make("target", "target");
  std::filesystem::create_symlink(path("target"), path("link"));
  EXPECT_EQ(*read_file(files_, path("link"), 100), "target");
}

TEST_F(PosixFilesTest, ShortWritesAreContinuedUntilTheyFail) {
  // A file size limit makes the kernel write a part first, and fail the rest.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const auto file = make("a", "");
  const rlimit limit{4096, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const Status status = file->write(0, as_bytes(std::string(10000, 'x')));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  (void)std::signal(SIGXFSZ, handler);
  EXPECT_EQ(status.code(), Code::kNoSpace);
  EXPECT_EQ(*file->size(), 4096u);
}

TEST_F(PosixFilesTest, DirectoriesAreMadeListedAndRemovedWhole) {
  ASSERT_TRUE(files_.make_dirs(path("x/y/z")).ok());
  ASSERT_TRUE(files_.make_dirs(path("x/y/z")).ok());
  ASSERT_TRUE(files_.make_dirs(path("t/u/")).ok());
  make("x/b", "");
  make("x/a", "");
  EXPECT_EQ(*files_.list(path("x")), (std::vector<std::string>{"a", "b", "y"}));
  EXPECT_EQ(files_.list(path("none")).error().code(), Code::kNotFound);
  EXPECT_EQ(files_.make_dirs(path("x/a")).code(), Code::kAlreadyExists);
  ASSERT_TRUE(files_.sync_dir(path("x")).ok());
  ASSERT_TRUE(files_.remove_tree(path("x")).ok());
  ASSERT_TRUE(files_.remove_tree(path("x")).ok());
  EXPECT_FALSE(files_.exists(path("x")));
}

TEST_F(PosixFilesTest, RenameReplacesAndRemoveRemoves) {
  make("a", "new");
  make("b", "old");
  ASSERT_TRUE(files_.rename(path("a"), path("b")).ok());
  EXPECT_FALSE(files_.exists(path("a")));
  EXPECT_EQ(*read_file(files_, path("b"), 100), "new");
  ASSERT_TRUE(files_.remove(path("b")).ok());
  EXPECT_EQ(files_.remove(path("b")).code(), Code::kNotFound);
}

TEST_F(PosixFilesTest, SecondLockIsRefusedWhileTheFirstLives) {
  auto first = files_.lock(path("lock"));
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(files_.lock(path("lock")).error().code(), Code::kConflict);
  (*first).reset();
  EXPECT_TRUE(files_.lock(path("lock")).ok());
}

TEST_F(PosixFilesTest, MappingIsPrivateAndOutlivesTheFile) {
  constexpr size_t kBytes = 8192;
  void* const at = ::mmap(nullptr, kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(at, MAP_FAILED);
  const MutableBytes range(static_cast<std::byte*>(at), kBytes);
  {
    const auto file = make("a", std::string(4096, 'a') + std::string(100, 'b'));
    ASSERT_TRUE(file->map(0, range).ok());
  }
  EXPECT_EQ(range[4096], std::byte{'b'});
  EXPECT_EQ(range[4200], std::byte{0});
  range[0] = std::byte{'z'};
  EXPECT_EQ((*read_file(files_, path("a"), 8192))[0], 'a');
  ::munmap(at, kBytes);
}

TEST_F(PosixFilesTest, FreeBytesAreSomething) {
  const auto free = files_.free_bytes(root_);
  ASSERT_TRUE(free.ok());
  EXPECT_GT(*free, 0u);
}

TEST_F(PosixFilesTest, ReadFileRefusesWhatIsTooLarge) {
  make("a", "12345");
  EXPECT_EQ(read_file(files_, path("a"), 4).error().code(), Code::kTooLarge);
  EXPECT_EQ(*read_file(files_, path("a"), 5), "12345");
}

TEST_F(PosixFilesTest, SecretsAreForTheirOwnerAlone) {
  const auto others = [this] {
    constexpr auto kOthers = std::filesystem::perms::group_all | std::filesystem::perms::others_all;
    return std::filesystem::status(path("s")).permissions() & kOthers;
  };
  ASSERT_TRUE(write_file_atomic(files_, path("s"), as_bytes("open")).ok());
  EXPECT_NE(others(), std::filesystem::perms::none);
  // What a crash left must not lend its mode.
  ASSERT_TRUE(write_file_atomic(files_, path("s.tmp"), as_bytes("open")).ok());
  ASSERT_TRUE(write_secret_file_atomic(files_, path("s"), as_bytes("secret")).ok());
  EXPECT_EQ(others(), std::filesystem::perms::none);
  EXPECT_EQ(*read_file(files_, path("s"), 100), "secret");
}

TEST_F(PosixFilesTest, AtomicWriteReplacesAndLeavesNothingBehind) {
  ASSERT_TRUE(write_file_atomic(files_, path("a"), as_bytes("one")).ok());
  ASSERT_TRUE(write_file_atomic(files_, path("a"), as_bytes("two")).ok());
  EXPECT_EQ(*read_file(files_, path("a"), 100), "two");
  EXPECT_EQ(*files_.list(root_), (std::vector<std::string>{"a"}));
  EXPECT_EQ(write_file_atomic(files_, path("no/a"), as_bytes("x")).code(), Code::kNotFound);
}

}  // namespace
}  // namespace ferres
