// The content of a simulated file: pages of 4 KiB that copies share until one writes, so that a
// disk can keep what was written and what was synced apart, and be copied whole at every write of a
// test. Holes read as zeros. Part of the simulated disk (sim_files.h); not thread-safe.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/types.h"

namespace ferres {

inline constexpr uint64_t kSimPageBytes = 4096;

class SimImage {
 public:
  uint64_t size() const { return size_; }
  /// Returns how many bytes there were to read.
  size_t read(uint64_t offset, MutableBytes into) const;
  void write(uint64_t offset, Bytes data);
  void resize(uint64_t size);
  /// Takes over one page of `from`, as far as both reach; sizes stay.
  void copy_page(const SimImage& from, uint64_t page);

 private:
  using Page = std::array<std::byte, kSimPageBytes>;

  Page& own_page(uint64_t page);

  uint64_t size_ = 0;
  std::vector<std::shared_ptr<Page>> pages_;  // null: zeros; bytes past size_ are zero
};

}  // namespace ferres
