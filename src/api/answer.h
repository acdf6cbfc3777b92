// What an operation answers, free of any transport. A plain value.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "api/streams.h"

namespace ferres {

struct Answer {
  int status = 200;
  std::string body;  // empty with 204
  std::string_view content_type = "application/json";
  std::shared_ptr<BodySource> source = {};  // in place of body
};

/// Called exactly once for each call, on the caller's thread or, for writes, on one of the
/// executor's.
using Reply = std::function<void(Answer)>;

}  // namespace ferres
