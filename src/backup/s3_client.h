// S3 over libcurl, which signs (AWS_SIGV4). Each request carries the SHA-256 of its body under the
// signature, so that the server refuses what did not arrive as it was sent. What fails on the way,
// or is answered 5xx, 408 or 429, is tried again after growing pauses; all requests are such that
// twice does what once does. The secret stands in no message. One thread an object.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>

#include "backup/object_store.h"
#include "backup/s3_wire.h"

namespace ferres {

struct S3Options {
  uint32_t attempts_max = 10;  // of a request, with 20 to 40 seconds of pauses in all
  /// Asked a few times a second while a request or a pause lasts; true ends it with kUnavailable.
  std::function<bool()> stopping = [] { return false; };
};

/// Nothing is sent yet. kInvalidArgument as check_target().
Result<std::unique_ptr<ObjectStore>> open_s3(const S3Target& target, const S3Options& options);

}  // namespace ferres
