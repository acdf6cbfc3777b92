// The log operations of a collection: what a record's op byte means and how its payload is laid out
// (docs/formats.md). A payload holds everything apply needs: nothing in it depends on a clock, a
// random source or the state at apply time other than the log's own order. Times are the record's
// commit time (ttl counts from it). Pure functions.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/coding.h"
#include "base/status.h"
#include "base/types.h"

namespace ferres {

enum class Op : uint8_t {
  kUpsert = 1,         // points, each replacing the one with its storage id
  kDelete = 2,         // storage ids; those that exist die
  kExpire = 3,         // storage ids whose time to live was over at the record's time
  kRestore = 4,        // an older LSN of this log: the points, or those of a namespace, become what
                       // they were then
  kDropNamespace = 5,  // a namespace: all its points die
  kImport = 6,         // as kUpsert, of points that bring their own times
  kLink = 7,           // storage ids, two for each link: those whose points are there are linked
  kUnlink = 8,         // the same, not any more
};

struct OpInfo {
  Op op;
  std::string_view name;
};

/// Every operation; recovery refuses a record whose op is not here.
std::span<const OpInfo> operations();

struct RestoreRecord {
  Lsn source = 0;
  std::optional<std::string_view> ns;  // alone, of all points; a view into the payload
};
void encode_restore(const RestoreRecord& restore, std::string& payload);
Result<RestoreRecord> decode_restore(Bytes payload);
void encode_drop_namespace(std::string_view ns, std::string& payload);
Result<std::string_view> decode_drop_namespace(Bytes payload);

/// One point of an upsert, as views into the payload (or into a request being encoded).
struct PointRecord {
  std::string_view id;
  std::string_view ns;       // empty: none
  uint64_t ttl_seconds = 0;  // 0: none
  std::string_view metadata_json;
  // Of an import alone.
  uint64_t created_seconds = 0;  // since 1970; 0: when the record was written
  uint64_t expires_micros = 0;   // since 1970, in place of the ttl; 0: by the ttl
};

/// An empty vector: the point is stored without one. `op` is kUpsert or kImport.
void encode_point(Op op, const PointRecord& point, std::span<const float> vector,
                  std::string& payload);
/// The name by which the log and the id map know a point: the id, or namespace NUL id.
std::string storage_id(std::string_view ns, std::string_view id);
/// Empty when it has none.
std::string_view namespace_of_storage_id(std::string_view storage_id);

void encode_id(std::string_view storage_id, std::string& payload);
Result<std::vector<std::string_view>> decode_ids(Bytes payload);

struct LinkRecord {
  std::string_view from;  // storage ids; views into the payload
  std::string_view to;
};
void encode_link(const LinkRecord& link, std::string& payload);
Result<std::vector<LinkRecord>> decode_links(Bytes payload);

/// Takes points off an upsert's or import's payload one by one.
class PointDecoder {
 public:
  PointDecoder(Op op, Bytes payload) : op_(op), reader_(payload) {}
  bool done() const { return reader_.ok() && reader_.at_end(); }
  /// The next point; views live as long as the payload.
  Status next(PointRecord& point, std::vector<float>& vector);

 private:
  const Op op_;
  Reader reader_;
};

}  // namespace ferres
