// A page store for the tests of what lives in arenas.
#pragma once
#include <memory>

#include <gtest/gtest.h>

#include "storage/page_store.h"

namespace ferres {

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() {
    StoreManifest manifest;
    manifest.family = "points";
    store_ = *PageStore::open(posix_files(), ::testing::TempDir(), manifest);
  }
  Arena& arena(uint32_t id) { return **store_->arena({.id = id, .name = "test"}); }
  std::unique_ptr<PageStore> store_;
};

}  // namespace ferres
