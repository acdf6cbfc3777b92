// Namespaces with page files of their own: which are open, what is left of those that go, and
// bringing a collection from one form into the other. What they answer, the sim tests compare.
#include <filesystem>
#include <set>

#include "base/random.h"
#include "collection/partitions.h"
#include "collection/test_collection.h"

namespace ferres {
namespace {

constexpr uint32_t kDim = 16;

class Namespaces : public CollectionFixture {
 protected:
  Namespaces() : CollectionFixture(kDim) {
    options_.isolate_namespaces = true;
    options_.open_partitions_max = 3;
    options_.flat_points_max = 20;
  }
  void put(const std::string& ns, int points) {
    UpsertRequest request;
    for (int i = 0; i < points; ++i) {
      std::vector<float> vector(kDim);
      for (float& x : vector)
        x = static_cast<float>(random_.unit() - 0.5);
      request.points.push_back({std::to_string(i), ns, std::move(vector), "{}", {}});
    }
    const auto result = collection_->upsert(std::move(request));
    ASSERT_TRUE(result.ok()) << result.error().message();
  }
  void put_tenants(int tenants, int points) {
    for (int i = 0; i < tenants; ++i)
      put("tenant " + std::to_string(i), points);
  }
  uint64_t opened() { return collection_->stats().open_partitions; }
  std::vector<std::string> folders() {
    auto names = posix_files().list(dir_ + "/namespaces");
    return names.ok() ? *std::move(names) : std::vector<std::string>();
  }
  /// Names of page files beside those of namespaces.
  size_t whole_files() {
    size_t files = 0;
    const std::vector<std::string> names = *posix_files().list(dir_);
    for (const std::string& name : names)
      files += name.ends_with(".bin") ? 1 : 0;
    return files;
  }

  /// Of the newest checkpoint: nothing is left, or one page is wrong.
  std::string damage_points(const std::string& ns, bool a_page = false,
                            std::string* before = nullptr) {
    const std::string folder = dir_ + "/namespaces/" + ns + "/";
    std::string newest;
    const std::vector<std::string> names = *files_.list(folder);
    for (const std::string& name : names)
      if (name.starts_with("points-")) newest = std::max(newest, name);
    const std::string path = folder + newest;
    if (before != nullptr) *before = *read_file(files_, path, 1 << 30);
    if (a_page) {
      const auto file = files_.open(path, OpenMode::kReadWrite);
      EXPECT_TRUE(file.ok() && (*file)->write(100, as_bytes("?")).ok());
    } else {
      EXPECT_TRUE(write_file_atomic(files_, path, {}).ok());
    }
    return path;
  }

