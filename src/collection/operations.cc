// Encoding of log payloads. Lengths are u32 little-endian; an upsert is a sequence of points, a
// delete a sequence of ids, without a count: the record's length ends them.
#include "collection/operations.h"

#include <cstring>

#include "base/coding.h"

namespace ferres {
namespace {

constexpr OpInfo kOperations[] = {
    {Op::kUpsert, "upsert"},
    {Op::kDelete, "delete"},
    {Op::kExpire, "expire"},
    {Op::kRestore, "restore"},
    {Op::kDropNamespace, "drop_namespace"},
    {Op::kImport, "import"},
    {Op::kLink, "link"},
    {Op::kUnlink, "unlink"},
};

}  // namespace

std::span<const OpInfo> operations() {
  return kOperations;
}

void encode_point(Op op, const PointRecord& point, std::span<const float> vector,
                  std::string& payload) {
  put_string(payload, point.id);
  put_string(payload, point.ns);
  put_varint(payload, point.ttl_seconds);
  put_string(payload, point.metadata_json);
  put_varint(payload, vector.size());
  put_bytes(payload, std::as_bytes(vector));
  if (op != Op::kImport) return;
  put_varint(payload, point.created_seconds);
  put_varint(payload, point.expires_micros);
}

Status PointDecoder::next(PointRecord& point, std::vector<float>& vector) {
  point.id = reader_.string();
  point.ns = reader_.string();
  point.ttl_seconds = reader_.varint();
  point.metadata_json = reader_.string();
  const uint64_t dim = reader_.count(sizeof(float));
  const Bytes floats = reader_.bytes(dim * sizeof(float));
  point.created_seconds = op_ == Op::kImport ? reader_.varint() : 0;
  point.expires_micros = op_ == Op::kImport ? reader_.varint() : 0;
  TRY(reader_.status("upsert record"));
  vector.resize(dim);
  if (dim > 0) std::memcpy(vector.data(), floats.data(), floats.size());
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

std::string_view namespace_of_storage_id(std::string_view storage_id) {
  const size_t end = storage_id.find('\0');
  return end == std::string_view::npos ? std::string_view() : storage_id.substr(0, end);
}

void encode_id(std::string_view storage_id, std::string& payload) {
  put_string(payload, storage_id);
}

Result<std::vector<std::string_view>> decode_ids(Bytes payload) {
  std::vector<std::string_view> ids;
  Reader reader(payload);
  while (!reader.at_end()) {
    ids.push_back(reader.string());
    TRY(reader.status("id list record"));
  }
  return ids;
}

void encode_link(const LinkRecord& link, std::string& payload) {
  encode_id(link.from, payload);
  encode_id(link.to, payload);
}

Result<std::vector<LinkRecord>> decode_links(Bytes payload) {
  TRY_ASSIGN(const std::vector<std::string_view> ids, decode_ids(payload));
  if (ids.size() % 2 != 0) return Status(Code::kCorruption, "a link record has an odd end");
  std::vector<LinkRecord> links;
  links.reserve(ids.size() / 2);
  for (size_t i = 0; i < ids.size(); i += 2)
    links.push_back({ids[i], ids[i + 1]});
  return links;
}

void encode_restore(const RestoreRecord& restore, std::string& payload) {
  put_u64(payload, restore.source);
  if (restore.ns) put_string(payload, *restore.ns);
}

Result<RestoreRecord> decode_restore(Bytes payload) {
  Reader reader(payload);
  RestoreRecord restore;
  restore.source = reader.u64();
  if (!reader.at_end()) restore.ns = reader.string();
  TRY(reader.finished("restore record"));
  return restore;
}

void encode_drop_namespace(std::string_view ns, std::string& payload) {
  put_string(payload, ns);
}

Result<std::string_view> decode_drop_namespace(Bytes payload) {
  Reader reader(payload);
  const std::string_view ns = reader.string();
  TRY(reader.finished("drop_namespace record"));
  return ns;
}

}  // namespace ferres
