// How a test is told from outside to run longer, or with another seed (docs/TESTING.md).
#pragma once
#include <cstdint>
#include <cstdlib>
#include <utility>

namespace ferres {

/// A number from the environment, or the default.
inline uint64_t setting(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 10);
}

/// First and last seed of a test that runs `rounds` of them; FERRES_SEED=n is that one alone.
inline std::pair<uint64_t, uint64_t> seeds(uint64_t rounds) {
  const uint64_t only = setting("FERRES_SEED", 0);
  return only != 0 ? std::pair(only, only) : std::pair(uint64_t{1}, rounds);
}

}  // namespace ferres
