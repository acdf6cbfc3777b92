// From a request target to an operation. Built from the operations table; the path is split at raw
// slashes first and percent-decoded after, so an encoded slash stays inside a point id. Immutable:
// any thread may route.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/operations.h"
#include "base/status.h"

namespace ferres {

struct Route {
  const Operation* operation = nullptr;
  std::string collection;
  std::string item;
  std::vector<std::pair<std::string, std::string>> query;
};

class Router {
 public:
  explicit Router(std::span<const Operation> operations);

  /// kNotFound for an unknown path, kReadOnly for a known path with another method (`allowed` then
  /// lists its methods), kInvalidArgument for broken percent-encoding.
  Result<Route> route(std::string_view method, std::string_view target, std::string* allowed) const;

 private:
  struct Entry {
    const Operation* operation;
    std::vector<std::string_view> segments;  // of the pattern
  };
  std::vector<Entry> entries_;
};

/// %XX decoding to valid UTF-8; with plus_is_space also '+' (query strings). kInvalidArgument when
/// broken.
Result<std::string> percent_decode(std::string_view text, bool plus_is_space);

}  // namespace ferres
