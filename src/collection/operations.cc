// Encoding of log payloads. Lengths are u32 little-endian; an upsert is a sequence of points, a
// delete a sequence of ids, without a count: the record's length ends them.
#include "collection/operations.h"

#include <cstring>

#include "collection/config.h"

namespace ferres {
namespace {

constexpr OpInfo kOperations[] = {
    {Op::kUpsert, "upsert"}, {Op::kDelete, "delete"}, {Op::kExpire, "expire"}};

void put_u32(uint32_t value, std::string& out) {
  char bytes[4];
  std::memcpy(bytes, &value, 4);
  out.append(bytes, 4);
}

void put_text(std::string_view text, std::string& out) {
  put_u32(static_cast<uint32_t>(text.size()), out);
  out.append(text);
}

bool take_u32(Bytes& rest, uint32_t& value) {
  if (rest.size() < 4) return false;
  std::memcpy(&value, rest.data(), 4);
  rest = rest.subspan(4);
  return true;
}

bool take_text(Bytes& rest, std::string_view& text) {
  uint32_t length = 0;
  if (!take_u32(rest, length) || rest.size() < length) return false;
  text = as_text(rest.first(length));
  rest = rest.subspan(length);
  return true;
}

}  // namespace

std::span<const OpInfo> operations() {
  return kOperations;
}

void encode_point(const PointRecord& point, std::span<const float> vector, std::string& payload) {
  put_text(point.id, payload);
  put_text(point.ns, payload);
  const uint64_t ttl = point.ttl_seconds;
  put_u32(static_cast<uint32_t>(ttl), payload);
  put_u32(static_cast<uint32_t>(ttl >> 32), payload);
  put_text(point.metadata_json, payload);
  put_u32(static_cast<uint32_t>(vector.size()), payload);
  payload.append(reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float));
}

Status PointDecoder::next(PointRecord& point, std::vector<float>& vector) {
  uint32_t ttl_low = 0;
  uint32_t ttl_high = 0;
  uint32_t dim = 0;
  if (!take_text(rest_, point.id) || !take_text(rest_, point.ns) || !take_u32(rest_, ttl_low) ||
      !take_u32(rest_, ttl_high) || !take_text(rest_, point.metadata_json) ||
      !take_u32(rest_, dim) || dim > kDimensionMax || rest_.size() < dim * sizeof(float)) {
    return Status(Code::kCorruption, "malformed upsert record");
  }
  point.ttl_seconds = uint64_t{ttl_high} << 32 | ttl_low;
  vector.resize(dim);
  if (dim > 0) std::memcpy(vector.data(), rest_.data(), dim * sizeof(float));
  rest_ = rest_.subspan(dim * sizeof(float));
  return {};
}

std::string storage_id(std::string_view ns, std::string_view id) {
  if (ns.empty()) return std::string(id);
  std::string joined;
  joined.reserve(ns.size() + 1 + id.size());
  joined.append(ns).push_back('\0');
  joined.append(id);
  return joined;
}

void encode_id(std::string_view storage_id, std::string& payload) {
  put_text(storage_id, payload);
}

Result<std::vector<std::string_view>> decode_ids(Bytes payload) {
  std::vector<std::string_view> ids;
  while (!payload.empty()) {
    std::string_view id;
    if (!take_text(payload, id)) return Status(Code::kCorruption, "malformed id list record");
    ids.push_back(id);
  }
  return ids;
}

}  // namespace ferres
