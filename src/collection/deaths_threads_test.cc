// The table of deaths under readers: what they find is of the death that they asked for.
#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/random.h"
#include "collection/deaths.h"

namespace ferres {
namespace {

TEST(DeathsThreads, NoNumberEverGivesAnothersDeath) {
  constexpr uint64_t kDeaths = 300'000;
  Deaths deaths(0);
  std::atomic<uint64_t> latest{0};
  std::atomic<bool> over{false};
  std::atomic<uint64_t> wrong{0};
  (void)deaths.add({1, 2});
  std::vector<std::jthread> readers;
  for (uint64_t reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&, reader] {
      Random random(reader);
      while (!over) {
        const EpochGuard guard;
        const uint64_t newest = latest.load(std::memory_order_acquire);
        const uint64_t number = newest - std::min(newest, random.below(70));
        const Deaths::Death death = deaths.find(number);
        if (death.died == 0) continue;
        const bool removed = death.born == 0;
        if (death.died != number + 2 || (!removed && death.born != number + 1)) ++wrong;
      }
    });
  }
  // Up to 30 unreleased at once, and now and then so many that the ring grows, then none.
  uint64_t first = 0;
  for (uint64_t number = 1; number < kDeaths; ++number) {
    EXPECT_EQ(deaths.add({number + 1, number + 2}), number);
    latest.store(number, std::memory_order_release);
    if (number % 10'000 < 300) continue;
    const uint64_t kept = number % 10'000 < 5000 ? 30 : 0;
    for (; number - first >= kept && first <= number; ++first)
      deaths.remove(first);
  }
  over = true;
  readers.clear();
  EXPECT_EQ(wrong.load(), 0u);
}

}  // namespace
}  // namespace ferres
