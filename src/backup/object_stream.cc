// See object_stream.h.
#include "backup/object_stream.h"

#include <algorithm>

namespace ferres {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kPartBytes = 8 * kMiB;
constexpr uint64_t kPartsWanted = 9000;  // of 10 000: compression may make more of what is given
constexpr uint64_t kRangeBytes = 8 * kMiB;

size_t part_bytes_for(uint64_t bytes_expected) {
  const uint64_t needed = bytes_expected / kPartsWanted / kMiB * kMiB + kMiB;
  return static_cast<size_t>(std::max(kPartBytes, needed));
}

}  // namespace

ObjectWriter::ObjectWriter(ObjectStore& store, std::string key, uint64_t bytes_expected)
    : store_(store), key_(std::move(key)), part_bytes_(part_bytes_for(bytes_expected)) {
  part_.reserve(std::min<uint64_t>(part_bytes_, bytes_expected));
}

ObjectWriter::~ObjectWriter() {
  if (!upload_.id.empty()) store_.abort_upload(upload_);
}

Status ObjectWriter::write(Bytes bytes) {
  bytes_ += bytes.size();
  while (!bytes.empty()) {
    // Only when more comes: what fits into one part is sent without any.
    if (part_.size() == part_bytes_) TRY(send_part());
    const size_t count = std::min(bytes.size(), part_bytes_ - part_.size());
    part_.insert(part_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(count));
    bytes = bytes.subspan(count);
  }
  return {};
}

Status ObjectWriter::send_part() {
  if (upload_.id.empty()) {
    TRY_ASSIGN(upload_, store_.begin_upload(key_));
  }
  TRY(store_.upload_part(upload_, part_));
  part_.clear();
  return {};
}

Status ObjectWriter::finish() {
  if (upload_.id.empty()) return store_.put(key_, part_);
  TRY(send_part());
  TRY(store_.complete_upload(upload_));
  upload_.id.clear();
  return {};
}

Result<Bytes> ObjectReader::next() {
  const uint64_t count = std::min(kRangeBytes, bytes_ - at_);
  if (count == 0) return Bytes();
  TRY_ASSIGN(range_, store_.get(key_, at_, count));
  at_ += count;
  return as_bytes(range_);
}

}  // namespace ferres
