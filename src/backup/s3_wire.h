// What S3 requests and answers look like, apart from sending them. Pure functions; any thread.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backup/object_store.h"
#include "base/status.h"

namespace ferres {

/// Where and as whom.
struct S3Target {
  std::string endpoint;  // "http(s)://host[:port]" of another server than Amazon's; else empty
  std::string region;
  std::string bucket;
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // of temporary keys, else empty
};

/// kInvalidArgument, saying what is missing or wrong, without the secret.
Status check_target(const S3Target& target);
/// URL of the bucket, without a slash at the end: "endpoint/bucket", or of Amazon's the bucket's
/// own host (not for names with a dot, which no certificate covers).
std::string bucket_url(const S3Target& target);
/// Percent-encoding of S3: all but unreserved characters; '/' stays where it is a path's.
std::string url_encode(std::string_view text, bool path);

/// The text of the first element of that name; empty when there is none.
std::string_view xml_text(std::string_view xml, std::string_view name);
/// The objects of a ListObjectsV2 answer, but those whose keys have characters that ours never do.
std::vector<StoredObject> listed_objects(std::string_view xml);
bool list_is_truncated(std::string_view xml);
std::string completion_xml(std::span<const std::string> etags);

/// Whether an answer with this status may be different next time.
bool worth_retrying(long http_status);
/// How long to wait before attempt number `attempt` (from 1: the second one): 0.2 s doubled each
/// time up to 8 s, of which a random part in [0.5, 1) counts.
uint64_t retry_delay_micros(uint32_t attempt, double random);

}  // namespace ferres
