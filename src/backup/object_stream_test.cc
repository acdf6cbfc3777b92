// Streams into objects and out of them.
#include "backup/object_stream.h"

#include <gtest/gtest.h>

#include "backup/test_object_store.h"

namespace ferres {
namespace {

constexpr size_t kMiB = 1 << 20;

Status write_all(ObjectStore& store, size_t bytes, uint64_t expected) {
  ObjectWriter writer(store, "k", expected);
  const std::string piece(300'000, 'p');
  for (size_t left = bytes; left > 0;) {
    const size_t count = std::min(left, piece.size());
    TRY(writer.write(as_bytes(piece).first(count)));
    left -= count;
  }
  return writer.finish();
}

TEST(ObjectStream, WhatFitsOnePartIsPutAtOnce) {
  for (const size_t bytes : {size_t{0}, size_t{1}, 8 * kMiB}) {
    MemoryStore store;
    ASSERT_TRUE(write_all(store, bytes, bytes).ok());
    EXPECT_EQ(store.calls, 1u);
    EXPECT_EQ(store.objects.at("k"), std::string(bytes, 'p'));
  }
}

TEST(ObjectStream, MoreGoesInPartsOfBoundedSize) {
  MemoryStore store;
  ASSERT_TRUE(write_all(store, 20 * kMiB + 5, 0).ok());
  EXPECT_EQ(store.objects.at("k").size(), 20 * kMiB + 5);
  EXPECT_EQ(store.longest_body, 8 * kMiB);
  EXPECT_TRUE(store.uploads.empty());
  ObjectReader reader(store, "k", 20 * kMiB + 5);
  const auto back = drain([&reader] { return reader.next(); });
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, store.objects.at("k"));
}

TEST(ObjectStream, PartsGrowSoThatTenThousandAreEnough) {
  MemoryStore store;
  ASSERT_TRUE(write_all(store, 40 * kMiB, uint64_t{100} << 30).ok());
  EXPECT_EQ(store.longest_body, 12 * kMiB);  // 100 GiB / 9000, rounded up
}

TEST(ObjectStream, AFailureLeavesNeitherObjectNorParts) {
  for (uint64_t call = 1; call <= 5; ++call) {
    MemoryStore store;
    store.fail_at = call;
    EXPECT_EQ(write_all(store, 20 * kMiB, 0).code(), Code::kUpstream) << call;
    EXPECT_TRUE(store.objects.empty());
    EXPECT_TRUE(store.uploads.empty());
  }
}

}  // namespace
}  // namespace ferres
