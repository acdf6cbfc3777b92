// Tests of collection/partition.h: what it refuses to open.
#include "collection/partition.h"

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "base/coding.h"
#include "base/random.h"

namespace ferres {
namespace {

/// The checkpoint of a store whose header holds a version and nothing else.
StoreManifest store_of_version(const std::string& dir, const char* family, uint32_t version) {
  StoreManifest manifest;
  manifest.family = family;
  const auto store = *PageStore::open(posix_files(), dir, manifest);
  Arena& header = **store->arena({.id = 1, .name = "header"});
  EXPECT_TRUE(header.grow(sizeof version).ok());
  store_u32(header.mutate(0, sizeof version), version);
  store->begin_checkpoint();
  manifest = *store->write_checkpoint();
  store->commit_checkpoint();
  return manifest;
}

TEST(Partition, AnotherLayoutIsRefusedByName) {
  const std::string dir = ::testing::TempDir() + "/partition_test_" + random_uuid();
  std::filesystem::create_directories(dir);
  CollectionConfig config;
  config.dimension = 4;
  for (const uint32_t version : {0u, 1u, 4u}) {
    Manifest manifest;
    manifest.stores.push_back(store_of_version(dir, "points", version));
    const auto opened = Partition::open({&posix_files(), dir, config, 0}, {}, manifest.stores);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code(), Code::kUnimplemented);
    EXPECT_NE(opened.error().message().find("partition layout " + std::to_string(version)),
              std::string_view::npos)
        << opened.error().message();
    std::filesystem::remove_all(dir);
    std::filesystem::create_directories(dir);
  }
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace ferres