  Random random_{7};
};

TEST_F(Namespaces, OnlyWhatIsAskedForIsOpened) {
  open();
  put_tenants(10, 5);
  reopen(true);
  EXPECT_EQ(collection_->stats().points, 50u);
  EXPECT_EQ(opened(), 0u);
  EXPECT_EQ(count("tenant 4"), 5u);
  EXPECT_EQ(opened(), 1u);
  put("tenant 7", 1);
  EXPECT_EQ(opened(), 2u);
  EXPECT_EQ(count("nobody"), 0u);
  EXPECT_EQ(opened(), 2u);
}

TEST_F(Namespaces, ThoseThatWereUsedLongestAgoAreClosed) {
  open();
  put_tenants(40, 5);
  pass_seconds(5);
  EXPECT_LE(opened(), options_.open_partitions_max);
  EXPECT_EQ(count(), 200u);
  for (int i = 0; i < 40; ++i)
    EXPECT_EQ(count("tenant " + std::to_string(i)), 5u);
  EXPECT_GT(opened(), options_.open_partitions_max);
  pass_seconds(5);
  EXPECT_LE(opened(), options_.open_partitions_max);
}

TEST_F(Namespaces, ReadersThatComeFasterThanTheyAreClosedOpenNoMore) {
  options_.open_partitions_max = 2;
  open();
  put_tenants(40, 5);
  reopen(true);
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(count("tenant " + std::to_string(i)), 5u);
    EXPECT_LE(opened(), 9u);
  }
}

TEST_F(Namespaces, SmallOnesTakeLittleOfTheDisk) {
  open();
  put_tenants(20, 5);
  ASSERT_TRUE(collection_->checkpoint().ok());
  EXPECT_LT(collection_->stats().disk_bytes, 20u * (80 << 10));
}

TEST_F(Namespaces, ASearchWithoutOneMergesAll) {
  open();
  put_tenants(8, 30);
  SearchRequest request;
  request.vector.assign(kDim, 0.25f);
  request.limit = 25;
  request.exact = true;
  const auto isolated = collection_->search(request);
  ASSERT_TRUE(isolated.ok());
  options_.isolate_namespaces = false;
  reopen(true);
  const auto whole = collection_->search(request);
  ASSERT_TRUE(whole.ok());
  ASSERT_EQ(isolated->hits.size(), 25u);
  for (size_t i = 0; i < 25; ++i) {
    EXPECT_EQ(isolated->hits[i].point.id, whole->hits[i].point.id);
    EXPECT_EQ(isolated->hits[i].point.ns, whole->hits[i].point.ns);
    EXPECT_FLOAT_EQ(isolated->hits[i].score, whole->hits[i].score);
  }
}

TEST_F(Namespaces, ADroppedOneLeavesNoFiles) {
  config_.retention_days = 0;
  open();
  put_tenants(3, 5);
  ASSERT_TRUE(collection_->checkpoint().ok());
  EXPECT_EQ(folders().size(), 3u);
  const auto dropped = collection_->drop_namespace("tenant 1");
  ASSERT_TRUE(dropped.ok());
  EXPECT_EQ(dropped->deleted, 5u);
  EXPECT_EQ(count(), 10u);
  ASSERT_TRUE(collection_->checkpoint().ok());
  EXPECT_EQ(folders(), std::vector<std::string>({"tenant%200", "tenant%202"}));
  // One whose points are deleted one by one goes as well.
  ASSERT_TRUE(collection_->remove({{"0", "1", "2", "3", "4"}, "tenant 0", false}).ok());
  pass_seconds(2);
  ASSERT_TRUE(collection_->checkpoint().ok());
  EXPECT_EQ(folders(), std::vector<std::string>({"tenant%202"}));
  reopen(true);
  EXPECT_EQ(count(), 5u);
}

TEST_F(Namespaces, ADroppedOneComesBackUntilItIsForgotten) {
  open();
  put_tenants(2, 5);
  const Lsn before = collection_->stats().lsn;
  ASSERT_TRUE(collection_->drop_namespace("tenant 0").ok());
  RestoreTarget target;
  target.lsn = before;
  target.ns = "tenant 0";
  const auto restored = collection_->restore(target, nullptr);
  ASSERT_TRUE(restored.ok()) << restored.error().message();
  EXPECT_EQ(restored->points, 5u);
  EXPECT_EQ(count("tenant 0"), 5u);
  ASSERT_TRUE(collection_->drop_namespace("tenant 0").ok());
  ASSERT_TRUE(collection_->forget().ok());
  EXPECT_EQ(collection_->restore(target, nullptr).error().code(), Code::kNotFound);
  EXPECT_EQ(folders(), std::vector<std::string>({"tenant%201"}));
  EXPECT_EQ(count("tenant 1"), 5u);
}

TEST_F(Namespaces, AreConvertedWhenTheFormIsAnother) {
  config_.retention_days = 0;
  options_.isolate_namespaces = false;
  open();
  put_tenants(70, 3);
  put("", 4);
  put("_default", 2);
  EXPECT_TRUE(folders().empty());
  for (const bool isolate : {true, false, true}) {
    options_.isolate_namespaces = isolate;
    reopen(true);
    EXPECT_EQ(count(), 216u);
    EXPECT_EQ(count("tenant 69"), 3u);
    EXPECT_EQ(count("_default"), 2u);
    EXPECT_TRUE(collection_->get("3", {}).ok());
    pass_seconds(2);
    ASSERT_TRUE(collection_->checkpoint().ok());
    EXPECT_EQ(folders().size(), isolate ? 72u : 0u);
    EXPECT_EQ(whole_files() > 0, !isolate);
  }
}

// What cannot be opened concerns its namespace alone, and going back or dropping it is the remedy.
TEST_F(Namespaces, ADamagedOneLeavesTheOthersAlone) {
  for (const bool restore : {true, false}) {
    open();
    put("a", 3);
    put("b", 3);
    const Lsn whole = collection_->stats().lsn;
    ASSERT_TRUE(collection_->checkpoint().ok());
    put("b", 5);
    close(true);
    damage_points("b");
    open();
    UpsertRequest write;
    write.points.push_back({"x", "b", std::vector<float>(kDim, 1), "{}", {}});
    EXPECT_EQ(collection_->upsert(write).error().code(), Code::kCorruption);
    put("a", 4);
    EXPECT_EQ(count("a"), 4u);
    if (restore) {
      const auto restored =
          collection_->restore({.unix_micros = {}, .lsn = whole, .ns = "b"}, nullptr);
      ASSERT_TRUE(restored.ok()) << restored.error().message();
      EXPECT_EQ(count("b"), 3u);
    } else {
      ASSERT_TRUE(collection_->drop_namespace("b").ok());
      EXPECT_EQ(count("b"), 0u);
    }
    EXPECT_TRUE(collection_->upsert(write).ok());
    reopen(true);
    EXPECT_EQ(count("b"), restore ? 4u : 1u);
    EXPECT_EQ(count("a"), 4u);
    close();
    ASSERT_TRUE(files_.remove_tree(dir_).ok());
  }
}

// As long as the log reaches back to a checkpoint with the points of a damaged one, or to the
// beginning, nothing is lost.
TEST_F(Namespaces, ADamagedOneIsMadeAnewFromTheLog) {
  for (const bool written_since : {true, false}) {
    for (const bool older : {true, false}) {
      open();
      put("a", 3);
      put("b", 3);
      if (older) {
        ASSERT_TRUE(collection_->checkpoint().ok());
      }
      put("b", 5);
      ASSERT_TRUE(collection_->checkpoint().ok());
      put("a", 6);
      if (written_since) put("b", 7);
      close();
      damage_points("b");
      open();
      EXPECT_EQ(count("a"), 6u);
      const Lsn newest = collection_->stats().lsn;
      if (!written_since) {
        const auto restored =
            collection_->restore({.unix_micros = {}, .lsn = newest, .ns = "b"}, nullptr);
        ASSERT_TRUE(restored.ok()) << restored.error().message();
      }
      EXPECT_EQ(count("b"), written_since ? 7u : 5u);
      // What was damaged is used no more, neither by going back nor by the next start.
      ASSERT_TRUE(collection_->checkpoint().ok());
      ASSERT_TRUE(collection_->drop_namespace("b").ok());
      ASSERT_TRUE(
          collection_->restore({.unix_micros = {}, .lsn = newest, .ns = "b"}, nullptr).ok());
      EXPECT_EQ(count("b"), written_since ? 7u : 5u);
      reopen(false);
      EXPECT_EQ(count("b"), written_since ? 7u : 5u);
      EXPECT_EQ(count("a"), 6u);
      close();
      ASSERT_TRUE(files_.remove_tree(dir_).ok());
    }
  }
}

// With writes to it in the log and nothing to make it from: the others are served.
TEST_F(Namespaces, ADamagedOneWithoutHistoryIsSetAside) {
  config_.retention_days = 0;
  for (const bool repaired : {true, false}) {
    open();
    put("a", 3);
    put("b", 5);
    ASSERT_TRUE(collection_->checkpoint().ok());
    put("b", 6);
    put("a", 4);
    close();
    std::string content;
    const std::string file = damage_points("b", false, &content);
    for (int start = 0; start < 2; ++start) {
      open();
      EXPECT_EQ(count("a"), 4u + static_cast<uint64_t>(start));
      ListRequest request;
      request.ns = "b";
      EXPECT_EQ(collection_->list(request).error().code(), Code::kCorruption);
      EXPECT_EQ(collection_->checkpoint().code(), Code::kUnavailable);
      put("a", 5);
      const auto restored = collection_->restore(
          {.unix_micros = {}, .lsn = collection_->stats().lsn, .ns = "a"}, nullptr);
      EXPECT_TRUE(restored.ok()) << restored.error().message();
      close();
    }
    if (repaired) {  // nothing of the log was passed over
      ASSERT_TRUE(write_file_atomic(files_, file, as_bytes(content)).ok());
      open();
      EXPECT_EQ(count("b"), 6u);
    } else {
      open();
      ASSERT_TRUE(collection_->drop_namespace("b").ok());
      reopen(false);
      EXPECT_EQ(count("b"), 0u);
      put("b", 2);
    }
    EXPECT_TRUE(collection_->checkpoint().ok());
    reopen(true);
    EXPECT_EQ(count("a"), 5u);
    EXPECT_EQ(count("b"), repaired ? 6u : 2u);
    close();
    ASSERT_TRUE(files_.remove_tree(dir_).ok());
  }
}

// What makes it whole again is not removed, whatever retention_days says.
TEST_F(Namespaces, TheHistoryOfADamagedOneStays) {
  for (const bool restore : {true, false}) {
    config_.retention_days = 3;
    open();
    put("a", 3);
    put("b", 5);
    const Lsn whole = collection_->stats().lsn;
    close(true);
    damage_points("b");
    config_.retention_days = 0;
    open();
    ListRequest request;
    request.ns = "b";
    EXPECT_EQ(collection_->list(request).error().code(), Code::kCorruption);
    for (int round = 4; round < 8; ++round) {
      put("a", round);
      ASSERT_TRUE(collection_->checkpoint().ok());
    }
    EXPECT_EQ(collection_->forget().code(), Code::kConflict);
    if (restore) {
      ASSERT_TRUE(collection_->restore({.unix_micros = {}, .lsn = whole, .ns = "b"}, nullptr).ok());
    } else {
      ASSERT_TRUE(collection_->drop_namespace("b").ok());
    }
    EXPECT_EQ(count("b"), restore ? 5u : 0u);
    ASSERT_TRUE(collection_->checkpoint().ok());
    EXPECT_EQ(list_manifests(files_, dir_ + "/checkpoints")->size(), 1u);
    EXPECT_EQ(count("a"), 7u);
    close();
    ASSERT_TRUE(files_.remove_tree(dir_).ok());
  }
}

// Of the whole collection, and of a namespace whose damage nobody met yet.
TEST_F(Namespaces, ARestoreDoesNotTakeADamagedOneOver) {
  for (const std::optional<std::string>& alone :
       {std::optional<std::string>("b"), std::optional<std::string>()}) {
    for (const bool a_page : {true, false}) {
      open();
      put("a", 3);
      put("b", 5);
      ASSERT_TRUE(collection_->checkpoint().ok());
      const Lsn newest = collection_->stats().lsn;
      close();
      damage_points("b", a_page);
      open();
      const auto restored =
          collection_->restore({.unix_micros = {}, .lsn = newest, .ns = alone}, nullptr);
      ASSERT_TRUE(restored.ok()) << restored.error().message();
      EXPECT_EQ(count("b"), 5u);
      reopen(false);  // before a checkpoint holds it
      EXPECT_EQ(count("b"), 5u);
      reopen(true);
      EXPECT_EQ(count("b"), 5u);
      // Without the log there is nothing to make it from: refused, and the others stay.
      ASSERT_TRUE(collection_->forget().ok());
      close();
      damage_points("b", a_page);
      open();
      EXPECT_EQ(collection_->restore({.unix_micros = {}, .lsn = newest + 1, .ns = alone}, nullptr)
                    .error()
                    .code(),
                Code::kCorruption);
      EXPECT_EQ(count("a"), 3u);
      reopen(false);
      EXPECT_EQ(count("a"), 3u);
      close();
      ASSERT_TRUE(files_.remove_tree(dir_).ok());
    }
  }
}

TEST_F(Namespaces, WhatWasConvertedIsNoGarbageBeforeACheckpointListsIt) {
  config_.retention_days = 0;
  options_.isolate_namespaces = false;
  open();
  put_tenants(5, 3);
  close(true);
  options_.isolate_namespaces = true;
  options_.background = false;
  open();
  ASSERT_TRUE(collection_->trim().ok());
  executor_->run_all();
  EXPECT_EQ(count("tenant 3"), 3u);
  EXPECT_EQ(count(), 15u);
}

// With its text and its vectors: not in a page that was written again, nor in one that
// was not.
TEST_F(Namespaces, APurgedOneIsInNoFile) {
  options_.isolate_namespaces = false;
  options_.flat_points_max = 1'000'000;
  open();
  const std::vector<float> secret(kDim, 1234.5f);
  const auto put_text = [&](const std::string& ns, int points, const std::vector<float>& vector) {
    UpsertRequest request;
    for (int i = 0; i < points; ++i) {
      request.points.push_back({ns + std::to_string(i), ns, vector, R"({"t":")" + ns + "\"}", {}});
    }
    ASSERT_TRUE(collection_->upsert(std::move(request)).ok());
  };
  put_text("stays", 20'000, std::vector<float>(kDim, 1));
  put_text("SECRET", 500, secret);
  put_text("later", 1000, std::vector<float>(kDim, 2));
  ASSERT_TRUE(collection_->checkpoint().ok());
  ASSERT_TRUE(collection_->drop_namespace("SECRET").ok());
  put_text("s", 3, std::vector<float>(kDim, 3));  // in blocks that were longer
  ASSERT_TRUE(collection_->forget().ok());
  const std::string row(as_text(std::as_bytes(std::span(secret))));
  size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_)) {
    if (!entry.is_regular_file()) continue;
    const std::string content = *read_file(files_, entry.path().string(), 1 << 30);
    EXPECT_EQ(content.find("SECRET"), std::string::npos) << entry.path();
    EXPECT_EQ(content.find(row), std::string::npos) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 4u);
  EXPECT_EQ(count(), 21'003u);
  reopen(false);
  EXPECT_EQ(count("later"), 1000u);
  EXPECT_EQ(count("SECRET"), 0u);
}

