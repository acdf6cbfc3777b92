// Manifests: what is written is read, what is damaged or newer is refused, and garbage goes without
// taking anything that a kept manifest needs.
#include "storage/manifest.h"

#include <gtest/gtest.h>

#include "base/coding.h"
#include "base/crc32c.h"
#include "base/sim_files.h"

namespace ferres {
namespace {

constexpr const char* kDir = "part/checkpoints";
constexpr const char* kStore = "part";

Manifest some_manifest(Lsn lsn, std::vector<std::string> names) {
  Manifest manifest;
  manifest.lsn = lsn;
  manifest.unix_micros = 1'700'000'000'000'000 + lsn;
  StoreManifest points;
  points.family = "points";
  points.next_file = 9;
  for (std::string& name : names)
    points.files.push_back({std::move(name), 4096 * lsn, 17});
  points.arenas = {{1, 1000}, {4, 1ull << 40}};
  StoreManifest index;
  index.family = "index";
  manifest.stores = {points, index};
  return manifest;
}

void expect_same(const Manifest& a, const Manifest& b) {
  EXPECT_EQ(encode_manifest(a), encode_manifest(b));
}

void put_file(FileSystem& files, const std::string& path) {
  const Result<std::unique_ptr<File>> file = files.open(path, OpenMode::kCreate);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->write(0, as_bytes("x")).ok());
}

TEST(Manifest, WhatIsWrittenIsRead) {
  const Manifest manifest = some_manifest(42, {"points-1.bin", "points-8.bin"});
  const std::string bytes = encode_manifest(manifest);
  const Result<Manifest> decoded = decode_manifest(as_bytes(bytes));
  ASSERT_TRUE(decoded.ok()) << decoded.error().message();
  expect_same(*decoded, manifest);
  ASSERT_EQ(decoded->stores.size(), 2u);
  EXPECT_EQ(decoded->stores[0].files[1].name, "points-8.bin");
  EXPECT_EQ(decoded->stores[0].arenas[1].bytes, 1ull << 40);
  EXPECT_EQ(decoded->stores[1].family, "index");
}

TEST(Manifest, NamespacesHaveStoresOfTheirOwn) {
  Manifest manifest = some_manifest(42, {"namespaces/a/points-1.bin"});
  manifest.isolated = true;
  manifest.namespaces = {{"a", 10, 2, 77}};
  const Result<Manifest> decoded = decode_manifest(as_bytes(encode_manifest(manifest)));
  ASSERT_TRUE(decoded.ok()) << decoded.error().message();
  expect_same(*decoded, manifest);
  manifest.namespaces.push_back({"b", 1, 0, 0});
  EXPECT_EQ(decode_manifest(as_bytes(encode_manifest(manifest))).error().code(), Code::kCorruption);
}

TEST(Manifest, CutOrChangedBytesAreCorruption) {
  const std::string bytes = encode_manifest(some_manifest(42, {"points-1.bin"}));
  for (size_t length = 0; length < bytes.size(); ++length) {
    const std::string_view cut = std::string_view(bytes).substr(0, length);
    ASSERT_EQ(decode_manifest(as_bytes(cut)).error().code(), Code::kCorruption) << length;
  }
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    ASSERT_EQ(decode_manifest(as_bytes(flipped)).error().code(), Code::kCorruption) << bit;
  }
}

TEST(Manifest, NewerFormatIsRefusedByName) {
  std::string bytes("FERRMANI");
  put_u32(bytes, 4);
  put_u32(bytes, crc32c(as_bytes(bytes)));
  bytes += "whatever comes";
  const Result<Manifest> decoded = decode_manifest(as_bytes(bytes));
  EXPECT_EQ(decoded.error().code(), Code::kUnimplemented);
  EXPECT_NE(decoded.error().message().find("format 4"), std::string::npos);
}

TEST(Manifest, ListIsAscendingAndEmptyWithoutAFolder) {
  SimFiles files(1);
  EXPECT_TRUE(list_manifests(files, kDir)->empty());
  for (const Lsn lsn : {Lsn{100}, Lsn{7}, ~Lsn{0}})
    ASSERT_TRUE(write_manifest(files, kDir, some_manifest(lsn, {})).ok());
  put_file(files, std::string(kDir) + "/notes.txt");
  EXPECT_EQ(*list_manifests(files, kDir), (std::vector<Lsn>{7, 100, ~Lsn{0}}));
}

TEST(Manifest, OneUnderAnotherNameIsCorruption) {
  SimFiles files(1);
  ASSERT_TRUE(write_manifest(files, kDir, some_manifest(7, {})).ok());
  ASSERT_TRUE(files
                  .rename(std::string(kDir) + "/00000000000000000007.manifest",
                          std::string(kDir) + "/00000000000000000008.manifest")
                  .ok());
  EXPECT_EQ(read_manifest(files, kDir, 8).error().code(), Code::kCorruption);
}

TEST(Manifest, GarbageGoesAndWhatIsListedStays) {
  SimFiles files(1);
  ASSERT_TRUE(write_manifest(files, kDir, some_manifest(5, {"points-1.bin"})).ok());
  ASSERT_TRUE(write_manifest(files, kDir, some_manifest(6, {"points-1.bin", "points-2.bin"})).ok());
  ASSERT_TRUE(write_manifest(files, kDir, some_manifest(9, {"points-2.bin", "points-4.bin"})).ok());
  for (const char* name : {"points-1.bin", "points-2.bin", "points-3.bin", "points-4.bin",
                           "index-1.bin", "config.json", "points-x.bin", "points-01.bin"})
    put_file(files, std::string(kStore) + "/" + name);
  put_file(files, std::string(kDir) + "/00000000000000000010.manifest.tmp");
  ASSERT_TRUE(collect_checkpoint_garbage(files, kDir, kStore, {9}).ok());
  EXPECT_EQ(*list_manifests(files, kDir), std::vector<Lsn>{9});
  EXPECT_EQ(files.list(kDir)->size(), 1u);
  EXPECT_EQ(*files.list(kStore),
            (std::vector<std::string>{"checkpoints", "config.json", "points-01.bin", "points-2.bin",
                                      "points-4.bin", "points-x.bin"}));
}

TEST(Manifest, NothingGoesWhenAKeptManifestCannotBeRead) {
  SimFiles files(1);
  ASSERT_TRUE(write_manifest(files, kDir, some_manifest(5, {"points-1.bin"})).ok());
  ASSERT_TRUE(write_manifest(files, kDir, some_manifest(6, {"points-2.bin"})).ok());
  for (const char* name : {"points-1.bin", "points-2.bin"})
    put_file(files, std::string(kStore) + "/" + name);
  ASSERT_TRUE(files.flip_bit(std::string(kDir) + "/00000000000000000006.manifest", 200).ok());
  EXPECT_EQ(collect_checkpoint_garbage(files, kDir, kStore, {6}).code(), Code::kCorruption);
  EXPECT_EQ(collect_checkpoint_garbage(files, kDir, kStore, {77}).code(), Code::kNotFound);
  EXPECT_EQ(files.list(kDir)->size(), 2u);
  EXPECT_EQ(files.list(kStore)->size(), 3u);
}

}  // namespace
}  // namespace ferres
