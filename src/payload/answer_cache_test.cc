// What the cache of answers keeps, and for how long.
#include "payload/answer_cache.h"

#include <gtest/gtest.h>

namespace ferres {
namespace {

std::shared_ptr<const PayloadAnswer> answer_of(Slot slots) {
  auto answer = std::make_shared<PayloadAnswer>();
  for (Slot slot = 0; slot < slots; ++slot)
    answer->matches.slots.add(slot);
  return answer;
}

TEST(AnswerCache, KeepsWhatIsAskedTwice) {
  AnswerCache cache;
  cache.put("a", 1, answer_of(10));
  EXPECT_EQ(cache.find("a", 1), nullptr);
  cache.put("a", 1, answer_of(10));
  ASSERT_NE(cache.find("a", 1), nullptr);
  EXPECT_EQ(cache.find("a", 1)->matches.slots.size(), 10u);
  EXPECT_EQ(cache.find("b", 1), nullptr);
}

TEST(AnswerCache, AnAnswerOfAnotherVersionIsGone) {
  AnswerCache cache;
  for (int i = 0; i < 2; ++i)
    cache.put("a", 1, answer_of(10));
  EXPECT_EQ(cache.find("a", 2), nullptr);
  EXPECT_EQ(cache.find("a", 1), nullptr);
  EXPECT_EQ(cache.memory_bytes(), 0u);
}

TEST(AnswerCache, StaysWithinItsBounds) {
  AnswerCache cache;
  for (int i = 0; i < 1000; ++i) {
    const std::string key = "k" + std::to_string(i);
    cache.put(key, 1, answer_of(200'000));
    cache.put(key, 1, answer_of(200'000));
    EXPECT_LE(cache.memory_bytes(), AnswerCache::kBytesMax);
  }
  EXPECT_NE(cache.find("k999", 1), nullptr);
  EXPECT_NE(cache.find("k999", 1), nullptr);
  EXPECT_EQ(cache.find("k1", 1), nullptr);
  size_t kept = 0;
  for (int i = 0; i < 1000; ++i)
    kept += cache.find("k" + std::to_string(i), 1) != nullptr;
  EXPECT_EQ(kept, AnswerCache::kAnswersMax);
}

TEST(AnswerCache, WhatIsUsedStaysLonger) {
  AnswerCache cache;
  for (int i = 0; i < 200; ++i) {
    const std::string key = "k" + std::to_string(i);
    cache.put(key, 1, answer_of(1));
    cache.put(key, 1, answer_of(1));
    EXPECT_NE(cache.find("k0", 1), nullptr) << i;
  }
}

}  // namespace
}  // namespace ferres