class NamespacesOnAFullDisk : public CollectionFixture {
 protected:
  NamespacesOnAFullDisk() : CollectionFixture(kDim, Disk::kSimulated) {}
};

// The collection serves on as it is, and what was half made does not fill the disk.
TEST_F(NamespacesOnAFullDisk, AreNotConverted) {
  for (const bool isolate : {true, false}) {
    options_.isolate_namespaces = !isolate;
    open();
    UpsertRequest request;
    for (int i = 0; i < 2000; ++i) {
      const std::string number = std::to_string(i);
      request.points.push_back(
          {number, number.substr(0, 1), std::vector<float>(kDim, 1), "{}", {}});
    }
    if (isolate) {
      ASSERT_TRUE(collection_->upsert(request).ok());
    }
    close(true);
    const uint64_t used = simulated_.used_bytes();
    simulated_.set_capacity(used + (200 << 10));
    options_.isolate_namespaces = isolate;
    open();
    EXPECT_EQ(count(), 2000u);
    EXPECT_EQ(count("7"), 111u);
    EXPECT_TRUE(collection_->get("77", "7").ok());
    EXPECT_LE(simulated_.used_bytes(), used + (16 << 10));
    simulated_.set_capacity(~uint64_t{0});
    request.points.resize(1);
    EXPECT_TRUE(collection_->upsert(request).ok());
    EXPECT_TRUE(collection_->restore({.unix_micros = {}, .lsn = 1, .ns = "1"}, nullptr).ok());
    EXPECT_EQ(count("1"), 1111u);
    reopen(true);
    EXPECT_EQ(collection_->stats().open_partitions, isolate ? 0u : 1u);
    EXPECT_EQ(count("1"), 1111u);
  }
}

