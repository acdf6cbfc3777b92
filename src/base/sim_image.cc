// Copy-on-write content of a simulated file. Not thread-safe.
#include "base/sim_image.h"

#include <algorithm>
#include <cstring>

namespace ferres {

size_t SimImage::read(uint64_t offset, MutableBytes into) const {
  if (offset >= size_) return 0;
  const size_t count = std::min<uint64_t>(into.size(), size_ - offset);
  for (size_t done = 0; done < count;) {
    const uint64_t at = offset + done;
    const size_t part = std::min<uint64_t>(count - done, kSimPageBytes - at % kSimPageBytes);
    const std::shared_ptr<Page>& page = pages_[at / kSimPageBytes];
    if (page) {
      std::memcpy(into.data() + done, page->data() + at % kSimPageBytes, part);
    } else {
      std::memset(into.data() + done, 0, part);
    }
    done += part;
  }
  return count;
}

void SimImage::write(uint64_t offset, Bytes data) {
  if (data.empty()) return;
  if (offset + data.size() > size_) resize(offset + data.size());
  for (size_t done = 0; done < data.size();) {
    const uint64_t at = offset + done;
    const size_t part = std::min<uint64_t>(data.size() - done, kSimPageBytes - at % kSimPageBytes);
    std::memcpy(own_page(at / kSimPageBytes).data() + at % kSimPageBytes, data.data() + done, part);
    done += part;
  }
}

void SimImage::resize(uint64_t size) {
  const uint64_t inside = size % kSimPageBytes;
  if (size < size_ && inside != 0 && pages_[size / kSimPageBytes]) {
    Page& last = own_page(size / kSimPageBytes);
    std::fill(last.begin() + static_cast<std::ptrdiff_t>(inside), last.end(), std::byte{0});
  }
  pages_.resize((size + kSimPageBytes - 1) / kSimPageBytes);
  size_ = size;
}

void SimImage::copy_page(const SimImage& from, uint64_t page) {
  if (page >= pages_.size()) return;
  pages_[page] = page < from.pages_.size() ? from.pages_[page] : nullptr;
  const uint64_t begin = page * kSimPageBytes;
  const uint64_t end = begin + kSimPageBytes;
  if (pages_[page] && size_ < end && from.size_ > size_) {
    Page& last = own_page(page);
    std::fill(last.begin() + static_cast<std::ptrdiff_t>(size_ - begin), last.end(), std::byte{0});
  }
}

SimImage::Page& SimImage::own_page(uint64_t page) {
  std::shared_ptr<Page>& slot = pages_[page];
  if (!slot) {
    slot = std::make_shared<Page>();
  } else if (slot.use_count() > 1) {
    slot = std::make_shared<Page>(*slot);
  }
  return *slot;
}

}  // namespace ferres
