// Checkpoints that fail.
#include "collection/test_collection.h"

namespace ferres {
namespace {

class CheckpointTest : public CollectionFixture {
 protected:
  CheckpointTest() : CollectionFixture(4, Disk::kSimulated) { options_.background = false; }
  size_t page_files() {
    size_t files = 0;
    const std::vector<std::string> names = *files_.list(dir_);
    for (const std::string& name : names)
      files += name.ends_with(".bin") ? 1 : 0;
    return files;
  }
};

// On a full disk the room is needed; the next attempt takes other names.
TEST_F(CheckpointTest, WhatAFailedOneWroteIsRemoved) {
  constexpr size_t kManifestCalls = 3;  // from then on a manifest may list the files
  open();
  UpsertRequest request;
  request.points.push_back({"a", {}, {1, 2, 3, 4}, "{}", {}});
  ASSERT_TRUE(collection_->upsert(std::move(request)).ok());
  size_t failed = 0;
  size_t left = 0;
  for (uint64_t call = 1;; ++call) {
    simulated_.fail_at(call, FaultKind::kEnospc);
    const size_t before = page_files();
    const Status status = collection_->checkpoint();
    simulated_.clear_fault();
    if (status.ok()) break;
    ++failed;
    EXPECT_EQ(status.code(), Code::kNoSpace);
    left += page_files() > before ? 1 : 0;
  }
  EXPECT_GT(failed, kManifestCalls + 2);
  EXPECT_LE(left, kManifestCalls);
  reopen();
  EXPECT_EQ(count(), 1u);
}

}  // namespace
}  // namespace ferres