TEST_F(Namespaces, AKeptFormIsNotConverted) {
  open();
  put_tenants(2, 5);
  close(true);
  options_.isolate_namespaces = false;
  options_.convert_namespaces = false;
  open();
  EXPECT_EQ(count("tenant 1"), 5u);
  EXPECT_EQ(folders().size(), 2u);
  EXPECT_EQ(whole_files(), 0u);
}

TEST_F(Namespaces, AreListedWithTheirPoints) {
  for (const bool isolate : {true, false}) {
    options_.isolate_namespaces = isolate;
    open();
    if (isolate) {
      put("b", 3);
      put("a", 2);
      put("", 4);
    }
    const auto found = collection_->namespaces();
    ASSERT_TRUE(found.ok());
    ASSERT_EQ(found->size(), 3u);
    EXPECT_EQ((*found)[0].points, 4u);
    EXPECT_EQ((*found)[1].ns, "a");
    EXPECT_EQ((*found)[2].points, 3u);
    close(true);
  }
}

TEST_F(Namespaces, FoldersAreSafeAndTheirOwn) {
  const std::vector<std::string> names = {"",
                                          "_default",
                                          "%5Fdefault",
                                          "a",
                                          "A b",
                                          "..",
                                          ".",
                                          "../../etc",
                                          "a/b",
                                          "a%2Fb",
                                          "\x01\xff",
                                          std::string(67, '/'),
                                          std::string(256, 'x'),
                                          std::string(255, 'x') + "y"};
  std::set<std::string> folders;
  for (const std::string& name : names) {
    const std::string folder = folder_of_namespace(name);
    EXPECT_TRUE(folder.starts_with("namespaces/") && folder.ends_with("/")) << folder;
    const std::string own = folder.substr(11, folder.size() - 12);
    EXPECT_EQ(own.find_first_of("/."), std::string::npos) << own;
    EXPECT_FALSE(own.empty());
    EXPECT_LE(own.size(), 200u);
    EXPECT_TRUE(folders.insert(folder).second) << folder;
  }
}

}  // namespace
}  // namespace ferres
