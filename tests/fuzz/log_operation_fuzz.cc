// A log record's operation and payload: what is taken is encoded and decoded again to the same.
#include <cstdlib>

#include "collection/operations.h"

using namespace ferres;

static void decode_points(Op op, Bytes payload) {
  PointDecoder points(op, payload);
  PointRecord point;
  std::vector<float> vector;
  while (!points.done() && points.next(point, vector).ok()) {
    std::string text;
    encode_point(op, point, vector, text);
    PointRecord same;
    std::string again;
    if (!PointDecoder(op, as_bytes(text)).next(same, vector).ok()) std::abort();
    encode_point(op, same, vector, again);
    if (again != text) std::abort();
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Op op = static_cast<Op>(data[0]);
  const Bytes payload = std::as_bytes(std::span(data, size)).subspan(1);
  std::string text;
  if (op == Op::kUpsert || op == Op::kImport) decode_points(op, payload);
  if (op == Op::kDelete || op == Op::kExpire) {
    const auto ids = decode_ids(payload);
    for (size_t i = 0; ids.ok() && i < ids->size(); ++i)
      encode_id(storage_id(namespace_of_storage_id((*ids)[i]), (*ids)[i]), text);
  }
  if (op == Op::kLink || op == Op::kUnlink) {
    const auto links = decode_links(payload);
    for (size_t i = 0; links.ok() && i < links->size(); ++i)
      encode_link((*links)[i], text);
  }
  if (op == Op::kRestore)
    if (const auto restore = decode_restore(payload); restore.ok()) encode_restore(*restore, text);
  if (op == Op::kDropNamespace)
    if (const auto ns = decode_drop_namespace(payload); ns.ok()) encode_drop_namespace(*ns, text);
  return 0;
}
